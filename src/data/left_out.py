"""Files that can't be read, left out of splits that were drawn over all files."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from data.bad_samples import BadFile, OnError, too_many
from data.errors import DataError
from data.splits import Indices

SPLITS = ("train", "validation", "test")
Parts = tuple[Indices, Indices, Indices]


def judge(
    problems: Sequence[str],
    reasons: Sequence[str],
    on_error: OnError,
    max_bad: int,
    what: str = "images",
) -> None:
    """Raise DataError with all problems; why files can't be read is one unless they are skipped.

    Args:
        problems: what is wrong apart from that.
        reasons: a line for each file that can't be read.
        on_error: "stop", or "skip" for leaving them out.
        max_bad: how many may be left out.
        what: what the files are.
    """
    found = list(problems)
    if on_error == "stop":
        found += reasons
    elif len(reasons) > max_bad:
        found.append(too_many(what, reasons, max_bad))
    if found:
        raise DataError(*found)


def without(
    parts: Parts,
    bad: Mapping[int, str],
    labels: NDArray[np.int64],
    *,
    names: Sequence[str],
    classes: Sequence[str],
) -> tuple[Parts, tuple[BadFile, ...]]:
    """Return the parts less the bad files, and the latter by split.

    Args:
        parts: indices of training, validation and test.
        bad: why a file can't be read, by its index.
        labels: class of each file [N], or 0 and 1 for each label [N, L].
        names: path of each file.
        classes: names of classes or labels.

    Raises:
        DataError: nothing would be left of a split, or of a class in training.
    """
    if not bad:
        return parts, ()
    readable = np.ones(len(names), dtype=bool)
    readable[list(bad)] = False
    problems = []
    left_out = []
    for split, part in zip(SPLITS, parts, strict=True):
        gone = part[~readable[part]].tolist()
        left_out += [BadFile(split, None, names[index], bad[index]) for index in gone]
        if gone and len(gone) == len(part):
            problems.append(
                f"all {len(part)} images of the {split} split can't be read, such as "
                f"{names[gone[0]]}; mend the data"
            )
    train, validation, test = (part[readable[part]] for part in parts)
    lost = sorted(_present(labels[parts[0]]) - _present(labels[train]))
    if lost and len(train):
        shown = ", ".join(repr(classes[label]) for label in lost[:5])
        problems.append(f"no training image of class {shown} can be read; mend the data")
    if problems:
        raise DataError(*problems)
    return (train, validation, test), tuple(left_out)


def _present(labels: NDArray[np.int64]) -> set[int]:
    found = np.unique(labels) if labels.ndim == 1 else np.flatnonzero(labels.any(axis=0))
    return set(found.tolist())
