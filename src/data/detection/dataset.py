"""Images with boxes as samples, fetched a batch at a time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from data.augmentation.joint import JointAffine
from data.errors import DataError
from data.images.files import Files
from data.images.pictures import Pictures, shape_problem, unknown_problem
from data.pixels.boxes import drawn
from data.splits import Indices


class DetectionImages(Dataset[tuple[Tensor, Tensor]]):
    """Images with boxes around objects.

    Args:
        samples: uint8 pixels [N, C, H, W], or files.
        boxes: float32 [N, M, 5]: class (-1: no box), x1, y1, x2, y2 in pixels of the input.
        classes: class names.
        names: what to call each sample: the path of its image.
        mean: mean of pixels / 255 per channel, for normalisation.
        std: standard deviation of pixels / 255 per channel.
        augment: moves images together with boxes, e.g. `data.augmentation.joint.JointAffine`.
    """

    def __init__(
        self,
        samples: Tensor | Files,
        boxes: Tensor,
        *,
        classes: Sequence[str],
        names: Sequence[str],
        mean: Sequence[float],
        std: Sequence[float],
        augment: JointAffine | None = None,
    ) -> None:
        assert len(samples) == len(boxes) == len(names)
        self.pictures = Pictures(samples, mean=mean, std=std)
        self.boxes = boxes
        self.classes, self.names, self.augment = tuple(classes), names, augment

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return one sample as evaluation sees it: float32 [C, H, W], and float32 [M, 5]."""
        pixels, boxes = self.fetch(np.array([index]), 0, 0)
        return self.pictures.normalised(pixels.float().div_(255))[0], boxes[0]

    def seen_as(self, info: Any, classes: Sequence[str]) -> "DetectionImages":
        """Return these samples as a model sees them that was trained on other data.

        Normalised with `info.mean` and `info.std`, classes brought into the order of
        `info.classes` by name, not augmented. `classes` are the names of this data's own.

        Raises:
            DataError: images of another size or number of channels, or boxes of classes that
                `info` doesn't know.
        """
        known = {name: number for number, name in enumerate(info.classes)}
        numbers = self.boxes[..., 0].long()
        present = [classes[number] for number in numbers.unique().tolist() if number >= 0]
        problems = unknown_problem(present, known)
        if list(self.pictures.shape) != list(info.input_shape):
            problems.insert(0, shape_problem(self.pictures.shape, info.input_shape))
        if problems:
            raise DataError(*problems)
        # The last one stands for -1: no box.
        table = torch.tensor([*(known.get(name, -1) for name in classes), -1])
        boxes = self.boxes.clone()
        boxes[..., 0] = table[numbers].to(boxes.dtype)
        return DetectionImages(
            self.pictures.samples,
            boxes,
            classes=info.classes,
            names=self.names,
            mean=info.mean,
            std=info.std,
        )

    def raw(self, index: int) -> NDArray[np.uint8]:
        """Return the image as a reader gives it, uint8 [H, W, C]."""
        return self.pictures.stored(index)

    def picture(self, index: int) -> NDArray[np.uint8]:
        """Return the image with its boxes drawn on it, uint8 [H, W, 3]."""
        return _drawn(self.raw(index), self.boxes[index])

    def drawn(self, batch: tuple[Tensor, Tensor]) -> list[NDArray[np.uint8]]:
        """Return the images of a finished batch with their boxes on them, uint8 [H, W, 3]."""
        pairs = zip(self.pictures.shown(batch[0]), batch[1].cpu(), strict=True)
        return [_drawn(pixels, boxes) for pixels, boxes in pairs]

    @property
    def resident_bytes(self) -> int | None:
        """Bytes of all pixels and boxes, or None where images are read from files."""
        pixels = self.pictures.nbytes
        return None if pixels is None else pixels + self.boxes.nbytes

    @property
    def is_augmented(self) -> bool:
        """Whether `finish` depends on the epoch."""
        return self.augment is not None

    @property
    def is_costly(self) -> bool:
        """Whether fetching is work that is worth worker processes."""
        return self.resident_bytes is None

    def fetch(self, indices: Indices, epoch: int, seed: int) -> tuple[Tensor, Tensor]:
        """Return pixels uint8 [B, C, H, W] and boxes float32 [B, M, 5]."""
        return self.pictures.pixels(indices), self.boxes[torch.from_numpy(indices)]

    def finish(
        self, batch: tuple[Tensor, Tensor], indices: Indices, epoch: int, seed: int
    ) -> tuple[Tensor, Tensor]:
        """Return model input float32 [B, C, H, W], and boxes float32 [B, M, 5]."""
        pixels, boxes = batch
        images = pixels.float().div_(255)
        if self.augment is not None:
            images, boxes = self.augment.with_boxes(images, boxes, indices, epoch, seed)
        return self.pictures.normalised(images), boxes


def _drawn(pixels: NDArray[np.uint8], boxes: Tensor) -> NDArray[np.uint8]:
    found = boxes[boxes[:, 0] >= 0]
    labels = [int(number) for number in found[:, 0].tolist()]
    return drawn(pixels, found[:, 1:].numpy(), labels)
