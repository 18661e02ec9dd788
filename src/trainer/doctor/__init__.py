"""What speaks against training here, looked at without importing torch."""
