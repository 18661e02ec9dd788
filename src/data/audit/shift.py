"""Whether validation and test look like the training split, column by column."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data.audit.columns import Column
from data.audit.finding import Finding, many, places

LEAST_ROWS = 50
LARGE = 0.1
CERTAIN = 1e-5  # chance of a false alarm, over all columns


def findings(columns: Sequence[Column], splits: Sequence[str]) -> list[Finding]:
    """Return, for each split but training, the columns that are spread otherwise there.

    Numbers by the Kolmogorov-Smirnov distance, categories by the total variation distance: both
    from 0 (alike) to 1 (nothing in common). Told from 0.1, where chance doesn't explain it.
    """
    found = []
    for place, split in enumerate(splits):
        if place == 0:
            continue
        told = []
        for column in columns:
            if column.is_date:
                continue
            distance = shifted(column.values[0], column.values[place], column, len(columns))
            if distance is not None:
                told.append(f"{column.name!r}: {distance:.2f} of 1")
        if told:
            found.append(
                Finding(
                    "warning",
                    f"{many(len(told), 'column')} spread otherwise in the {split} split than in "
                    "train",
                    places(told),
                    "what is measured may not be what was learned; look at how the splits were "
                    "made",
                )
            )
    return found


def shifted(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], column: Column, columns: int
) -> float | None:
    """Return the distance of two splits where it is large and no chance, else None."""
    if column.categories is None:
        ours, theirs = ours[np.isfinite(ours)], theirs[np.isfinite(theirs)]
    if min(len(ours), len(theirs)) < LEAST_ROWS:
        return None
    effective = 1 / len(ours) + 1 / len(theirs)
    alarm = CERTAIN / columns
    if column.categories is None:
        distance = kolmogorov(ours, theirs)
        chance = np.sqrt(-np.log(alarm / 2) * effective / 2)
    else:
        distance, kinds = variation(np.nan_to_num(ours, nan=-1), np.nan_to_num(theirs, nan=-1))
        # The mean distance of two samples of the same k kinds, and McDiarmid's bound around it.
        chance = np.sqrt(kinds * effective) / 2 + np.sqrt(-np.log(alarm) * effective / 2)
    return distance if distance >= max(LARGE, float(chance)) else None


def kolmogorov(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    """Return the largest difference of the two cumulative shares."""
    ours, theirs = np.sort(ours), np.sort(theirs)
    both = np.concatenate([ours, theirs])
    below = [np.searchsorted(each, both, side="right") / len(each) for each in (ours, theirs)]
    return float(np.abs(below[0] - below[1]).max())


def variation(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> tuple[float, int]:
    """Return half the sum of the differences of shares, and how many kinds there are."""
    kinds, codes = np.unique(np.concatenate([ours, theirs]), return_inverse=True)
    shares = [
        np.bincount(part, minlength=len(kinds)) / len(part)
        for part in (codes[: len(ours)], codes[len(ours) :])
    ]
    return float(np.abs(shares[0] - shares[1]).sum() / 2), len(kinds)
