"""Augmentation of batches of sound, each sample by parameters of its own."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from data import keyed
from data.errors import DataError

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

NOISE_VALUES = 1 << 20
LEVELS = 4096


class RandomSound:
    """Shifts, scales and disturbs waveforms at random, a batch at a time.

    A sample's parameters are a function of (seed, epoch, sample) alone, so any batching gives the
    same values.

    Args:
        gain: largest change of loudness in decibels, either way.
        shift: largest shift in time as a fraction of the length, either way; silence follows.
        noise: standard deviation of white noise, from 0 up to this; 1 is full scale.
        invert: turn half of the samples upside down, which can't be heard.

    Raises:
        DataError: a value is out of range.
    """

    def __init__(
        self, gain: float = 0.0, shift: float = 0.0, noise: float = 0.0, invert: bool = False
    ) -> None:
        problems = [
            f"{name} ({value}) in data.augment.{name}; {expected}"
            for name, value, most, expected in (
                ("gain", gain, 60, "give decibels from 0 to 60"),
                ("shift", shift, 1, "give a fraction from 0 to 1"),
                ("noise", noise, 1, "give a standard deviation from 0 to 1"),
            )
            if not 0 <= value <= most
        ]
        if problems:
            raise DataError(*problems)
        self.gain, self.shift, self.noise, self.invert = gain, shift, noise, invert
        # Powers may round differently by their place in a vector, a table look-up can't.
        centred = (np.arange(LEVELS) + 0.5) * (2 / LEVELS) - 1
        self._factors = np.array([10 ** (gain * float(x) / 20) for x in centred])

    def __call__(
        self, waves: torch.Tensor, indices: NDArray[np.int64], epoch: int, seed: int
    ) -> torch.Tensor:
        """Return augmented waveforms float32 [B, T], on the device of `waves`.

        `indices` are the samples' numbers in their dataset, int64 [B].
        """
        import torch

        table = keyed.uniform(keyed.key(seed, keyed.AUGMENTATION, epoch), indices, 5)
        if self.shift:
            waves = self._shifted(waves, table[:, 0])
        factors = self._factors[(table[:, 1] * LEVELS).astype(np.int64)]
        if self.invert:
            factors = np.where(table[:, 2] < 0.5, -factors, factors)
        if self.gain or self.invert:
            waves = waves * torch.from_numpy(factors.astype(np.float32)).to(waves.device)[:, None]
        if self.noise:
            waves = waves + self._noise(waves, table[:, 3], table[:, 4], seed)
        return waves

    def _shifted(self, waves: torch.Tensor, draws: NDArray[np.float64]) -> torch.Tensor:
        import torch

        length = waves.shape[1]
        most = int(self.shift * length)
        moves = (draws * (2 * most + 1)).astype(np.int64) - most
        places = np.arange(length) - moves[:, None]
        outside = (places < 0) | (places >= length)
        chosen = torch.from_numpy(places.clip(0, length - 1)).to(waves.device)
        moved = waves.gather(1, chosen)
        return moved.masked_fill_(torch.from_numpy(outside).to(waves.device), 0.0)

    def _noise(
        self,
        waves: torch.Tensor,
        strengths: NDArray[np.float64],
        draws: NDArray[np.float64],
        seed: int,
    ) -> torch.Tensor:
        """Return noise [B, T]: for each sample another stretch of one long table."""
        import torch

        table = _white(seed)
        starts = (draws * NOISE_VALUES).astype(np.int64)
        places = (starts[:, None] + np.arange(waves.shape[1])) % NOISE_VALUES
        noise = table[places] * (self.noise * strengths).astype(np.float32)[:, None]
        return torch.from_numpy(noise).to(waves.device)


@lru_cache(maxsize=2)
def _white(seed: int) -> NDArray[np.float32]:
    """Return white noise of variance 1; uniform values are as white as normal ones."""
    draws = keyed.uniform(keyed.key(seed, keyed.NOISE), np.arange(NOISE_VALUES), 1)[:, 0]
    return ((2 * draws - 1) * 3**0.5).astype(np.float32)
