"""Training, validation and test: three disjoint parts with one description."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data import keyed
from data.errors import DataError

if TYPE_CHECKING:
    from data.bad_samples import BadFile

SPLIT_WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "development"),
    "test": ("test", "testing"),
}
"""What the splits are called in folders, files and columns."""

InfoT = TypeVar("InfoT")
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Splits(Generic[InfoT]):
    """The datasets of a run and what they say about themselves."""

    train: Any
    """Dataset to learn from."""
    validation: Any
    """Dataset to choose by, or None."""
    test: Any
    """Dataset for the last word, or None."""
    info: InfoT
    """Frozen dataclass of facts, e.g. `data.info.ImageInfo`."""
    bad: "tuple[BadFile, ...]" = ()
    """Files that can't be read and were left out of the splits."""


def stratified(
    labels: ArrayLike,
    *,
    validation: float,
    test: float,
    seed: int,
    classes: Sequence[str] | None = None,
) -> tuple[Indices, Indices, Indices]:
    """Split sample indices so that each class is spread as evenly as whole samples allow.

    Args:
        labels: class of each sample, non-negative integers [N].
        validation: fraction of all samples, in [0, 1); 0 gives an empty part.
        test: likewise.
        seed: the split is a pure function of labels, fractions and seed.
        classes: names for messages.

    Returns:
        Sorted int64 indices (train, validation, test), disjoint and together complete. A part has
        its fraction of each class, rounded down or up such that the total is right (largest
        remainder), but at least one sample of each class.

    Raises:
        DataError: a fraction is out of range, or a class has fewer samples than there are parts.
    """
    numbers = np.asarray(labels, dtype=np.int64)
    check_fractions(validation=validation, test=test)
    present, counts = np.unique(numbers, return_counts=True)
    parts = 1 + (validation > 0) + (test > 0)
    if len(numbers) == 0:
        raise DataError("no samples (0) to split; check the data's path")
    few = [
        f"class {classes[label] if classes else label!r} has {count} "
        f"{'sample' if count == 1 else 'samples'}, too few for {parts} splits; add samples to "
        f"{parts} or more, remove the class, or set data.validation=0 or data.test=0"
        for label, count in zip(present.tolist(), counts.tolist(), strict=True)
        if count < parts
    ]
    if few:
        raise DataError(*few)

    num_test = _shares(counts, test, counts - 1 - (validation > 0))
    num_validation = _shares(counts, validation, counts - 1 - num_test)
    order = keyed.permutation(keyed.key(seed, keyed.SPLIT), len(numbers))
    # A stable sort keeps the random order within each class; of short numbers it is a quick one.
    short = numbers.astype(np.int16) if present[-1] < 1 << 15 else numbers
    grouped = order[np.argsort(short[order], kind="stable")]
    # Class after class: test, validation, training.
    sizes = np.stack([num_test, num_validation, counts - num_test - num_validation], axis=1)
    part = np.empty(len(numbers), dtype=np.int8)
    part[grouped] = np.repeat(np.tile(np.arange(3, dtype=np.int8), len(counts)), sizes.ravel())
    return np.flatnonzero(part == 2), np.flatnonzero(part == 1), np.flatnonzero(part == 0)


def check_fractions(*, validation: float, test: float) -> None:
    """Raise DataError, with all problems, unless both fractions can be parts of one whole."""
    problems = [
        f"{name} ({value}) in data.{name}; give a fraction of the samples from 0 up to below 1"
        for name, value in (("validation", validation), ("test", test))
        if not 0 <= value < 1
    ]
    if not problems and validation + test >= 1:
        problems.append(
            f"validation + test ({validation} + {test}) in data leaves nothing to train on; "
            "let their sum be below 1"
        )
    if problems:
        raise DataError(*problems)


def _shares(counts: Indices, fraction: float, limits: Indices) -> Indices:
    """Return how many samples of each class a part gets (largest remainder, at least 1)."""
    if fraction == 0:
        return np.zeros_like(counts)
    exact = counts * fraction
    shares = np.floor(exact).astype(np.int64)
    missing = round(float(counts.sum()) * fraction) - int(shares.sum())
    largest = np.argsort(shares - exact, kind="stable")[: max(missing, 0)]
    shares[largest] += 1
    result: Indices = np.minimum(np.maximum(shares, 1), limits)
    return result
