"""`Images`: uint8 images with classes, labels or numbers, fetched a batch at a time."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from data import keyed
from data.augmentation.batches import RandomResizedCrop
from data.augmentation.crops import Crops, Pictures
from data.augmentation.policies import policy
from data.errors import DataError, SampleError
from data.images.cache import Bytes, Held
from data.images.targets import scaled
from data.loading.randomness import own_randomness, reseed

MANY = 10_000
CHECKED = 20
Indices = NDArray[np.int64]
Augment = Callable[[Tensor, Indices, int, int], Tensor]
Transform = Callable[[Tensor], Tensor]


class Readable(Protocol):
    """Pixels that are read a few at a time: files, or a cache of them."""

    @property
    def channels(self) -> int:
        """1 for gray, 3 for RGB."""
        ...

    @property
    def height(self) -> int:
        """Rows of a sample."""
        ...

    @property
    def width(self) -> int:
        """Columns."""
        ...

    def __len__(self) -> int:
        """Return the number of samples."""
        ...

    def read(self, indices: Indices) -> Tensor:
        """Return uint8 [B, C, H, W]; SampleError names the first that can't be read."""
        ...


class Images(Dataset[tuple[Tensor, Any]]):
    """Images with targets, stored as pixels or decoded from files on demand.

    Args:
        samples: uint8 pixels [N, C, H, W], or what reads them (`data.images.files.Files`).
        targets: class of each sample [N]; or 0 and 1 for each label, or numbers, [N, K].
        names: what to call each sample: its path, or e.g. "digits[12]".
        mean: mean of pixels / 255 per channel, for normalisation.
        std: standard deviation of pixels / 255 per channel.
        info: with numbers: what they are standardised by (`target_mean`, `target_std`).
        target_names: what the labels or numbers are called.
        num_classes: how many classes there are; None: as many as `targets` has.
        augment: `data.augmentation.RandomResizedCrop`; or what turns a float batch (0..1) with
            (indices, epoch, seed) into an augmented one, e.g. `data.augmentation.RandomAffine`;
            each sample's result must not depend on the others.
        originals: whole pictures for RandomResizedCrop to cut from; by default the samples.
        transform: turns one uint8 image [C, H, W] into one of the same shape, uint8, or float in
            0..1, e.g. a torchvision v2 transform, or the name of one, see
            `data.augmentation.policies`; torch, numpy and random are seeded by (seed, epoch,
            sample) before it is called.
    """

    def __init__(
        self,
        samples: Tensor | Readable,
        targets: Tensor | NDArray[Any] | Sequence[int],
        *,
        names: Sequence[str],
        mean: Sequence[float],
        std: Sequence[float],
        info: Any = None,
        target_names: Sequence[str] = (),
        num_classes: int | None = None,
        augment: Augment | RandomResizedCrop | None = None,
        originals: Pictures | None = None,
        transform: Transform | str | None = None,
    ) -> None:
        self.samples = samples
        self._values = np.asarray(targets)
        self._target_names = tuple(target_names)
        self.targets = torch.as_tensor(
            self._values if info is None else scaled(self._values, info),
            dtype=torch.int64 if self._values.ndim == 1 else torch.float32,
        )
        if self._values.ndim == 1:
            self.labels, self.num_classes = self.targets, num_classes
        self.names = names
        self.augment, self.transform = augment, policy(transform)
        self.crops = self._crops(originals)
        self._mean = torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1)
        self._std = torch.tensor(std, dtype=torch.float32).view(-1, 1, 1)
        assert len(samples) == len(self.targets) == len(names)
        if self.transform is not None and len(samples):
            self._check_transform()

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        """Return one sample as evaluation sees it: float32 [C, H, W], normalised; and its target.

        A class is an int, labels and numbers are float32 [K].
        """
        image = self._normalised(self._pixels(np.array([index])).float().div_(255))[0]
        return image, int(self.targets[index]) if self.targets.ndim == 1 else self.targets[index]

    def seen_as(self, info: Any, classes: Sequence[str]) -> "Images":
        """Return these samples as a model sees them that was trained on other data.

        Normalised with `info.mean` and `info.std`, targets brought into the order of `info` by
        name (and its scale), neither augmented nor transformed. `classes` are the names of this
        data's own.

        Raises:
            DataError: images of another size or number of channels (`info.input_shape`), targets
                of another kind, or of classes or names that `info` doesn't know or that it misses.
        """
        problems = []
        if list(self.shape) != list(info.input_shape):
            problems.append(
                f"images of {_size(self.shape)} in the data, and the model was trained on "
                f"{_size(info.input_shape)}; choose data of that size (data=images has data.size "
                "and data.channels)"
            )
        values, misfits = matched(self._values, self._target_names, info, classes)
        if problems + misfits:
            raise DataError(*problems, *misfits)
        return Images(
            self.samples,
            values,
            names=self.names,
            mean=info.mean,
            std=info.std,
            info=info if values.ndim == 2 else None,
            target_names=self._target_names and (tuple(info.targets) or tuple(info.classes)),
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of each sample."""
        if isinstance(self.samples, Tensor):
            channels, height, width = self.samples.shape[1:]
            return channels, height, width
        return self.samples.channels, self.samples.height, self.samples.width

    def picture(self, index: int) -> NDArray[np.uint8]:
        """Return one sample as stored, to be looked at: uint8 [H, W, C]."""
        pixels: NDArray[np.uint8] = self._pixels(np.array([index]))[0].permute(1, 2, 0).numpy()
        return pixels

    def raw(self, index: int) -> NDArray[np.uint8]:
        """Return one sample as the reader of this data gives it, uint8 [H, W, C]."""
        return self.picture(index)

    @property
    def resident_bytes(self) -> int | None:
        """Bytes of all stored pixels, or None where they have to be fetched one by one."""
        if self.transform is not None:
            return None
        if self.crops is not None:
            return self.crops.stackable_bytes
        return self.samples.nbytes if isinstance(self.samples, Tensor) else None

    @property
    def is_augmented(self) -> bool:
        """Whether `finish` depends on the epoch."""
        return self.augment is not None

    @property
    def is_costly(self) -> bool:
        """Whether fetching is work that is worth worker processes."""
        if self.transform is not None and len(self) >= MANY:
            return True
        if self.crops is not None:
            return self.crops.is_costly
        return not isinstance(self.samples, Tensor | Held)

    def fetch(self, indices: Indices, epoch: int, seed: int) -> tuple[Tensor, Tensor]:
        """Return samples [B, C, H, W] (uint8, or float from a transform) and targets.

        Targets are int64 [B], or float32 [B, K]. Where pictures of one size are held and crops are
        to be taken, the samples are whole pictures, uint8 [B, H, W, C].
        """
        targets = self.targets[torch.from_numpy(indices)]
        if self.crops is not None:
            if self._crops_late:
                return self.crops.stacked(indices), targets
            pixels = self.crops.early(indices, epoch, seed)
        else:
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
        return pixels, targets

    def finish(
        self, batch: tuple[Tensor, Tensor], indices: Indices, epoch: int, seed: int
    ) -> tuple[Tensor, Tensor]:
        """Turn what `fetch` gave into model input: float32 [B, C, H, W], augmented and normalised.

        Works on the device that the batch is on; each sample's result is independent of the others.
        """
        samples, targets = batch
        if self._crops_late:
            assert self.crops is not None
            samples = self.crops.late(samples, indices, epoch, seed)
        images = samples.float().div_(255) if samples.dtype == torch.uint8 else samples.float()
        if self.augment is not None and self.crops is None:
            assert not isinstance(self.augment, RandomResizedCrop)
            images = self.augment(images, indices, epoch, seed)
        elif images is samples:
            images = images.clone()
        return self._normalised(images), targets

    def _normalised(self, images: Tensor) -> Tensor:
        device = images.device
        return images.sub_(self._mean.to(device)).div_(self._std.to(device))

    def _pixels(self, indices: Indices) -> Tensor:
        if isinstance(self.samples, Tensor):
            return self.samples[torch.from_numpy(indices)]
        return self.samples.read(indices)

    def _crops(self, originals: Pictures | None) -> Crops | None:
        if not isinstance(self.augment, RandomResizedCrop):
            return None
        channels, height, width = self.shape
        if originals is None:
            assert isinstance(self.samples, Tensor)
            originals = _held(self.samples)
        return Crops(originals, self.augment, height, width, channels)

    @property
    def _crops_late(self) -> bool:
        """Whether crops are taken of a whole batch, on its device."""
        return self.crops is not None and self.transform is None and self.crops.is_stackable

    def _transformed(self, image: Tensor, stream: int, index: int) -> Tensor:
        assert self.transform is not None
        reseed(keyed.key(stream, index))
        try:
            result: Tensor = self.transform(image)
            return result
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
                continue  # whether that matters, the loader has to say
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


def matched(
    values: NDArray[Any], names: Sequence[str], info: Any, classes: Sequence[str]
) -> tuple[NDArray[Any], list[str]]:
    """Return targets in the order of another data set's names, and all that doesn't fit."""
    if getattr(info, "problem", "classification") != "classification" or values.ndim == 2:
        known = list(info.targets or info.classes)
        if values.ndim == 1 or sorted(known) != sorted(names):
            mine = names if values.ndim == 2 else classes
            return values, [
                f"targets {_few(mine)} in the data, and the model gives {_few(known)}; name the "
                "same columns in data.target"
            ]
        return values[:, [list(names).index(name) for name in known]], []
    places = {name: place for place, name in enumerate(info.classes)}
    present = [classes[label] for label in np.unique(values).tolist()]
    unknown = [name for name in present if name not in places]
    if unknown:
        return values, [
            f"{len(unknown)} {'class' if len(unknown) == 1 else 'classes'} ({_few(unknown)}) of "
            f"the data unknown to the model, which knows {_few(info.classes)}; rename or remove "
            "them"
        ]
    return np.array([places.get(name, -1) for name in classes], dtype=np.int64)[values], []


def _few(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "")


def _held(samples: Tensor) -> Held:
    """Return stored pixels [N, C, H, W] as whole pictures to take crops from."""
    count, channels, height, width = samples.shape
    content = Bytes(samples.permute(0, 2, 3, 1).contiguous().flatten())
    starts = np.arange(count, dtype=np.int64) * (channels * height * width)
    return Held(content, starts, np.tile(np.array([height, width]), (count, 1)), channels)


def _size(shape: Sequence[int]) -> str:
    channels, height, width = shape
    return f"{height} x {width} with {channels} {'channel' if channels == 1 else 'channels'}"
