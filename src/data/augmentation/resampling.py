"""Crops brought to one size, a batch at a time: the same pixels on every device.

Pillow's resampling of 8-bit images in its own integer arithmetic (its Resample.c: bilinear with
antialiasing, coefficients of 22 bits, across first and then down, rounded in between), so that
what a device makes of a batch is bit for bit what Pillow makes of each sample.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

PRECISION = 22


def nearest_places(
    starts: NDArray[np.int64], lengths: NDArray[np.int64], size: int
) -> NDArray[np.int64]:
    """Return [B, size]: which pixel of a line is the nearest to each of `size` new ones."""
    steps = 2 * np.arange(size) + 1
    places: NDArray[np.int64] = starts[:, None] + steps * lengths[:, None] // (2 * size)
    return places


def bilinear_taps(
    starts: NDArray[np.int64], lengths: NDArray[np.int64], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return places [B, size, K] in a line, and weights that add up to 2**22 or nearly.

    Each new pixel is the sum of K old ones by their weights; places beyond a crop weigh nothing.
    """
    scale = lengths / size
    support = np.maximum(scale, 1.0)
    most = int(np.ceil(support.max())) * 2 + 1
    centre = (np.arange(size) + 0.5) * scale[:, None]
    first = np.maximum((centre - support[:, None] + 0.5).astype(np.int64), 0)
    last = np.minimum((centre + support[:, None] + 0.5).astype(np.int64), lengths[:, None])
    taps = np.arange(most)
    offsets = taps + first[:, :, None]
    # In the order that Pillow computes in: another one would round differently.
    distance = (taps + first[:, :, None] - centre[:, :, None] + 0.5) * (1.0 / support)[
        :, None, None
    ]
    weights = np.where(np.abs(distance) < 1.0, 1.0 - np.abs(distance), 0.0)
    weights[offsets >= last[:, :, None]] = 0.0
    total = np.zeros(weights.shape[:2])
    for tap in range(most):
        total += weights[:, :, tap]
    weights /= total[:, :, None]
    whole = (0.5 + weights * (1 << PRECISION)).astype(np.int32)
    places = np.minimum(offsets, lengths[:, None, None] - 1) + starts[:, None, None]
    return places, whole


def nearest_crops(pictures: Tensor, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Tensor:
    """Return [B, h, w, C]: pixels of pictures [B, H, W, C] at rows [B, h] and columns [B, w]."""
    count, height, width, channels = pictures.shape
    base = np.arange(count)[:, None, None] * (height * width)
    places = torch.from_numpy((base + rows[:, :, None] * width + columns[:, None]).ravel())
    pixels = pictures.reshape(-1, channels).index_select(0, places.to(pictures.device))
    return pixels.view(count, rows.shape[1], columns.shape[1], channels)


def bilinear_crops(pictures: Tensor, down: Any, across: Any) -> Tensor:
    """Return uint8 [B, h, w, C] of pictures [B, H, W, C], resampled by taps in both directions."""
    count, height, _, channels = pictures.shape
    new_width, new_height = across[0].shape[1], down[0].shape[1]
    wide = pictures.new_empty((count, height, new_width, channels))
    _weighted(pictures, 2, across, wide)
    tall = pictures.new_empty((count, new_height, new_width, channels))
    _weighted(wide, 1, down, tall)
    return tall


def _weighted(pictures: Tensor, axis: int, taps: Any, result: Tensor) -> None:
    """Fill `result` with the weighted sums along one axis, rounded to 8 bits."""
    places, weights = (torch.from_numpy(each).to(pictures.device) for each in taps)
    sums = torch.full(result.shape, 1 << (PRECISION - 1), dtype=torch.int32, device=result.device)
    shape = [len(pictures), 1, 1, 1]
    shape[axis] = places.shape[1]
    for tap in range(places.shape[2]):
        index = places[:, :, tap].reshape(shape).expand(result.shape)
        values = pictures.gather(axis, index).to(torch.int32)
        sums += values * weights[:, :, tap].reshape(shape)
    result.copy_((sums >> PRECISION).clamp_(0, 255))
