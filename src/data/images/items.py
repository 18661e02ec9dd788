"""Pictures of other libraries' datasets, which give them decoded, by their number."""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data.errors import DataError, SampleError
from data.pixels.decoding import Fit, fitted_pixels
from data.pixels.originals import original_pixels
from data.splits import Indices

if TYPE_CHECKING:
    from torch import Tensor

PROBED = 50
LARGEST_OWN_SIDE, USUAL_SIDE = 256, 64
Place = tuple[int, int]
# Another library's dataset may keep a file open, or draw from torch's global generator.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Items:
    """Pictures of one or several datasets, brought to one size when they are asked for."""

    datasets: tuple[Any, ...]
    """Anything that can be indexed."""
    get: Callable[[Any, int], Any]
    """Returns the picture of a dataset's entry, as Pillow, numpy or torch has it."""
    places: tuple[Place, ...]
    """Which dataset, and which entry of it, each picture is."""
    names: tuple[str, ...]
    """What to call each."""
    mark: str
    """What changes when the content does."""
    height: int = 0
    """Rows to bring them to."""
    width: int = 0
    """Columns."""
    channels: int = 3
    """1 for gray, 3 for RGB."""
    fit: Fit = "crop"
    """How: see `data.pixels.decoding.decode`."""

    def __len__(self) -> int:
        return len(self.places)

    def picture(self, index: int, mark: str = "") -> Image.Image:
        """Return one as it is; SampleError names it if it can't be had."""
        dataset, place = self.places[index]
        name = f"{self.names[index]}{mark}"
        try:
            with _one_at_a_time:
                found = self.get(self.datasets[dataset], place)
        except SampleError:
            raise
        except Exception as error:
            # Another library's dataset may raise anything.
            told = " ".join(str(error).split()) or type(error).__name__
            raise SampleError(
                f"{name} can't be read ({told}); remove it or restore the data"
            ) from error
        return as_image(found, name)

    def one(self, index: int, mark: str = "") -> NDArray[np.uint8]:
        """Return one at the size of the data, uint8 [H, W, C]."""
        return fitted_pixels(
            self.picture(index, mark),
            height=self.height,
            width=self.width,
            channels=self.channels,
            fit=self.fit,
            name=f"{self.names[index]}{mark}",
        )

    def original(self, index: int, short: int, mark: str = "") -> NDArray[np.uint8]:
        """Return one whole, see `data.pixels.originals.original`."""
        name = f"{self.names[index]}{mark}"
        image = self.picture(index, mark)
        return original_pixels(image, short=short, channels=self.channels, name=name)

    def num_bytes(self, index: int, short: int) -> int:
        """Return how many bytes `original` gives; 0 where it can't."""
        try:
            return int(self.original(index, short).size)
        except SampleError:
            return 0

    def read(self, indices: Sequence[int] | Indices) -> "Tensor":
        """Return pictures as one uint8 tensor [B, C, H, W]."""
        import torch

        pixels = np.empty((len(indices), self.channels, self.height, self.width), dtype=np.uint8)
        for place, index in enumerate(indices):
            pixels[place] = self.one(int(index), f" (sample {index})").transpose(2, 0, 1)
        return torch.from_numpy(pixels)

    def subset(self, places: Sequence[int] | Indices) -> "Items":
        """Return some of the pictures."""
        return replace(
            self,
            places=tuple(self.places[place] for place in places),
            names=tuple(self.names[place] for place in places),
        )

    def marks(self) -> list[str]:
        """Return for each picture what changes when the data does."""
        return [f"{self.mark} {name}" for name in self.names]

    def content(self) -> bytes:
        """Return what a fingerprint is taken over: names, and some of the pictures."""
        digest = hashlib.sha256()
        for index in range(0, len(self), max(1, len(self) // PROBED)):
            digest.update(self.one(index).tobytes())
        form = f"{self.channels} {self.height} {self.width} {self.fit} {digest.hexdigest()}"
        return "\n".join([form, *self.marks()]).encode()

    def sized(self, size: int | Sequence[int] | None, channels: int | None) -> "Items":
        """Return them with a size and channels; where those are None, their own.

        Without a size: that of the first pictures where they are all alike and of at most 256
        pixels, otherwise 64 x 64.
        """
        probed = [self.picture(index) for index in range(min(len(self), PROBED))]
        if size is None:
            own = Counter(image.size for image in probed)
            columns, rows = next(iter(own))
            alike = len(own) == 1 and max(rows, columns) <= LARGEST_OWN_SIDE
            size = (rows, columns) if alike else USUAL_SIDE
        gray = all(image.mode in ("L", "1", "I;16", "I") for image in probed)
        height, width = (size, size) if isinstance(size, int) else size
        return replace(self, height=height, width=width, channels=channels or (1 if gray else 3))


def as_image(found: Any, name: str) -> Image.Image:
    """Return a picture as Pillow has it, whatever a dataset gave; raises SampleError."""
    if isinstance(found, Image.Image):
        return found
    pixels = np.asarray(found)
    if pixels.ndim == 3 and pixels.shape[0] in (1, 3) and pixels.shape[2] not in (1, 3):
        pixels = pixels.transpose(1, 2, 0)
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3):
        raise SampleError(
            f"{name} is {type(found).__name__} of {pixels.dtype} {list(pixels.shape)}, no picture"
        )
    return Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels)


def class_labels(found: Sequence[Any], where: str) -> NDArray[np.int64]:
    """Return one class for each sample; raises DataError where they are something else."""
    labels = np.asarray(found)
    if labels.ndim != 1 or not (
        np.issubdtype(labels.dtype, np.integer) or labels.dtype == np.bool_
    ):
        raise DataError(
            f"the targets of {where} are no classes ({labels.dtype}, shape {list(labels.shape)}); "
            "only one class for each image is taken: choose a target in data.options, or write a "
            "dataset of your own (CONTRIBUTING.md)"
        )
    return labels.astype(np.int64)
