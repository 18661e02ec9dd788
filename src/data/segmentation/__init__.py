"""Segmentation: images with masks that say the class of each pixel."""

from data.segmentation.build import segmentation
from data.segmentation.look import look_segmentation

__all__ = ["look_segmentation", "segmentation"]
