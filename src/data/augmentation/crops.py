"""Training samples that are random crops of whole pictures."""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.augmentation.batches import RandomResizedCrop
from data.images.cache import Held
from data.splits import Indices


class Pictures(Protocol):
    """Whole pictures of any size, decoded now or before."""

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    def one(self, index: int) -> NDArray[np.uint8]:
        """Return a picture, uint8 [H, W, C]; raises SampleError."""
        ...


class Crops:
    """Cuts a random part out of each picture and brings it to the size of the data.

    Args:
        pictures: what to cut from.
        crop: which parts, and how they are resized.
        height: rows of a sample.
        width: columns.
        channels: 1 or 3.
    """

    def __init__(
        self, pictures: Pictures, crop: RandomResizedCrop, height: int, width: int, channels: int
    ) -> None:
        self.pictures, self.crop = pictures, crop
        self.height, self.width, self.channels = height, width, channels
        self._held = pictures if isinstance(pictures, Held) and pictures.is_uniform else None

    @property
    def is_stackable(self) -> bool:
        """Whether pictures are held and of one size, so that `late` can take a batch of them."""
        return self._held is not None

    @property
    def stackable_bytes(self) -> int | None:
        """Bytes of all pictures where they are in memory and stackable, or None."""
        if self._held is None or self._held.content.path is not None:
            return None
        return self._held.num_bytes

    @property
    def is_costly(self) -> bool:
        """Whether fetching decodes files."""
        return not isinstance(self.pictures, Held)

    def stacked(self, indices: Indices) -> Tensor:
        """Return whole pictures that are stackable, uint8 [B, H, W, C], for `late`."""
        assert self._held is not None
        return self._held.stack(indices)

    def early(self, indices: Indices, epoch: int, seed: int) -> Tensor:
        """Return the crops of single pictures, uint8 [B, C, height, width]."""
        pictures = [self.pictures.one(index) for index in indices.tolist()]
        return self._one_by_one(pictures, indices, epoch, seed)

    def late(self, pictures: Tensor, indices: Indices, epoch: int, seed: int) -> Tensor:
        """Return the crops of `stacked` pictures, on their device; the same pixels as `early`."""
        if pictures.device.type == "cpu" and self.crop.interpolation == "bilinear":
            # Pillow takes a sixth of the time of the batch's own arithmetic.
            return self._one_by_one(list(pictures.numpy()), indices, epoch, seed)
        sizes = np.tile(np.array(pictures.shape[1:3]), (len(indices), 1))
        boxes = self.crop.boxes(sizes, indices, epoch, seed)
        return self.crop.batch(pictures, boxes, self.height, self.width)

    def _one_by_one(
        self, pictures: list[NDArray[np.uint8]], indices: Indices, epoch: int, seed: int
    ) -> Tensor:
        sizes = np.array([picture.shape[:2] for picture in pictures], dtype=np.int64).reshape(-1, 2)
        boxes = self.crop.boxes(sizes, indices, epoch, seed)
        size = (self.height, self.width)
        pixels = np.empty((len(indices), *size, self.channels), dtype=np.uint8)
        for place, picture in enumerate(pictures):
            pixels[place] = self.crop.one(picture, boxes, place, *size)
        return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
