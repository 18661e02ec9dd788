"""From what a user hands in to model input: the path of validation and of predict."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.audio.inputs import expand
from data.audio.waveform import MAX_RATE, MAX_VALUES, decode, fitted
from data.errors import DataError
from data.given import Given


class AudioReader:
    """Reads single recordings as the dataset that it belongs to reads its own.

    Args:
        sample_rate: Hz of a model's input.
        length: samples of a model's input: longer recordings give their middle, shorter ones are
            followed by silence.

    Raises:
        DataError: a number is out of range.
    """

    def __init__(self, *, sample_rate: int, length: int) -> None:
        problems = []
        if not 1 <= sample_rate <= MAX_RATE:
            problems.append(f"sample_rate ({sample_rate}) of a reader; give 1 to {MAX_RATE:,} Hz")
        if not 1 <= length <= MAX_VALUES:
            problems.append(f"length ({length}) of a reader; give 1 to {MAX_VALUES:,} samples")
        if problems:
            raise DataError(*problems)
        self.sample_rate, self.length = sample_rate, length

    @property
    def node(self) -> dict[str, Any]:
        """What makes this reader again: `_target_` and arguments, as plain values."""
        return {
            "_target_": "data.audio.reader.AudioReader",
            "sample_rate": self.sample_rate,
            "length": self.length,
        }

    def expand(self, source: str) -> Iterator[str | Given]:
        """Return the files of a file, a folder, a pattern or a table: see `data.audio.inputs`."""
        return expand(source)

    def read(self, source: str | bytes) -> NDArray[np.float32]:
        """Decode a file, or its content, to float32 [length].

        May be called from several threads at once. Raises SampleError that names what can't be
        read.
        """
        return fitted(decode(source, sample_rate=self.sample_rate), self.length)

    def batch(self, samples: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Return model input, float32 [B, length], of what `read` gave."""
        return np.stack(samples)

    def script(self) -> str | None:
        """Return None: there is no predict.py that stands alone for sound."""
        return None
