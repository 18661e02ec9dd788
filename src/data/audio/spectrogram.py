"""Sound to be looked at: a mel spectrogram in colours. NumPy only."""

import math

import numpy as np
from numpy.typing import NDArray

ROWS, COLUMNS = 64, 128
RANGE_DB = 70.0
# From silence to the loudest; between these colours it is interpolated.
COLOURS = ((0, 0, 8), (40, 10, 90), (130, 30, 130), (220, 70, 90), (250, 160, 80), (252, 250, 190))


def picture(wave: NDArray[np.float32], sample_rate: int) -> NDArray[np.uint8]:
    """Return the log-mel spectrogram of a waveform [T] as uint8 [64, columns, 3].

    Time runs to the right, pitch upwards; the loudest point has the lightest colour, 70 dB below
    it all is dark. At most 128 columns.
    """
    levels = 10 * np.log10(np.maximum(_mel(wave.astype(np.float64), sample_rate), 1e-10))
    shades = (levels - levels.max()) / RANGE_DB + 1
    if levels.max() <= -100:  # silence has no loudest point
        shades[:] = 0
    steps = np.linspace(0, 1, len(COLOURS))
    channels = [np.interp(shades, steps, values) for values in zip(*COLOURS, strict=True)]
    pixels: NDArray[np.uint8] = np.rint(np.stack(channels, axis=-1)[::-1]).astype(np.uint8)
    return pixels


def _mel(wave: NDArray[np.float64], sample_rate: int) -> NDArray[np.float64]:
    """Return power in mel bands [64, columns]."""
    size = 1 << max(6, math.ceil(math.log2(sample_rate * 0.025)))
    columns = max(1, min(COLUMNS, 4 * len(wave) // size))
    starts = np.linspace(0, max(0, len(wave) - size), columns).astype(np.int64)
    padded = np.pad(wave, (0, max(0, size - len(wave))))
    frames = padded[starts[:, None] + np.arange(size)] * np.hanning(size)
    power = np.abs(np.fft.rfft(frames)) ** 2 / (np.hanning(size).sum() / 2) ** 2
    return np.asarray(_bands(size, sample_rate) @ power.T)


def _bands(size: int, sample_rate: int) -> NDArray[np.float64]:
    """Return triangular mel filters [64, size / 2 + 1]; those too narrow take the nearest bin."""
    bins = np.linspace(0, sample_rate / 2, size // 2 + 1)
    top = 2595 * math.log10(1 + sample_rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, ROWS + 2) / 2595) - 1)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    filters = np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)).clip(0)
    empty = np.flatnonzero(filters.sum(axis=1) == 0)
    filters[empty, np.abs(bins - middle[empty]).argmin(axis=1)] = 1
    return filters
