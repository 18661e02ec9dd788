"""Samples dealt out: the test first, then validation and training, or folds, from the rest."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data import keyed
from data.errors import DataError
from data.folds import folded
from data.splits import Indices, stratified
from data.splitting.grouped import by_group
from data.splitting.hashed import fold_by_hash
from data.splitting.multilabel import iterative
from data.splitting.rules import count_problem

Parts = tuple[Indices, Indices, Indices]


@dataclass(frozen=True)
class Task:
    """What all steps of one division look at; the arguments of `data.splitting.split`."""

    count: int
    method: str
    validation: float
    test: float
    seed: int
    labels: NDArray[np.int64] | None
    groups: Indices | None
    names: Sequence[str] | None
    classes: Sequence[str] | None

    @property
    def rule(self) -> str:
        """How samples are kept together or apart: "group", "labels", "class" or "chance"."""
        if self.groups is not None:
            return "group"
        if self.labels is None or self.method == "random":
            return "chance"
        return "class" if self.labels.ndim == 1 else "labels"


def three(task: Task, rows: Indices, *, validation: float, test: float, folds: bool) -> Parts:
    """Return training, validation and test from `rows`; the test depends on no other part.

    With `folds`, training and validation are to be divided again.
    """
    if task.rule in ("chance", "class"):
        labels = _classes_of(task, rows)
        classes = task.classes if task.rule == "class" else None
        found = stratified(
            labels, validation=validation, test=test, seed=task.seed, classes=classes
        )
        return rows[found[0]], rows[found[1]], rows[found[2]]
    more = 1 + (validation > 0 or folds)
    if task.groups is not None:
        check_groups(task.groups[rows], more + (test > 0), "splits")
    stream = keyed.key(task.seed, keyed.SPLIT)
    numbers = _dealt(task, rows, [1 - test, test], stream, least=[more, 1]) if test else None
    rest, tested = (rows, rows[:0]) if numbers is None else (rows[numbers == 0], rows[numbers == 1])
    if not validation or folds:
        return rest, rest[:0], tested
    share = validation / (1 - test)
    numbers = _dealt(task, rest, [1 - share, share], keyed.key(stream, 1), least=[1, 1])
    return rest[numbers == 0], rest[numbers == 1], tested


def with_folds(task: Task, parts: Parts, folds: int, fold: int) -> Parts:
    """Divide training and validation anew, by the rule that they were split by.

    Raises:
        DataError: there are too few samples, groups, or samples of a class.
    """
    rest = np.sort(np.concatenate(parts[:2]))
    if problems := count_problem(len(rest), folds):
        raise DataError(*(f"besides the test: {problem}" for problem in problems))
    if task.method == "hash":
        assert task.names is not None
        numbers = fold_by_hash([task.names[row] for row in rest], folds=folds, seed=task.seed)
    elif task.rule in ("chance", "class"):
        labels = _classes_of(task, np.arange(task.count))
        classes = task.classes if task.rule == "class" else None
        return folded(parts, labels, folds=folds, fold=fold, seed=task.seed, classes=classes)
    else:
        if task.groups is not None:
            check_groups(task.groups[rest], folds, "folds besides the test")
        stream = keyed.key(task.seed, keyed.FOLDS)
        numbers = _dealt(task, rest, [1 / folds] * folds, stream, least=[1] * folds)
    return rest[numbers != fold], rest[numbers == fold], parts[2]


def check_groups(groups: Indices, parts: int, what: str) -> None:
    """Raise DataError where there are fewer groups than parts."""
    different = len(np.unique(groups))
    if different < parts:
        raise DataError(
            f"{different} {'group' if different == 1 else 'groups'} in data.group, too few for "
            f"{parts} {what}; set data.validation=0 or data.test=0, choose fewer folds, or "
            "another data.split"
        )


def _dealt(
    task: Task, rows: Indices, shares: Sequence[float], stream: int, least: Sequence[int]
) -> Indices:
    """Return the number of each row's part, by group or by labels."""
    labels = None if task.labels is None else task.labels[rows]
    if task.groups is not None:
        _, groups = np.unique(task.groups[rows], return_inverse=True)
        return by_group(groups.reshape(-1), labels, shares, stream, least)
    assert labels is not None
    return _at_least(iterative(labels, shares, stream), least)


def _at_least(parts: Indices, least: Sequence[int]) -> Indices:
    """Give each part that has too few samples some of the largest."""
    sizes = np.bincount(parts, minlength=len(least))
    for part, fewest in enumerate(least):
        while sizes[part] < fewest:
            largest = int(sizes.argmax())
            parts[np.flatnonzero(parts == largest)[-1]] = part
            sizes[largest] -= 1
            sizes[part] += 1
    return parts


def _classes_of(task: Task, rows: Indices) -> Indices:
    """Return the class of some samples; all the same where it is left to chance."""
    if task.rule == "chance":
        return np.zeros(len(rows), dtype=np.int64)
    assert task.labels is not None
    return task.labels[rows]
