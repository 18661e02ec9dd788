"""Image files as samples, decoded when they are asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.pixels import Fit, decode
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
    """How an image is brought to the size: see `data.pixels.decode`."""

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

    def read(self, indices: Sequence[int] | Indices) -> Tensor:
        """Decode files to one uint8 tensor [B, C, H, W]; SampleError names the first that fails."""
        pixels = np.empty((len(indices), self.channels, self.height, self.width), dtype=np.uint8)
        for place, index in enumerate(indices):
            pixels[place] = self.one(int(index), f" (sample {index})").transpose(2, 0, 1)
        return torch.from_numpy(pixels)
