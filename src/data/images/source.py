"""Pictures by their number, wherever they come from."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from data.pixels.decoding import Fit
from data.splits import Indices


class Source(Protocol):
    """Pictures by their number, such as `data.images.files.Files`."""

    @property
    def names(self) -> tuple[str, ...]:
        """What to call each."""
        ...

    @property
    def channels(self) -> int:
        """1 for gray, 3 for RGB."""
        ...

    @property
    def height(self) -> int:
        """Rows that `one` gives."""
        ...

    @property
    def width(self) -> int:
        """Columns."""
        ...

    @property
    def fit(self) -> Fit:
        """How they get that size, see `data.pixels.decoding.decode`."""
        ...

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    def one(self, index: int) -> NDArray[np.uint8]:
        """Return one at the size of the data, uint8 [H, W, C]; raises SampleError."""
        ...

    def original(self, index: int, short: int) -> NDArray[np.uint8]:
        """Return one whole, with at most `short` pixels on its shorter side."""
        ...

    def num_bytes(self, index: int, short: int) -> int:
        """Return how many bytes `original` would give, without decoding it; 0 if unknown."""
        ...

    def subset(self, places: Sequence[int] | Indices) -> Any:
        """Return some of the pictures."""
        ...

    def marks(self) -> list[str]:
        """Return for each picture what changes when it does."""
        ...
