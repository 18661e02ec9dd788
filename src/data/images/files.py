"""Image files as samples, decoded when they are asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.errors import SampleError
from data.pixels.decoding import Fit, decode, opened
from data.pixels.originals import original
from data.splits import Indices


@dataclass(frozen=True)
class Files:
    """Image files that are decoded when they are asked for."""

    root: Path
    """Folder that the names are relative to."""
    names: tuple[str, ...]
    """Path of each file below root."""
    height: int
    """Rows to decode to."""
    width: int
    """Columns to decode to."""
    channels: int
    """1 for gray, 3 for RGB."""
    fit: Fit
    """How an image is brought to the size: see `data.pixels.decoding.decode`."""

    def __len__(self) -> int:
        return len(self.names)

    def one(self, index: int, mark: str = "") -> NDArray[np.uint8]:
        """Decode one file to uint8 [H, W, C].

        Raises SampleError, which names the file and what `mark` adds, if it can't be.
        """
        path = self.root / self.names[index]
        return decode(
            path,
            height=self.height,
            width=self.width,
            channels=self.channels,
            fit=self.fit,
            name=f"{path}{mark}",
        )

    def original(self, index: int, short: int, mark: str = "") -> NDArray[np.uint8]:
        """Decode one file whole, see `data.pixels.originals.original`; errors as those of `one`."""
        path = self.root / self.names[index]
        return original(path, short=short, channels=self.channels, name=f"{path}{mark}")

    def subset(self, places: Sequence[int] | Indices) -> "Files":
        """Return some of the files."""
        return replace(self, names=tuple(self.names[place] for place in places))

    def marks(self) -> list[str]:
        """Return for each file what changes when the file does: its path, size and time."""
        return [_mark(self.root / name) for name in self.names]

    def num_bytes(self, index: int, short: int) -> int:
        """Return how many bytes `original` would give, by the file's header; 0 for none."""
        try:
            with opened(self.root / self.names[index], self.names[index]) as image:
                scale = min(1.0, short / max(1, min(image.size)))
                return round(image.size[0] * scale) * round(image.size[1] * scale) * self.channels
        except SampleError:
            return 0

    def read(self, indices: Sequence[int] | Indices) -> Tensor:
        """Decode files to one uint8 tensor [B, C, H, W]; SampleError names the first that fails."""
        pixels = np.empty((len(indices), self.channels, self.height, self.width), dtype=np.uint8)
        for place, index in enumerate(indices):
            pixels[place] = self.one(int(index), f" (sample {index})").transpose(2, 0, 1)
        return torch.from_numpy(pixels)


class Originals:
    """Whole pictures of files, decoded when they are asked for.

    Args:
        source: the files.
        short: pixels of the shorter side of a picture, at most.
    """

    def __init__(self, source: Any, short: int) -> None:
        self._source, self._short = source, short

    def __len__(self) -> int:
        return len(self._source)

    def one(self, index: int) -> NDArray[np.uint8]:
        """Decode a picture to uint8 [H, W, C]; SampleError says which can't be."""
        pixels: NDArray[np.uint8] = self._source.original(index, self._short, f" (sample {index})")
        return pixels


def _mark(path: Path) -> str:
    try:
        facts = path.stat()
    except OSError:
        return f"{path} missing"
    return f"{path.absolute()} {facts.st_size} {facts.st_mtime_ns}"
