"""Parts between which no group is divided."""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from data import keyed
from data.errors import DataError
from data.splits import Indices
from data.splitting.rules import first, is_missing


def numbered(groups: Sequence[Hashable], names: Sequence[str] | None) -> Indices:
    """Return the number of each sample's group, int64 [N], in order of first appearance.

    Raises:
        DataError: samples without a group: they could be of any.
    """
    known: dict[Hashable, int] = {}
    numbers = np.empty(len(groups), dtype=np.int64)
    missing = []
    for place, group in enumerate(groups):
        if is_missing(group):
            missing.append(names[place] if names is not None else place)
            continue
        numbers[place] = known.setdefault(group, len(known))
    if missing:
        raise DataError(
            f"{len(missing)} {'sample has' if len(missing) == 1 else 'samples have'} no group "
            f"({first(missing)}), and so can't be kept out of other splits; fill data.group in, or "
            "remove them"
        )
    return numbers


def by_group(
    groups: Indices,
    labels: NDArray[np.int64] | None,
    shares: Sequence[float],
    stream: int,
    least: Sequence[int] | None = None,
) -> Indices:
    """Return the part of each sample such that groups stay whole and sizes and labels come near.

    Groups are dealt from the largest to the smallest, each to the part where the squared deviation
    from what the parts are to have, in proportion to that, grows least: of samples and, with
    labels, of each class.

    Args:
        groups: number of each sample's group [N].
        labels: class [N], or 0 and 1 for each label [N, L], or None.
        shares: what each part is to have; their sum is 1.
        stream: key for the order of groups of the same size.
        least: groups that each part has at least, one if not given; there are enough for all.

    Returns:
        The number of each sample's part, int64 [N].
    """
    sizes = np.bincount(groups)
    start, column, number, totals = _contents(groups, labels, len(sizes))
    # One row a part, one column a class and the last for samples.
    wanted = np.outer(shares, totals)
    held = np.zeros_like(wanted)
    lacking = np.ones(len(shares), dtype=np.int64) if least is None else np.array(least)
    part_of = np.empty(len(sizes), dtype=np.int64)
    order = keyed.permutation(stream, len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    for place, group in enumerate(order.tolist()):
        own = slice(start[group], start[group + 1])
        columns, numbers = column[own], number[own]
        goal, has = wanted[:, columns], held[:, columns]
        growth = (numbers * (2 * (has - goal) + numbers) / goal).sum(axis=1)
        # What is left has to do for the parts that lack groups.
        if len(order) - place <= int(lacking.sum()):
            growth = np.where(lacking > 0, growth, np.inf)
        part = int(growth.argmin())
        held[part, columns] += numbers
        lacking[part] = max(0, lacking[part] - 1)
        part_of[group] = part
    result: Indices = part_of[groups]
    return result


def _contents(
    groups: Indices, labels: NDArray[np.int64] | None, num_groups: int
) -> tuple[Indices, Indices, NDArray[np.float64], NDArray[np.float64]]:
    """Return what each group holds, group after group: starts, columns, numbers; and the totals."""
    if labels is None:
        own, column = np.empty(0, np.int64), np.empty(0, np.int64)
    elif labels.ndim == 1:
        own, column = groups, labels
    else:
        rows, column = np.nonzero(labels)
        own = groups[rows]
    size_column = int(column.max(initial=-1)) + 1
    own = np.concatenate([own, groups])
    column = np.concatenate([column, np.full(len(groups), size_column)])
    cells, numbers = np.unique(own * (size_column + 1) + column, return_counts=True)
    own, column = cells // (size_column + 1), cells % (size_column + 1)
    number = numbers.astype(np.float64)
    totals: NDArray[np.float64] = np.bincount(
        column, weights=number, minlength=size_column + 1
    ).astype(np.float64)
    start = np.searchsorted(own, np.arange(num_groups + 1)).astype(np.int64)
    return start, column, number, totals
