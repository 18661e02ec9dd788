"""Recordings that can't be read, left out of splits that were drawn over all of them."""

from collections.abc import Mapping, Sequence

import numpy as np

from data.audio.listing import Recordings
from data.bad_samples import BadFile, OnError, too_many
from data.errors import DataError
from data.splits import Indices

SPLITS = ("train", "validation", "test")
Parts = tuple[Indices, Indices, Indices]


def judge(reasons: Sequence[str], on_error: OnError, max_bad: int) -> None:
    """Raise DataError for files that can't be read, unless they may be skipped.

    Args:
        reasons: a line for each.
        on_error: "stop", or "skip" for leaving them out.
        max_bad: how many may be left out.
    """
    if on_error == "stop" and reasons:
        raise DataError(*reasons)
    if len(reasons) > max_bad:
        raise DataError(too_many("files", reasons, max_bad))


def without(
    parts: Parts, bad: Mapping[int, str], found: Recordings
) -> tuple[Parts, tuple[BadFile, ...]]:
    """Return the parts less the bad files, and the latter by split.

    Args:
        parts: indices of training, validation and test.
        bad: why a file can't be read, by its index.
        found: all files.

    Raises:
        DataError: nothing would be left of a split, or of a class in training.
    """
    if not bad:
        return parts, ()
    readable = np.ones(len(found.names), dtype=bool)
    readable[list(bad)] = False
    problems = []
    left_out = []
    for split, part in zip(SPLITS, parts, strict=True):
        gone = part[~readable[part]].tolist()
        left_out += [BadFile(split, None, found.names[index], bad[index]) for index in gone]
        if gone and len(gone) == len(part):
            problems.append(
                f"all {len(part)} files of the {split} split can't be read, such as "
                f"{found.names[gone[0]]}; mend the data"
            )
    train, validation, test = (part[readable[part]] for part in parts)
    if found.targets.problem == "classification" and len(train):
        labels = found.targets.values
        lost = sorted(set(labels[parts[0]].tolist()) - set(labels[train].tolist()))
        if lost:
            shown = ", ".join(repr(found.targets.classes[int(label)]) for label in lost[:5])
            problems.append(f"no training file of class {shown} can be read; mend the data")
    if problems:
        raise DataError(*problems)
    return (train, validation, test), tuple(left_out)
