"""A step of a run taken again under observation: where its numbers stop being finite."""
