"""Images in folders of classes or named by a table, and what all sets of images share."""

from data.images.images import images
from data.images.look import look_images

__all__ = ["images", "look_images"]
