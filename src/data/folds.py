"""Cross-validation: all but the test split in equal parts, each of which validates once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from data import keyed
from data.errors import DataError
from data.splits import Indices


def folded(
    parts: tuple[Indices, Indices, Indices],
    labels: ArrayLike,
    *,
    folds: int | None,
    fold: int | None,
    seed: int,
    classes: Sequence[str] | None = None,
) -> tuple[Indices, Indices, Indices]:
    """Return training, validation and test where part number `fold` of `folds` validates.

    The test stays as it is. The samples of training and validation are divided into `folds` parts
    that differ by at most one sample, in all and of each class. Without `folds` the parts are given
    back as they are.

    Args:
        parts: sample indices of training, validation and test.
        labels: class of each sample, non-negative integers [N].
        folds: number of parts, 2 or more, or None.
        fold: which part validates, from 0.
        seed: the division is a pure function of the samples, labels, `folds` and seed.
        classes: names for messages.

    Raises:
        DataError: the numbers don't go together, or a class has too few samples.
    """
    if problems := fold_problems(folds, fold):
        raise DataError(*problems)
    if folds is None:
        return parts
    train, validation, test = parts
    rest = np.sort(np.concatenate([train, validation]))
    numbers = np.asarray(labels, dtype=np.int64)[rest]
    present, counts = np.unique(numbers, return_counts=True)
    few = [
        f"class {classes[label] if classes else label!r} has {count} "
        f"{'sample' if count == 1 else 'samples'} besides the test, too few for data.folds="
        f"{folds}; add samples, remove the class, or choose fewer folds"
        for label, count in zip(present.tolist(), counts.tolist(), strict=True)
        if count < folds
    ]
    if few:
        raise DataError(*few)
    order = keyed.permutation(keyed.key(seed, keyed.FOLDS), len(rest))
    # Dealt out like cards, class after class; a stable sort keeps the random order within each.
    dealt = order[np.argsort(numbers[order], kind="stable")]
    held_out = np.zeros(len(rest), dtype=bool)
    held_out[dealt[fold::folds]] = True
    return rest[~held_out], rest[held_out], test


def fold_problems(folds: int | None, fold: int | None) -> list[str]:
    """Return what is wrong unless both are None, or a number of parts and one of them."""
    if folds is None:
        return (
            [f"fold ({fold}) in data.fold without data.folds; give both"]
            if fold is not None
            else []
        )
    if type(folds) is not int or folds < 2:
        return [f"folds ({folds}) in data.folds; give a number of parts, 2 or more"]
    if fold is None:
        return [
            f"folds ({folds}) in data.folds run as a sweep, a run for each; for a single one add "
            f"data.fold=0 to {folds - 1}"
        ]
    if type(fold) is not int or not 0 <= fold < folds:
        return [f"fold ({fold}) in data.fold; give a number from 0 to {folds - 1}"]
    return []
