"""`Images`: uint8 image classification data that can be fetched a batch at a time."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from data import keyed
from data.errors import DataError, SampleError
from data.files import Files
from data.randomness import own_randomness, reseed

MANY = 10_000
CHECKED = 20
Indices = NDArray[np.int64]
Augment = Callable[[Tensor, Indices, int, int], Tensor]
Transform = Callable[[Tensor], Tensor]


class Images(Dataset[tuple[Tensor, int]]):
    """Images with labels, stored as pixels or decoded from files on demand.

    Args:
        samples: uint8 pixels [N, C, H, W], or files.
        labels: class of each sample [N].
        names: what to call each sample: its path, or e.g. "digits[12]".
        mean: mean of pixels / 255 per channel, for normalisation.
        std: standard deviation of pixels / 255 per channel.
        augment: turns a float batch (0..1) with (indices, epoch, seed) into an augmented one, e.g.
            `data.augmentation.RandomAffine`; each sample's result must not depend on the others.
        transform: turns one uint8 image [C, H, W] into one of the same shape, uint8, or float in
            0..1, e.g. a torchvision v2 transform; torch, numpy and random are seeded by
            (seed, epoch, sample) before it is called.
    """

    def __init__(
        self,
        samples: Tensor | Files,
        labels: Tensor | NDArray[Any] | Sequence[int],
        *,
        names: Sequence[str],
        mean: Sequence[float],
        std: Sequence[float],
        augment: Augment | None = None,
        transform: Transform | None = None,
    ) -> None:
        self.samples = samples
        self.labels = torch.as_tensor(labels, dtype=torch.int64)
        self.names = names
        self.augment, self.transform = augment, transform
        self._mean = torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1)
        self._std = torch.tensor(std, dtype=torch.float32).view(-1, 1, 1)
        assert len(samples) == len(self.labels) == len(names)
        if transform is not None and len(samples):
            self._check_transform()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Return one sample as evaluation sees it: float32 [C, H, W], normalised; and its class."""
        pixels = self._pixels(np.array([index]))
        return self._normalised(pixels.float().div_(255))[0], int(self.labels[index])

    def seen_as(self, info: Any, classes: Sequence[str]) -> "Images":
        """Return these samples as a model sees them that was trained on other data.

        Normalised with `info.mean` and `info.std`, labels brought into the order of `info.classes`
        by name, neither augmented nor transformed. `classes` are the names of this data's own.

        Raises:
            DataError: images of another size or number of channels (`info.input_shape`), or
                samples of classes that `info` doesn't know.
        """
        problems = []
        if list(self.shape) != list(info.input_shape):
            problems.append(
                f"images of {_size(self.shape)} in the data, and the model was trained on "
                f"{_size(info.input_shape)}; choose data of that size (data=images has data.size "
                "and data.channels)"
            )
        known = {name: place for place, name in enumerate(info.classes)}
        present = [classes[label] for label in self.labels.unique().tolist()]
        unknown = [repr(name) for name in present if name not in known]
        if unknown:
            shown = ", ".join(unknown[:5]) + (", ..." if len(unknown) > 5 else "")
            among = ", ".join(map(repr, info.classes[:5]))
            problems.append(
                f"{len(unknown)} {'class' if len(unknown) == 1 else 'classes'} ({shown}) of the "
                f"data unknown to the model, which knows {among}"
                f"{', ...' if len(info.classes) > 5 else ''}; rename or remove them"
            )
        if problems:
            raise DataError(*problems)
        places = torch.tensor([known.get(name, -1) for name in classes], dtype=torch.int64)
        labels = places[self.labels]
        return Images(self.samples, labels, names=self.names, mean=info.mean, std=info.std)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of each sample."""
        if isinstance(self.samples, Files):
            return self.samples.channels, self.samples.height, self.samples.width
        channels, height, width = self.samples.shape[1:]
        return channels, height, width

    def picture(self, index: int) -> NDArray[np.uint8]:
        """Return one sample as stored, to be looked at: uint8 [H, W, C]."""
        pixels: NDArray[np.uint8] = self._pixels(np.array([index]))[0].permute(1, 2, 0).numpy()
        return pixels

    @property
    def resident_bytes(self) -> int | None:
        """Bytes of all stored pixels, or None where they have to be fetched one by one."""
        if isinstance(self.samples, Files) or self.transform is not None:
            return None
        return self.samples.nbytes

    @property
    def is_augmented(self) -> bool:
        """Whether `finish` depends on the epoch."""
        return self.augment is not None

    @property
    def is_costly(self) -> bool:
        """Whether fetching is work that is worth worker processes."""
        return isinstance(self.samples, Files) or (
            self.transform is not None and len(self) >= 10000
        )

    def fetch(self, indices: Indices, epoch: int, seed: int) -> tuple[Tensor, Tensor]:
        """Return samples [B, C, H, W] (uint8, or float from a transform) and int64 targets [B]."""
        pixels = self._pixels(indices)
        if self.transform is not None:
            stream = keyed.key(seed, keyed.TRANSFORM, epoch)
            with own_randomness():
                pixels = torch.stack(
                    [
                        self._transformed(image, stream, int(index))
                        for image, index in zip(pixels, indices, strict=True)
                    ]
                )
        return pixels, self.labels[torch.from_numpy(indices)]

    def finish(
        self, batch: tuple[Tensor, Tensor], indices: Indices, epoch: int, seed: int
    ) -> tuple[Tensor, Tensor]:
        """Turn what `fetch` gave into model input: float32 [B, C, H, W], augmented and normalised.

        Works on the device that the batch is on; each sample's result is independent of the others.
        """
        samples, targets = batch
        images = samples.float().div_(255) if samples.dtype == torch.uint8 else samples.float()
        if self.augment is not None:
            images = self.augment(images, indices, epoch, seed)
        elif images is samples:
            images = images.clone()
        return self._normalised(images), targets

    def _normalised(self, images: Tensor) -> Tensor:
        device = images.device
        return images.sub_(self._mean.to(device)).div_(self._std.to(device))

    def _pixels(self, indices: Indices) -> Tensor:
        if isinstance(self.samples, Files):
            return self.samples.read(indices)
        return self.samples[torch.from_numpy(indices)]

    def _transformed(self, image: Tensor, stream: int, index: int) -> Tensor:
        assert self.transform is not None
        reseed(keyed.key(stream, index))
        try:
            return self.transform(image)
        except Exception as error:
            # A user's transform may raise anything; what it was applied to is what helps.
            raise SampleError(
                f"data.transform failed on {self.names[index]} ({type(error).__name__}: {error}); "
                "mend the transform or the sample"
            ) from error

    def _check_transform(self) -> None:
        for index in range(min(CHECKED, len(self))):
            try:
                image = self._pixels(np.array([index]))[0]
            except SampleError:
                continue  # a file: whether that matters, the loader has to say
            self._check_transform_on(index, image)
            return

    def _check_transform_on(self, index: int, image: Tensor) -> None:
        name = self.names[index]
        try:
            with own_randomness():
                result: Any = self._transformed(image, 0, index)
        except SampleError as error:
            raise DataError(*error.problems) from error
        if not isinstance(result, Tensor):
            raise DataError(
                f"data.transform gives {type(result).__name__} for {name}; it has to take "
                "and give tensors (leave out ToPILImage)"
            )
        if result.shape != image.shape:
            raise DataError(
                f"data.transform gives shape {list(result.shape)} for {name}, the data "
                f"has {list(image.shape)}; keep the shape (choose the size by data.size)"
            )
        if result.dtype != torch.uint8 and not result.is_floating_point():
            raise DataError(
                f"data.transform gives {result.dtype} for {name}; it has to give uint8, "
                "or float in 0..1"
            )


def _size(shape: Sequence[int]) -> str:
    channels, height, width = shape
    return f"{height} x {width} with {channels} {'channel' if channels == 1 else 'channels'}"
