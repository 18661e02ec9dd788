"""Whether two runs came to the same, bit for bit, and if not, where they part."""
