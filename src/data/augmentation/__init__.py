"""Training samples changed at random, before they are a batch or as one."""

from data.augmentation.batches import RandomAffine, RandomResizedCrop

__all__ = ["RandomAffine", "RandomResizedCrop"]
