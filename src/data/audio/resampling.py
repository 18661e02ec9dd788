"""Sound at another sample rate: band-limited interpolation, NumPy only.

The method, and up to rounding the numbers, of `torchaudio.functional.resample` with its defaults: a
sinc windowed by a squared cosine, six zero crossings to each side, cut off at 0.99 of the lower
Nyquist frequency (Smith, "Digital Audio Resampling Home Page", 2020). Only the taps that aren't
zero are multiplied, so that rates without a common divisor cost no more than others.
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

CROSSINGS = 6
ROLLOFF = 0.99
OUTPUTS_AT_ONCE = 1 << 14


def resampled(wave: NDArray[np.float32], old: int, new: int) -> NDArray[np.float32]:
    """Return a waveform [T] of rate `old` at rate `new`: float32 [ceil(T * new / old)].

    The same bits on any number of threads: sums are taken in NumPy, not by a BLAS.

    Args:
        wave: float32 [T].
        old: its sample rate in Hz, 1 or more.
        new: the rate wanted, 1 or more.
    """
    divisor = math.gcd(old, new)
    old, new = old // divisor, new // divisor
    if old == new or not len(wave):
        return wave
    kernels, before = _kernels(old, new)
    taps = kernels.shape[1]
    padded = np.pad(wave, (before, taps))
    windows = np.lib.stride_tricks.sliding_window_view(padded, taps)
    count = -(-len(wave) * new // old)
    result = np.empty(count, dtype=np.float32)
    for start in range(0, count, OUTPUTS_AT_ONCE):
        places = np.arange(start, min(start + OUTPUTS_AT_ONCE, count))
        np.einsum(
            "ij,ij->i",
            windows[places * old // new],
            kernels[places % new],
            out=result[start : start + len(places)],
        )
    return result


@lru_cache(maxsize=16)
def _kernels(old: int, new: int) -> tuple[NDArray[np.float32], int]:
    """Return the taps of each phase, float32 [new, taps], and how far before they begin."""
    base = min(old, new) * ROLLOFF
    width = math.ceil(CROSSINGS * old / base)
    phases = np.arange(new)
    offsets = (phases * old // new - width)[:, None] + np.arange(2 * width + 2)
    times: NDArray[Any] = (offsets / old - phases[:, None] / new) * base
    times = times.clip(-CROSSINGS, CROSSINGS)
    window = np.cos(times * (math.pi / CROSSINGS / 2)) ** 2
    return (np.sinc(times) * window * (base / old)).astype(np.float32), width
