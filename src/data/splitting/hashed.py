"""A sample's split from its name and the seed alone."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data import keyed
from data.splits import Indices


def by_hash(names: Sequence[str], *, validation: float, test: float, seed: int) -> Indices:
    """Return 0 (training), 1 (validation) or 2 (test) for each name.

    A name's part depends on nothing but the name, the fractions and the seed: samples stay where
    they are when others come or go. A larger test takes in the smaller one. Sizes are those of the
    fractions only on average.

    Args:
        names: name of each sample; its UTF-8 bytes are hashed with SHA-256.
        validation: fraction of the samples.
        test: likewise.
        seed: which split.
    """
    drawn = _drawn(names, keyed.key(seed, keyed.SPLIT))
    parts = np.zeros(len(names), dtype=np.int64)
    parts[drawn < test + validation] = 1
    parts[drawn < test] = 2
    return parts


def fold_by_hash(names: Sequence[str], *, folds: int, seed: int) -> Indices:
    """Return the fold of each name, 0 to folds - 1, likewise a function of name and seed alone."""
    drawn = _drawn(names, keyed.key(seed, keyed.FOLDS))
    return np.minimum((drawn * folds).astype(np.int64), folds - 1)


def _drawn(names: Sequence[str], stream: int) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each name."""
    digests = b"".join(
        hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:8] for name in names
    )
    counters = np.frombuffer(digests, dtype="<u8")
    return (keyed.hashes(stream, counters) >> np.uint64(11)).astype(np.float64) * 2.0**-53
