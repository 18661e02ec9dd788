"""Parts in which each of several labels keeps its share: iterative stratification."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data import keyed
from data.splits import Indices


def iterative(labels: NDArray[np.int64], shares: Sequence[float], stream: int) -> Indices:
    """Return the part of each sample such that all labels are spread as the shares say.

    Sechidis, Tsoumakas and Vlahavas, "On the stratification of multi-label data", 2011: the label
    that has the fewest samples left is dealt out first, each sample to the part that lacks the
    label most. All samples of a label are dealt at once, and in such an order that samples with
    the same set of labels are spread, too.

    Args:
        labels: 0 or 1 for each sample and label [N, L].
        shares: what each part is to have; their sum is 1.
        stream: key for the order of samples that are alike.

    Returns:
        The number of each sample's part, int64 [N].
    """
    count = len(labels)
    marked = labels != 0
    # Alike samples stand side by side, in an order of chance.
    _, pattern = np.unique(np.packbits(marked, axis=1), axis=0, return_inverse=True)
    order = keyed.permutation(stream, count)
    order = order[np.argsort(pattern.reshape(-1)[order], kind="stable")]
    marked = marked[order]

    share = np.asarray(shares, dtype=np.float64)
    total_wanted = share * count
    wanted = np.outer(share, marked.sum(axis=0))  # [parts, L]
    parts = np.full(count, -1, dtype=np.int64)
    left = marked.copy()
    while True:
        remaining = left.sum(axis=0)
        if not remaining.any():
            break
        rarest = int(np.where(remaining > 0, remaining, count + 1).argmin())
        rows = np.flatnonzero(left[:, rarest])
        numbers = _filled(wanted[:, rarest], total_wanted, len(rows))
        parts[rows] = _interleaved(numbers)
        for part in range(len(share)):
            wanted[part] -= marked[rows[parts[rows] == part]].sum(axis=0)
        total_wanted -= numbers
        left[rows] = False
    unlabelled = np.flatnonzero(parts < 0)
    parts[unlabelled] = _interleaved(_filled(total_wanted, total_wanted, len(unlabelled)))
    result = np.empty_like(parts)
    result[order] = parts
    return result


def _filled(wanted: NDArray[np.float64], totals: NDArray[np.float64], count: int) -> Indices:
    """Return how many of `count` samples each part gets, each given to the part lacking most.

    Giving one to a part lowers what it lacks by one: so the `count` largest of wanted, wanted - 1,
    wanted - 2 ... are served. Where parts lack the same, the one that lacks most samples is.
    """
    num_parts = len(wanted)
    steps = np.arange(count)
    lacking = (wanted[:, None] - steps[None, :]).ravel()
    part = np.repeat(np.arange(num_parts), count)
    order = np.lexsort((part, -np.repeat(totals, count), -lacking))[:count]
    return np.bincount(part[order], minlength=num_parts)


def _interleaved(numbers: Indices) -> Indices:
    """Return part numbers, each as often as `numbers` says, spread evenly over the whole."""
    part = np.repeat(np.arange(len(numbers)), numbers)
    starts = np.repeat(np.cumsum(numbers) - numbers, numbers)
    rank = np.arange(len(part)) - starts
    place = (rank + 0.5) / np.repeat(np.maximum(numbers, 1), numbers)
    result: Indices = part[np.lexsort((part, place))]
    return result
