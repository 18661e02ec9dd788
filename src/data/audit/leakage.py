"""Columns that give the target away: a rule over this column alone is right on held-out rows."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data.audit.columns import Column
from data.audit.finding import Finding, Level, many, percent, places

ACCURATE = 0.99
CORRELATED = 0.999
LEAST_ROWS, LEAST_OF_CLASS = 100, 5
MOST_ROWS = 50_000
NEIGHBOURS = 2  # on either side


def of_classes(columns: Sequence[Column], labels: Sequence[NDArray[np.int64]]) -> list[Finding]:
    """Return columns from which alone the class can be told.

    The rule: look at the training rows with the same value, and at the two next to it on either
    side where it is a number, and say what most of them are. Its accuracy, as the mean over the
    classes, is measured on the other splits, or on every second row where there are none.
    """
    told = []
    for column in columns:
        fit, held = halves(column.values, labels)
        score = accuracy(*fit, *held, ordered=column.categories is None)
        if score is not None and score >= ACCURATE:
            told.append((column.name, score))
    return findings(told, "is right {} of the time")


def of_numbers(
    columns: Sequence[Column], targets: Sequence[NDArray[np.float64]], name: str
) -> list[Finding]:
    """Return columns that are a target, but for scale or curvature.

    Numbers by the correlation of values or ranks; categories by the mean of each, on held-out rows.
    """
    told = []
    for column in columns:
        if column.categories is None:
            score = correlation(column.all, np.concatenate(list(targets)))
        else:
            fit, held = halves(column.values, targets)
            score = explained(*fit, *held)
        if score is not None and score >= CORRELATED:
            told.append((column.name, score))
    return findings(told, f"goes with {name!r}: correlation {{}}", share=False)


def findings(told: Sequence[tuple[str, float]], text: str, *, share: bool = True) -> list[Finding]:
    """Return one finding for the columns that give the target away."""
    if not told:
        return []
    level: Level = "error"
    shown = [
        f"{name!r} {text.format(percent(score) if share else f'{score:.5f}')}"
        for name, score in told
    ]
    return [
        Finding(
            level,
            f"{many(len(told), 'column')} that {'gives' if len(told) == 1 else 'give'} the target "
            "away, alone",
            places(shown),
            "is it known before the target is? if not, leave it out (data.ignore)",
        )
    ]


Sides = tuple[NDArray[np.float64], NDArray[np.float64]]


def halves(
    values: Sequence[NDArray[np.float64]],
    targets: Sequence[NDArray[np.int64] | NDArray[np.float64]],
) -> tuple[Sides, Sides]:
    """Return values and targets to learn the rule from, and those to measure it on.

    Rows are thinned by their rank in value, so that their order in the data changes nothing.
    """
    if len(values) > 1:
        fit = values[0], targets[0].astype(np.float64)
        held = np.concatenate(list(values[1:])), np.concatenate(list(targets[1:])).astype(float)
        return thinned(*fit), thinned(*held)
    rank = np.lexsort((targets[0], values[0]))
    value, target = values[0][rank], targets[0][rank].astype(np.float64)
    return thinned(value[::2], target[::2]), thinned(value[1::2], target[1::2])


def thinned(values: NDArray[np.float64], targets: NDArray[np.float64]) -> Sides:
    """Return at most so many rows, by equal steps in the order of their values."""
    if len(values) <= MOST_ROWS:
        return values, targets
    rank = np.lexsort((targets, values))
    step = -(-len(values) // MOST_ROWS)
    return values[rank[::step]], targets[rank[::step]]


def accuracy(
    values: NDArray[np.float64],
    labels: NDArray[np.float64],
    held: NDArray[np.float64],
    truth: NDArray[np.float64],
    *,
    ordered: bool,
) -> float | None:
    """Return how often the rule is right on held-out rows, as the mean over classes.

    None where there are too few rows, or too few of some class, to say.
    """
    classes, codes = np.unique(labels, return_inverse=True)
    known = np.isin(truth, classes)
    held, truth = held[known], truth[known]
    present, counts = np.unique(truth, return_counts=True)
    enough = present[counts >= LEAST_OF_CLASS]
    if len(values) < LEAST_ROWS or len(enough) < 2 or len(enough) < len(present):
        return None
    # What is missing is a value like any other: rows may be empty just where the target is 1.
    values, held = filled(values, held)
    order = np.lexsort((codes, values))
    sums = np.zeros((len(values) + 1, len(classes)), dtype=np.int64)
    np.cumsum(np.eye(len(classes), dtype=np.int64)[codes[order]], axis=0, out=sums[1:])
    start = np.searchsorted(values[order], held, side="left")
    end = np.searchsorted(values[order], held, side="right")
    if ordered:
        middle = (start + end) // 2
        start = np.maximum(np.minimum(start, middle - NEIGHBOURS), 0)
        end = np.minimum(np.maximum(end, middle + NEIGHBOURS), len(values))
    votes = sums[end] - sums[start]
    votes[end == start] = sums[-1]  # unseen: what most rows are
    said = classes[votes.argmax(axis=1)]
    return float(np.mean([(said[truth == each] == each).mean() for each in enough]))


def filled(values: NDArray[np.float64], held: NDArray[np.float64]) -> Sides:
    """Return both with a number far below all others where a value is missing."""
    finite = np.concatenate([values, held])
    finite = finite[np.isfinite(finite)]
    below = (finite.min() - 1 - np.ptp(finite)) if len(finite) else 0.0
    return np.where(np.isnan(values), below, values), np.where(np.isnan(held), below, held)


def correlation(values: NDArray[np.float64], targets: NDArray[np.float64]) -> float | None:
    """Return the correlation of values or of ranks, whichever is larger, without its sign."""
    known = np.isfinite(values) & np.isfinite(targets)
    values, targets = thinned(values[known], targets[known])
    if len(values) < LEAST_ROWS or not np.ptp(values) or not np.ptp(targets):
        return None
    ranks = [np.unique(each, return_inverse=True)[1] for each in (values, targets)]
    if min(rank.max() for rank in ranks) < LEAST_OF_CLASS:
        return None  # two or three values coincide easily
    return max(abs(float(np.corrcoef(a, b)[0, 1])) for a, b in ((values, targets), ranks))


def explained(
    values: NDArray[np.float64],
    targets: NDArray[np.float64],
    held: NDArray[np.float64],
    truth: NDArray[np.float64],
) -> float | None:
    """Return the correlation of held-out targets with the mean of their category."""
    values, held = filled(values, held)
    categories, codes = np.unique(values, return_inverse=True)
    known = np.isin(held, categories)
    held, truth = held[known], truth[known]
    if len(values) < LEAST_ROWS or len(held) < LEAST_OF_CLASS * len(categories):
        return None
    means = np.bincount(codes, weights=targets) / np.bincount(codes)
    said = means[np.searchsorted(categories, held)]
    if not np.ptp(said) or not np.ptp(truth):
        return None
    return float(np.corrcoef(said, truth)[0, 1])
