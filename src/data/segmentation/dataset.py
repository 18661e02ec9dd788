"""Images with masks as samples, fetched a batch at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from data.augmentation.joint import JointAffine
from data.errors import DataError, SampleError
from data.images.files import Files
from data.images.pictures import Pictures, shape_problem, unknown_problem
from data.pixels.masks import IGNORED, Encoding, overlay, placed, read_codes, upright_size
from data.pixels.placement import Way, placement
from data.segmentation.sizes import all_ignored, size_problem
from data.splits import Indices

IGNORE_INDEX = -100  # of torch.nn.CrossEntropyLoss


@dataclass(frozen=True)
class MaskFiles:
    """Mask files that are read when they are asked for."""

    root: Path
    """Folder that the names are relative to."""
    names: tuple[str, ...]
    """Path of each mask below root."""
    images: tuple[str, ...]
    """Path of the image that it belongs to."""
    encoding: Encoding
    """What its values stand for."""
    height: int
    """Rows to bring it to."""
    width: int
    """Columns to bring it to."""
    fit: Way
    """How: see `data.pixels.placement.placement`."""

    def __len__(self) -> int:
        return len(self.names)

    def one(self, index: int) -> NDArray[np.uint8]:
        """Return the classes of one mask, uint8 [H, W], 255 where ignored; or raise SampleError."""
        path = self.root / self.names[index]
        codes = read_codes(path, colours=self.encoding.colours)
        rows, columns = codes.shape
        wanted = upright_size(self.root / self.images[index])
        if wanted != (columns, rows):
            raise SampleError(size_problem(path, (columns, rows), wanted))
        where = placement(columns, rows, height=self.height, width=self.width, fit=self.fit)
        mask = self.encoding.classes(placed(codes, where), str(path))
        if (mask == IGNORED).all():
            raise SampleError(all_ignored(path))
        return mask

    def read(self, indices: Indices) -> Tensor:
        """Return masks, uint8 [B, H, W]; SampleError names the first that fails."""
        masks = np.empty((len(indices), self.height, self.width), dtype=np.uint8)
        for place, index in enumerate(indices.tolist()):
            masks[place] = self.one(index)
        return torch.from_numpy(masks)


class SegmentationImages(Dataset[tuple[Tensor, Tensor]]):
    """Images with the class of each pixel.

    Args:
        samples: uint8 pixels [N, C, H, W], or files.
        masks: uint8 class numbers [N, H, W], 255 where a pixel is ignored, or files.
        classes: class names.
        names: what to call each sample: the path of its image.
        mean: mean of pixels / 255 per channel, for normalisation.
        std: standard deviation of pixels / 255 per channel.
        augment: moves images together with masks, e.g. `data.augmentation.joint.JointAffine`.
        numbers: the class that each number in a mask stands for, int64 [256]; by default itself.
    """

    def __init__(
        self,
        samples: Tensor | Files,
        masks: Tensor | MaskFiles,
        *,
        classes: Sequence[str],
        names: Sequence[str],
        mean: Sequence[float],
        std: Sequence[float],
        augment: JointAffine | None = None,
        numbers: Tensor | None = None,
    ) -> None:
        assert len(samples) == len(masks) == len(names)
        self.pictures = Pictures(samples, mean=mean, std=std)
        self.masks = masks
        self.classes, self.names, self.augment = tuple(classes), names, augment
        self._numbers = torch.arange(256) if numbers is None else numbers.clone()
        self._numbers[IGNORED] = IGNORE_INDEX

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return one sample as evaluation sees it: float32 [C, H, W], and int64 [H, W]."""
        pixels, masks = self.fetch(np.array([index]), 0, 0)
        return (
            self.pictures.normalised(pixels.float().div_(255))[0],
            self._numbers[masks[0].long()],
        )

    def seen_as(self, info: Any, classes: Sequence[str]) -> "SegmentationImages":
        """Return these samples as a model sees them that was trained on other data.

        Normalised with `info.mean` and `info.std`, classes brought into the order of
        `info.classes` by name, not augmented. `classes` are the names of this data's own.

        Raises:
            DataError: images of another size or number of channels, or classes that `info` doesn't
                know.
        """
        problems = []
        if list(self.pictures.shape) != list(info.input_shape):
            problems.append(shape_problem(self.pictures.shape, info.input_shape))
        known = {name: number for number, name in enumerate(info.classes)}
        problems += unknown_problem(self._present(classes), known)
        if problems:
            raise DataError(*problems)
        numbers = torch.full((256,), IGNORE_INDEX)
        for number, name in enumerate(classes):
            numbers[number] = known.get(name, IGNORE_INDEX)
        return SegmentationImages(
            self.pictures.samples,
            self.masks,
            classes=info.classes,
            names=self.names,
            mean=info.mean,
            std=info.std,
            numbers=numbers,
        )

    def _present(self, classes: Sequence[str]) -> list[str]:
        """Return the classes that masks hold; those of files may all be there."""
        if isinstance(self.masks, MaskFiles):
            return list(classes)
        found = self.masks.unique().tolist()
        return [classes[number] for number in found if number != IGNORED]

    def raw(self, index: int) -> NDArray[np.uint8]:
        """Return the image as a reader gives it, uint8 [H, W, C]."""
        return self.pictures.stored(index)

    def picture(self, index: int) -> NDArray[np.uint8]:
        """Return the image with its mask drawn over it, uint8 [H, W, 3]."""
        mask = self._masks(np.array([index]))[0].long()
        numbers = self._numbers[mask]
        return overlay(self.raw(index), numbers.where(numbers >= 0, IGNORED).numpy())

    def drawn(self, batch: tuple[Tensor, Tensor]) -> list[NDArray[np.uint8]]:
        """Return the images of a finished batch with their masks over them, uint8 [H, W, 3]."""
        numbers = batch[1].where(batch[1] >= 0, IGNORED).cpu().numpy()
        pairs = zip(self.pictures.shown(batch[0]), numbers, strict=True)
        return [overlay(pixels, mask) for pixels, mask in pairs]

    @property
    def resident_bytes(self) -> int | None:
        """Bytes of all pixels and masks, or None where they are read from files."""
        if isinstance(self.masks, MaskFiles) or self.pictures.nbytes is None:
            return None
        # A finished mask takes eight bytes where a stored one takes one, an image four.
        return self.pictures.nbytes + self.masks.nbytes

    @property
    def is_augmented(self) -> bool:
        """Whether `finish` depends on the epoch."""
        return self.augment is not None

    @property
    def is_costly(self) -> bool:
        """Whether fetching is work that is worth worker processes."""
        return self.resident_bytes is None

    def fetch(self, indices: Indices, epoch: int, seed: int) -> tuple[Tensor, Tensor]:
        """Return pixels uint8 [B, C, H, W] and class numbers uint8 [B, H, W]."""
        return self.pictures.pixels(indices), self._masks(indices)

    def finish(
        self, batch: tuple[Tensor, Tensor], indices: Indices, epoch: int, seed: int
    ) -> tuple[Tensor, Tensor]:
        """Return model input float32 [B, C, H, W] and targets int64 [B, H, W], -100 if ignored."""
        pixels, masks = batch
        images = pixels.float().div_(255)
        if self.augment is not None:
            images, masks = self.augment.with_masks(images, masks, indices, epoch, seed)
        return self.pictures.normalised(images), self._numbers.to(masks.device)[masks.long()]

    def _masks(self, indices: Indices) -> Tensor:
        if isinstance(self.masks, MaskFiles):
            return self.masks.read(indices)
        return self.masks[torch.from_numpy(indices)]
