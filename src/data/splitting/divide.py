"""Samples divided into training, validation and test, whichever way is asked for."""

import logging
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.splits import Indices
from data.splitting.dealing import Parts, Task, three, with_folds
from data.splitting.grouped import numbered
from data.splitting.hashed import by_hash
from data.splitting.rules import argument_problems, count_problem, first
from data.splitting.timed import by_time
from data.splitting.written import UNSPLIT, by_column, read_splits

SPLITS = ("training", "validation", "test")
logger = logging.getLogger(__name__)


def split(
    *,
    count: int,
    method: str | None,
    validation: float,
    test: float,
    seed: int,
    labels: NDArray[np.int64] | None = None,
    groups: Sequence[Hashable] | None = None,
    times: NDArray[Any] | None = None,
    given: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    folds: int | None = None,
    fold: int | None = None,
    splits: str | Path | None = None,
) -> Parts:
    """Return the samples of training, validation and test: a pure function of the arguments.

    Args:
        count: number of samples N.
        method: one of `data.splitting.METHODS`, or None for `method_for` what there is.
        validation: fraction of the samples, in [0, 1); 0 for none.
        test: likewise.
        seed: which split.
        labels: class of each sample [N], or 0 and 1 for each of several labels [N, L].
        groups: group of each sample; none is in two splits.
        times: when each sample is from, anything that numpy can order.
        given: the split of each sample by name; those of "" are split here, by class where there
            are labels. A split that is given to no sample is taken from these, or else from the
            training samples.
        names: name of each sample, for "hash", `splits` and messages.
        classes: names of classes or labels, for messages.
        folds: divide all but the test into so many parts, by the same rule.
        fold: which of them, from 0, is the validation; `validation` then has no effect.
        splits: path of a splits.csv (columns name and split) that is followed instead.

    Returns:
        Sorted int64 indices (train, validation, test), disjoint and together complete.

    Raises:
        DataError: options that don't go together, or data that can't be split so.
    """
    available = {
        "labels": labels,
        "groups": groups,
        "times": times,
        "given": given,
        "names": names,
    }
    present = [name for name, value in available.items() if value is not None]
    method = method_for(present) if method is None else method
    problems = argument_problems(
        method, present, validation=validation, test=test, folds=folds, fold=fold
    )
    if not problems and splits is None and method != "column":
        parts = 1 + (test > 0) + (validation > 0 if folds is None else 1)
        problems += count_problem(count, parts)
    if problems:
        raise DataError(*problems)
    assert all(len(value) == count for value in available.values() if value is not None)
    task = Task(
        count=count,
        method=method,
        validation=validation,
        test=test,
        seed=seed,
        labels=labels,
        groups=numbered(groups, names) if groups is not None and method == "group" else None,
        names=names,
        classes=classes,
    )
    found = _three(task, times=times, given=given, splits=splits, folds=folds is not None)
    if folds is not None:
        assert fold is not None
        found = with_folds(task, found, folds, fold)
    _check(task, found)
    return found


def method_for(present: Sequence[str]) -> str:
    """Return the way of splitting for what there is: "given", "groups", "times", "labels".

    A given split comes first; a group or a time that somebody has named is there to be kept apart;
    classes keep their shares; everything else is split by chance.
    """
    for needed, method in (
        ("given", "column"),
        ("groups", "group"),
        ("times", "time"),
        ("labels", "stratified"),
    ):
        if needed in present:
            return method
    return "random"


def _three(
    task: Task,
    *,
    times: NDArray[Any] | None,
    given: Sequence[str] | None,
    splits: str | Path | None,
    folds: bool,
) -> Parts:
    """Return training, validation and test without folds."""
    if splits is not None:
        if task.names is None:
            raise DataError("data.splits goes by names, and these samples have none; leave it out")
        return _sorted_out(read_splits(splits, task.names))
    if task.method == "column":
        assert given is not None
        return _completed(task, by_column(given, task.names), folds)
    options: dict[str, Any] = {"validation": task.validation, "test": task.test}
    if task.method == "time":
        assert times is not None
        return _sorted_out(by_time(np.asarray(times), names=task.names, **options))
    if task.method == "hash":
        assert task.names is not None
        return _sorted_out(by_hash(task.names, seed=task.seed, **options))
    return three(task, np.arange(task.count), folds=folds, **options)


def _completed(task: Task, parts: Indices, folds: bool) -> Parts:
    """Split what the column leaves open; a split that it gives to no sample is made here."""
    rest = np.flatnonzero(parts == UNSPLIT)
    if not len(rest):
        rest = np.flatnonzero(parts == 0)
    shares = {
        "validation": 0.0 if (parts == 1).any() else task.validation,
        "test": 0.0 if (parts == 2).any() else task.test,
    }
    if problems := count_problem(len(rest), 1 + sum(share > 0 for share in shares.values())):
        raise DataError(*(f"{problem} (data.split=column)" for problem in problems))
    parts = parts.copy()
    for number, rows in enumerate(three(task, rest, folds=folds, **shares)):
        parts[rows] = number
    return _sorted_out(parts)


def _sorted_out(parts: Indices) -> Parts:
    return np.flatnonzero(parts == 0), np.flatnonzero(parts == 1), np.flatnonzero(parts == 2)


def _check(task: Task, parts: Parts) -> None:
    """Refuse a split that has nothing in it; say which classes training lacks."""
    if not len(parts[0]):
        raise DataError(
            "no sample is left for training; mark some as train, or lower data.validation and "
            "data.test"
        )
    if task.method == "hash":
        wanted = ((1, "validation", task.validation), (2, "test", task.test))
        for number, name, share in wanted:
            if share > 0 and not len(parts[number]):
                raise DataError(
                    f"data.split=hash leaves no sample of {task.count} for the {name}; "
                    f"raise data.{name} or set it to 0, or choose data.split=random"
                )
    if task.groups is not None:
        where = np.full(int(task.groups.max(initial=0)) + 1, -1)
        for number, part in enumerate(parts):
            own = np.unique(task.groups[part])
            if (where[own] >= 0).any():
                raise DataError(
                    f"{int((where[own] >= 0).sum())} groups of data.group are in two splits in "
                    "data.splits; write the splits anew, without data.splits"
                )
            where[own] = number
    if task.labels is not None:
        _warn_of_absent(task, task.labels, parts)


def _warn_of_absent(task: Task, labels: NDArray[np.int64], parts: Parts) -> None:
    """Say which classes or labels can't be learned, because training has no sample of them."""
    if labels.ndim == 2:
        held = [labels[part].any(axis=0) for part in parts]
    else:
        num_classes = int(labels.max(initial=-1)) + 1
        held = [np.bincount(labels[part], minlength=num_classes) > 0 for part in parts]
    for number in (1, 2):
        absent = np.flatnonzero(held[number] & ~held[0]).tolist()
        if absent:
            names = [task.classes[each] if task.classes else each for each in absent]
            logger.warning(
                "%s of the %s split not in training, and so not learned: %s",
                f"{len(names)} {'class' if len(names) == 1 else 'classes'}",
                SPLITS[number],
                first(names),
            )
