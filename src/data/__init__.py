"""Datasets, their splits, and loaders that give the same batches however they load."""

__distribution__ = "fivestep"
