"""Facts about a recording that an audit judges: clipping, silence, rate. No torch."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.audio.waveform import samples

FULL_SCALE = 1 - 2.0**-14


class Facts(NamedTuple):
    """What can be measured of one recording."""

    seconds: float
    """Duration."""
    rate: int
    """Sample rate in Hz; 0 where it is not known."""
    channels: int
    """1 for mono, 2 for stereo."""
    peak: float
    """Largest magnitude; 1 is full scale."""
    clipped: float
    """Share of values at full scale or beyond it, 0..1."""
    rms: float
    """Root of the mean square over all channels; 0 is silence, 0.1 is -20 dB."""


def facts(source: str | Path | bytes | NDArray[np.floating], rate: int = 0) -> Facts:
    """Return what can be measured of a file, its bytes, or a waveform [T] or [T, C].

    Args:
        source: a file is read with its own rate and channels, see `data.audio.waveform.samples`.
        rate: sample rate of a waveform in Hz, where it is known.

    Raises:
        SampleError: the file can't be read.
    """
    if isinstance(source, np.ndarray):
        values = np.asarray(source, dtype=np.float32)
    else:
        values, rate = samples(source)
    sizes = np.abs(values)
    return Facts(
        seconds=len(values) / rate if rate else 0.0,
        rate=rate,
        channels=values.shape[1] if values.ndim == 2 else 1,
        peak=float(sizes.max(initial=0.0)),
        clipped=float((sizes >= FULL_SCALE).mean()) if values.size else 0.0,
        rms=float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) if values.size else 0.0,
    )
