"""Datasets of torchvision: any of its classes by name, and those with a choice of their own."""
