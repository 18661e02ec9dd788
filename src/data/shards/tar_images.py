"""Images in tar shards as samples: read at their offset and decoded when they are asked for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.augmentation.batches import RandomResizedCrop
from data.errors import SampleError
from data.images.dataset import Images
from data.images.files import Originals
from data.pixels.decoding import Fit, decode, opened
from data.pixels.originals import original_pixels
from data.shards.tar_index import TarIndex
from data.splits import Indices


class TarFiles:
    """Some of the images of an index, decoded one by one; nothing decoded is kept.

    Args:
        index: where all images lie.
        paths: path of each shard.
        rows: which of the index's samples these are, ascending int64 [N].
        shape: channels, rows and columns to decode to.
        fit: how an image is brought to that size, see `data.pixels.decoding.decode`.
    """

    def __init__(
        self,
        index: TarIndex,
        paths: Sequence[Path],
        rows: Indices,
        *,
        shape: tuple[int, int, int],
        fit: Fit,
    ) -> None:
        self.index, self.paths, self.rows = index, tuple(paths), rows
        self.channels, self.height, self.width = shape
        self.fit: Fit = fit

    def __len__(self) -> int:
        return len(self.rows)

    def one(self, index: int, mark: str = "") -> NDArray[np.uint8]:
        """Decode one image to uint8 [H, W, C]; SampleError names its shard and its key."""
        row = int(self.rows[index])
        path = self.paths[int(self.index.shard[row])]
        return decode(
            self._content(row, path, mark),
            height=self.height,
            width=self.width,
            channels=self.channels,
            fit=self.fit,
            name=f"{self.index.names[row]}{mark}",
        )

    def original(self, index: int, short: int, mark: str = "") -> NDArray[np.uint8]:
        """Decode one image whole, see `data.pixels.originals`; errors as those of `one`."""
        row = int(self.rows[index])
        name = f"{self.index.names[row]}{mark}"
        with opened(
            self._content(row, self.paths[int(self.index.shard[row])], mark), name
        ) as image:
            return original_pixels(image, short=short, channels=self.channels, name=name)

    def read(self, indices: Sequence[int] | Indices) -> Tensor:
        """Decode images to one uint8 tensor [B, C, H, W]; SampleError names the first that fails.

        They are read in the order in which they lie, so that a disk is read forwards.
        """
        pixels = np.empty((len(indices), self.channels, self.height, self.width), dtype=np.uint8)
        places = np.argsort(self.rows[np.asarray(indices, dtype=np.int64)], kind="stable")
        for place in places.tolist():
            number = int(indices[place])
            pixels[place] = self.one(number, f" (sample {number})").transpose(2, 0, 1)
        return torch.from_numpy(pixels)

    def _content(self, row: int, path: Path, mark: str) -> bytes:
        size = int(self.index.size[row])
        try:
            with path.open("rb") as file:
                file.seek(int(self.index.offset[row]))
                content = file.read(size)
        except OSError as error:
            raise SampleError(
                f"{self.index.names[row]}{mark} can't be read ({error.strerror}: {path}); restore "
                "the shard"
            ) from error
        if len(content) < size:
            raise SampleError(
                f"{self.index.names[row]}{mark} has {len(content)} of {size} bytes left in {path}: "
                "the shard is truncated or has been replaced; restore it, or start again"
            )
        return content


class StreamedImages(Images):
    """Images of shards, which are best read nearly in the order in which they lie.

    Args:
        samples: which images.
        labels: class of each [N].
        buffer: samples that are mixed while training, see `data.loading.order.BufferedOrder`.
        **options: those of `data.images.dataset.Images`.
    """

    def __init__(self, samples: TarFiles, labels: Indices, *, buffer: int, **options: Any) -> None:
        if isinstance(options.get("augment"), RandomResizedCrop):
            # Twice the size, as data=images has it where nothing else is said.
            options["originals"] = Originals(samples, 2 * max(samples.height, samples.width))
        super().__init__(samples, labels, **options)
        self.locality = (starts_of(samples.index.shard[samples.rows]), buffer)


def starts_of(shard: NDArray[Any]) -> Indices:
    """Return where each shard begins among samples that lie shard after shard, int64."""
    changes = np.flatnonzero(np.diff(shard)) + 1
    return np.concatenate([[0], changes]).astype(np.int64)
