"""One pass over an array of any size: is it finite, what are its mean and spread, what is it."""

import hashlib
import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.arrays.layout import PICTURES, Layout, statistics_shape, stored
from data.arrays.stack import Stack
from data.errors import DataError
from data.images.build import choice
from data.splits import Indices

CHUNK_BYTES = 32 << 20
MOST_BYTES = 4 << 30
logger = logging.getLogger(__name__)


class Passed(NamedTuple):
    """What a pass over the samples has found."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    digest: bytes
    """SHA-256 of the samples that were looked at."""


def passed_over(
    whole: Stack, train: Indices, layout: Layout, name: str, *, normalise: bool
) -> Passed:
    """Look at all samples, chunk by chunk; of more than 4 GiB at some, always the same.

    Args:
        whole: the samples, in memory or mapped.
        train: the rows of the training split, over which mean and spread are taken.
        layout: what the axes of a sample mean.
        name: what messages call the array.
        normalise: False: mean 0 and spread 1.

    Raises:
        DataError: rows that are NaN, infinite, or too large for float32.
    """
    is_train = np.zeros(len(whole), dtype=bool)
    is_train[train] = True
    shape = statistics_shape(whole.sample_shape, layout)
    digest = hashlib.sha256(f"{whole.dtype} {len(whole)} {whole.sample_shape}".encode())
    count, mean, spread = 0, np.zeros(shape), np.zeros(shape)
    bad: list[int] = []
    for rows in _chunks(whole, name):
        chunk = np.ascontiguousarray(whole[rows])
        digest.update(chunk.data.cast("B") if chunk.size else b"")
        chunk = stored(chunk, layout)
        if chunk.dtype != np.uint8:
            finite = np.isfinite(chunk.reshape(len(chunk), -1)).all(axis=1)
            bad += rows[~finite].tolist()
        if normalise and not bad:
            values = _by_column(chunk[is_train[rows]], layout, len(mean))
            count, mean, spread = _merged(count, mean, spread, values)
    if bad:
        raise DataError(
            f"{len(bad)} {'row' if len(bad) == 1 else 'rows'} of {name} hold NaN, infinite or too "
            f"large numbers (row {', '.join(map(str, bad[:5]))}{', ...' if len(bad) > 5 else ''}); "
            "mend them, or leave them out"
        )
    if not normalise:
        return Passed((0.0,) * len(mean), (1.0,) * len(mean), digest.digest())
    std = np.sqrt(spread / max(1, count))
    constant = std <= np.abs(mean) * 1e-7
    std[constant] = 1.0
    if constant.any():
        logger.warning("%d of %d features of %s never change", constant.sum(), std.size, name)
    if layout in PICTURES and whole.dtype == np.uint8:
        std[~constant] /= 255
        mean = mean / 255
    return Passed(tuple(mean.ravel().tolist()), tuple(std.ravel().tolist()), digest.digest())


def _chunks(whole: Stack, name: str) -> Iterator[Indices]:
    rows = np.arange(len(whole))
    one = max(1, whole.nbytes // max(1, len(whole)))
    if whole.nbytes > MOST_BYTES:
        rows = choice(len(whole), MOST_BYTES // one)
        logger.warning("%s is large: %d of its %d rows are checked", name, len(rows), len(whole))
    step = max(1, CHUNK_BYTES // one)
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


def _by_column(chunk: NDArray[Any], layout: Layout, columns: int) -> NDArray[np.float64]:
    """Return samples as float64 [values, columns], a column for each feature or channel."""
    if layout == "chw":
        chunk = np.moveaxis(chunk, 1, -1)
    return chunk.reshape(-1, columns).astype(np.float64)


def _merged(
    count: int, mean: NDArray[Any], spread: NDArray[Any], values: NDArray[np.float64]
) -> tuple[int, NDArray[Any], NDArray[Any]]:
    """Take more values into count, mean and sum of squared distances (Chan et al. 1979)."""
    if not len(values):
        return count, mean, spread
    more, own = len(values), values.mean(axis=0)
    distance = own.reshape(mean.shape) - mean
    total = count + more
    squares = ((values - own) ** 2).sum(axis=0).reshape(mean.shape)
    return (
        total,
        mean + distance * (more / total),
        spread + squares + distance**2 * (count * more / total),
    )
