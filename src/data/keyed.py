"""Random numbers that are a pure function of what they are for: no state, no order of drawing.

Counter-based generation after SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom
number generators", 2014). Integer arithmetic only, so that neither the library version, the
machine nor the number of values drawn at once changes a bit.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

GOLDEN = 0x9E3779B97F4A7C15
FIRST, SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
MASK = (1 << 64) - 1

# What a key is for; two uses never share a stream.
ORDER, AUGMENTATION, TRANSFORM, SPLIT, CHOICE, FOLDS = range(6)
SAMPLER, MIX, CROP, NOISE, SHARDS, GENERATION = range(6, 12)


def key(*numbers: int) -> int:
    """Mix any integers (seeds up to 2**63 and beyond, negative ones too) into a 64-bit key."""
    mixed = 0
    for number in numbers:
        mixed = (mixed + GOLDEN + (number & MASK)) & MASK
        mixed = ((mixed ^ (mixed >> 30)) * FIRST) & MASK
        mixed = ((mixed ^ (mixed >> 27)) * SECOND) & MASK
        mixed ^= mixed >> 31
    return mixed


def hashes(stream: int, counters: NDArray[Any]) -> NDArray[np.uint64]:
    """Return one uint64 per counter, each a function of `stream` and that counter alone."""
    mixed = counters.astype(np.uint64) * np.uint64(GOLDEN)
    mixed += np.uint64(stream)
    shifted = mixed >> np.uint64(30)
    mixed ^= shifted
    mixed *= np.uint64(FIRST)
    mixed ^= np.right_shift(mixed, np.uint64(27), out=shifted)
    mixed *= np.uint64(SECOND)
    mixed ^= np.right_shift(mixed, np.uint64(31), out=shifted)
    return mixed


def uniform(stream: int, rows: NDArray[Any], columns: int) -> NDArray[np.float64]:
    """Return float64 [len(rows), columns] in [0, 1), each a function of stream, row and column."""
    counters = rows.astype(np.int64)[:, None] * columns + np.arange(columns)
    return (hashes(stream, counters) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def permutation(stream: int, count: int) -> NDArray[np.int64]:
    """Return the numbers below `count` in an order that is a function of `stream` alone, int64."""
    numbers = np.arange(count, dtype=np.uint64)
    marks = hashes(stream, numbers)
    # Each number takes the place of its hash's last bits: sorting pairs takes longer.
    bits = np.uint64(max(count - 1, 0).bit_length())
    packed = marks >> bits
    packed <<= bits
    packed |= numbers
    packed.sort()
    order = packed & np.uint64((1 << int(bits)) - 1)
    packed >>= bits
    if (packed[1:] == packed[:-1]).any():
        # Whole hashes are never equal: each step of the mixing can be undone.
        return np.argsort(marks)
    return order.view(np.int64)
