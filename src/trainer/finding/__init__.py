"""Finds a learning rate and a batch size by short trials that leave the run as it was."""
