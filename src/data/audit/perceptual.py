"""Pictures that look alike: a hash of 64 bits, and all pairs whose hashes are near.

The hash says on which side of 64 fixed planes a small gray picture lies, without its brightness
and contrast. So the share of bits in which two differ is the angle between them (Charikar,
"Similarity Estimation Techniques from Rounding Algorithms", 2002). Near ones are found by bands
(multi-index hashing: Norouzi, Punjani and Fleet, 2012), not by comparing all pairs.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from data import keyed
from data.splits import Indices

BANDS, BITS = 4, 16
MOST_DISTANCE = 2 * BANDS - 1  # a band with one wrong bit at most is always there
CHUNK = 4_000_000
THUMB = 16
PLANES = 0x5EED


def gray(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return luma [N, H, W] in 0..255 (ITU-R BT.601) of pictures [N, H, W, C]."""
    if pictures.shape[3] == 3:
        weights = np.array([0.299, 0.587, 0.114], dtype=np.float32)
        return pictures.astype(np.float32) @ weights
    return pictures[..., 0].astype(np.float32)


def shrunk(pictures: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Return pictures [N, H, W] as [N, side, side], each value the mean of its area."""
    rows, columns = box(pictures.shape[1], side), box(pictures.shape[2], side)
    return np.asarray(rows @ pictures @ columns.T, dtype=np.float32)


@lru_cache(maxsize=64)
def box(length: int, side: int) -> NDArray[np.float32]:
    """Return weights [side, length] of the mean over equal stretches, fractions included."""
    edges = np.linspace(0, length, side + 1)
    cells = np.arange(length)
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    weights = np.clip(overlap, 0, None)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


def thumbs(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return small pictures [N, THUMB ** 2] without mean and of length 1, to be correlated."""
    small = shrunk(pictures, THUMB).reshape(len(pictures), -1)
    small = small - small.mean(axis=1, keepdims=True)
    length = np.linalg.norm(small, axis=1, keepdims=True)
    return np.asarray(small / np.maximum(length, 1e-6), dtype=np.float32)


@lru_cache(maxsize=1)
def planes() -> NDArray[np.float32]:
    """Return the normals [THUMB ** 2, 64] of the planes, the same ones each time."""
    values = keyed.uniform(PLANES, np.arange(THUMB**2), 64) - 0.5
    return np.asarray(values, dtype=np.float32)


def hashes(thumbs: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Return 64 bits for each small picture [N, THUMB ** 2] that `thumbs` gave."""
    return np.packbits(thumbs @ planes() > 0, axis=1).view(">u8")[:, 0].astype(np.uint64)


def near(hashes: NDArray[np.uint64], distance: int) -> NDArray[np.int64]:
    """Return all pairs [P, 2] of places, first < second, that differ in at most `distance` bits.

    The 64 bits are cut into 4 bands: of 7 wrong bits, some band has one at most, so each band is
    looked up as it is and with each of its 16 bits flipped.
    """
    assert 0 <= distance <= MOST_DISTANCE
    found = [np.empty((0, 2), dtype=np.int64)]
    for band in range(BANDS):
        keys = ((hashes >> np.uint64(band * BITS)) & np.uint64(0xFFFF)).astype(np.int64)
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        for flip in (0, *(1 << bit for bit in range(BITS))):
            starts = np.searchsorted(ordered, keys ^ flip, side="left")
            ends = np.searchsorted(ordered, keys ^ flip, side="right")
            found += matches(hashes, order, starts, ends, distance)
    return np.unique(np.concatenate(found), axis=0)


def matches(
    hashes: NDArray[np.uint64], order: Indices, starts: Indices, ends: Indices, distance: int
) -> list[NDArray[np.int64]]:
    """Return the near pairs of each place with those in its stretch of `order`, in chunks."""
    sizes = ends - starts
    total = np.cumsum(sizes)
    cuts = np.searchsorted(total, np.arange(CHUNK, int(total[-1]) if len(total) else 0, CHUNK))
    found = []
    for begin, end in zip([0, *cuts.tolist()], [*cuts.tolist(), len(sizes)], strict=True):
        number = sizes[begin:end]
        left = np.repeat(np.arange(begin, end), number)
        within = np.arange(len(left)) - np.repeat(np.cumsum(number) - number, number)
        right = order[np.repeat(starts[begin:end], number) + within]
        kept = left < right
        left, right = left[kept], right[kept]
        close = np.bitwise_count(hashes[left] ^ hashes[right]) <= distance
        found.append(np.stack([left[close], right[close]], axis=1))
    return found
