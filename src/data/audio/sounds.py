"""Files of sound as waveforms, one when it is asked for, or all at once. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.audio.labels import place_of
from data.audio.waveform import decode, fitted
from data.bad_samples import failures

FULL = 32768


@dataclass(frozen=True)
class Sounds:
    """Files of sound that are decoded when they are asked for."""

    root: Path
    """Folder that the names are relative to."""
    names: tuple[str, ...]
    """Path of each file."""
    sample_rate: int
    """Hz that they are brought to."""

    def __len__(self) -> int:
        return len(self.names)

    def path(self, index: int) -> Path:
        """Return where a file is."""
        return place_of(self.names[index], self.root)

    def one(self, index: int, mark: str = "") -> NDArray[np.float32]:
        """Decode one file to float32 [T].

        Raises SampleError, which names the file and what `mark` adds, if it can't be.
        """
        path = self.path(index)
        return decode(path, sample_rate=self.sample_rate, name=f"{path}{mark}")


@dataclass(frozen=True)
class Stored:
    """Waveforms that are all in memory, each with silence after it up to one width."""

    waves: NDArray[np.int16] | NDArray[np.float32]
    """[N, S], S being the longest; int16 where a 16-bit value times 1/32768 is exact."""
    lengths: NDArray[np.int64]
    """Samples of each waveform [N]."""

    def rows(self, chosen: NDArray[np.bool_]) -> "Stored":
        """Return some of the waveforms."""
        return self if chosen.all() else Stored(self.waves[chosen], self.lengths[chosen])


def stored(
    sounds: Sounds, length: int, *, whole: bool, skip: Sequence[int] = ()
) -> tuple[Stored, dict[int, str]]:
    """Decode all files at once, in threads.

    Args:
        sounds: the files.
        length: samples that an input has, the least width of the result.
        whole: keep each recording in full, for random cuts; otherwise its middle.
        skip: files that aren't tried.

    Returns:
        The waveforms, and why files can't be read by their index; those are silent.
    """
    waves: list[NDArray[np.float32]] = [np.zeros(0, dtype=np.float32)] * len(sounds)

    def keep(index: int) -> None:
        wave = sounds.one(index)
        # A copy: a cut is a view that would hold the whole recording in memory.
        waves[index] = wave if whole or len(wave) <= length else fitted(wave, length).copy()

    bad = failures(keep, [index for index in range(len(sounds)) if index not in set(skip)])
    lengths = np.array([len(wave) for wave in waves], dtype=np.int64)
    width = max(length, int(lengths.max(initial=0)))
    exact = all(_is_16_bit(wave) for wave in waves)
    table = np.zeros((len(waves), width), dtype=np.int16 if exact else np.float32)
    for row, wave in enumerate(waves):
        table[row, : len(wave)] = np.rint(wave * FULL) if exact else wave
    return Stored(table, lengths), bad


def _is_16_bit(wave: NDArray[np.float32]) -> bool:
    scaled = wave * np.float32(FULL)
    return bool(((scaled == np.rint(scaled)) & (scaled >= -FULL) & (scaled < FULL)).all())
