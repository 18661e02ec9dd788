"""What an array of targets is: classes, labels or numbers."""

import logging
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError

Problem = Literal["classification", "multilabel", "regression"]
PROBLEMS: tuple[Problem, ...] = ("classification", "multilabel", "regression")
MANY_CLASSES = 100
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Targets:
    """The targets of all samples."""

    problem: Problem
    values: NDArray[Any]
    """Classes int64 [N]; labels float32 [N, L]; numbers float64 [N, T]."""
    classes: tuple[str, ...]
    """Names of classes or labels."""
    names: tuple[str, ...]
    """Regression: names of the numbers."""


def problem_of(targets: NDArray[Any], name: str, *, say: bool = True) -> Problem:
    """Return what there is to learn: text and whole numbers are classes, other numbers are not."""
    shape, kind = targets.shape, targets.dtype.kind
    if len(shape) == 2 and shape[1] > 1:
        rows = np.asarray(targets[:10_000])
        if kind in "biuf" and np.isin(rows, (0, 1)).all():
            alone = bool((rows.sum(axis=1) == 1).all())
            return "classification" if alone else "multilabel"
        return "regression"
    if kind in "USb":
        return "classification"
    if kind in "iu":
        number = len(np.unique(targets))
        if number > MANY_CLASSES and number > targets.size / 10:
            if say:
                logger.warning(
                    "%s: %d different whole numbers, taken as numbers (data.problem)", name, number
                )
            return "regression"
        return "classification"
    return "regression"


def doubt_of(array: NDArray[Any]) -> str:
    """Return what to say of numbers that may as well be classes: whole, and few; "" of others."""
    if array.dtype.kind != "f" or array.size != len(array) or not np.isfinite(array).all():
        return ""
    number = len(np.unique(array))
    if number > min(MANY_CLASSES, array.size / 10) or (array != np.floor(array)).any():
        return ""
    return (
        f", since they are {array.dtype}; there are only {number} whole numbers: if they are "
        "classes, say data.problem=classification"
    )


def targets_of(
    array: NDArray[Any], problem: Problem | None, name: str, classes: tuple[str, ...] | None
) -> Targets:
    """Return targets in the form that losses take.

    Args:
        array: as in the file.
        problem: what the user has said; None to find out.
        name: what messages call the array.
        classes: names of classes or labels that the user has given.

    Raises:
        DataError: targets that don't fit the problem, or are not finite.
    """
    found = problem or problem_of(array, name)
    if problem is None and (doubt := doubt_of(array)):
        logger.warning("%s: %s%s", name, found, doubt)
    if array.dtype.kind not in "USbiuf":
        raise DataError(f"{name} holds {array.dtype}; give numbers or strings")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim not in (1, 2):
        raise DataError(f"{name} has shape {list(array.shape)}; give [N] or [N, targets]")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        rows = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1)).tolist()
        raise DataError(
            f"{len(rows)} targets of {name} are NaN or infinite (rows "
            f"{', '.join(map(str, rows[:5]))}{', ...' if len(rows) > 5 else ''}); mend or leave "
            "them out"
        )
    if found == "classification":
        return _classes(array, name, classes)
    values = _numbers(array, name)
    if found == "multilabel":
        if not np.isin(values, (0, 1)).all():
            raise DataError(f"{name} holds more than 0 and 1, and labels are 0 or 1; mend it")
        names = classes or tuple(f"label_{k}" for k in range(values.shape[1]))
        if len(names) != values.shape[1]:
            raise DataError(f"{len(names)} names in data.classes for {values.shape[1]} labels")
        return Targets("multilabel", values.astype(np.float32), tuple(names), ())
    number = values.shape[1]
    names = classes or ((name,) if number == 1 else tuple(f"{name}_{k}" for k in range(number)))
    if len(names) != number:
        raise DataError(f"{len(names)} names in data.classes for {number} targets of {name}")
    return Targets("regression", values, (), tuple(names))


def _classes(array: NDArray[Any], name: str, classes: tuple[str, ...] | None) -> Targets:
    if array.ndim == 2:
        if not (np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all()):
            raise DataError(
                f"{name} has shape {list(array.shape)}, which is no class for each sample; choose "
                "data.problem=multilabel or regression"
            )
        logger.warning("%s: one 1 in each row, read as the class (data.problem)", name)
        labels = array.argmax(axis=1)
        present = np.arange(array.shape[1])
    else:
        if array.dtype.kind == "f" and (array % 1).any():
            raise DataError(f"{name} holds broken numbers; choose data.problem=regression")
        plain = array.astype(np.int64) if array.dtype.kind in "fb" else array
        present, labels = np.unique(plain, return_inverse=True)
        if plain.dtype.kind in "iu":
            low, high = int(present[0]), int(present[-1])
            if low >= 0 and classes is not None and high < len(classes):
                present, labels = np.arange(len(classes)), plain
            elif low != 0 or high != len(present) - 1:
                shown = ", ".join(map(str, present[:5].tolist())) + (
                    ", ..." if len(present) > 5 else ""
                )
                logger.warning(
                    "%s: labels are %s; become classes 0 to %d", name, shown, len(present) - 1
                )
    values: list[Any] = present.tolist()
    texts = [v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in values]
    if array.dtype.kind in "US" and classes is not None:
        if unknown := [text for text in texts if text not in classes]:
            raise DataError(f"{name} holds {unknown[0]!r}, which is not in data.classes; add it")
        labels = np.array([classes.index(text) for text in texts])[labels]
        return Targets("classification", labels.astype(np.int64), classes, ())
    names = classes or tuple(texts)
    if len(names) != len(present):
        raise DataError(f"{len(names)} names in data.classes for {len(present)} classes of {name}")
    if len(names) < 2:
        raise DataError(f"{name} holds one class ({names[0]!r}) only; classification needs two")
    return Targets("classification", labels.astype(np.int64), tuple(names), ())


def _numbers(array: NDArray[Any], name: str) -> NDArray[np.float64]:
    if array.dtype.kind in "US":
        raise DataError(f"{name} holds text, and data.problem asks for numbers; choose another")
    values: NDArray[np.float64] = array.astype(np.float64)
    return values[:, None] if values.ndim == 1 else values
