"""What is to be learned of each recording: a class, several labels, or numbers."""

import logging
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from data.audio.labels import Labels, check_columns
from data.errors import DataError

PROBLEMS = ("classification", "multilabel", "regression")
NAMES = ("label", "labels", "class", "category", "target", "y", "word", "species", "emotion", "tag")
FEW_NUMBERS = 20
SEVERAL = re.compile(r"[|;,]")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Targets:
    """The targets of all recordings, as the data has them."""

    problem: str
    """One of PROBLEMS."""
    values: NDArray[np.int64] | NDArray[np.float32] | NDArray[np.float64]
    """Classes int64 [N], labels 0 or 1 float32 [N, L], or numbers float64 [N, T]."""
    classes: tuple[str, ...] = ()
    """Names of classes or labels."""
    names: tuple[str, ...] = field(default=())
    """Regression: what each number is called."""


def of_classes(labels: Sequence[str], classes: Sequence[str]) -> Targets:
    """Return targets of one class each."""
    numbers = {name: place for place, name in enumerate(classes)}
    values = np.array([numbers[label] for label in labels], dtype=np.int64)
    return Targets("classification", values, tuple(classes))


def target_columns(
    table: Labels, target: str | Sequence[str] | None, others: Sequence[str | None]
) -> tuple[str, ...]:
    """Return the columns to learn: those named, the one with a usual name, or the only one left.

    Args:
        table: the table.
        target: data.target.
        others: columns that are something else, such as the path.

    Raises:
        DataError: they aren't there, or it isn't clear which.
    """
    if target is not None:
        wanted = (target,) if isinstance(target, str) else tuple(target)
        check_columns(table, wanted, "data.target")
        if not wanted:
            raise DataError("data.target is an empty list; name a column, or leave it out")
        return wanted
    left = [name for name in table.columns if name not in others]
    for usual in NAMES:
        for name in left:
            if name.lower() == usual:
                return (name,)
    if len(left) == 1:
        return (left[0],)
    what = f"which of {', '.join(left)}" if left else "no column"
    raise DataError(f"{what} of {table.path} is to be learned? give data.target=NAME")


def of_table(table: Labels, columns: Sequence[str], problem: str | None) -> Targets:
    """Return the targets in a table's columns.

    One column: numbers are regression, all else is classification; with problem "multilabel" each
    cell holds labels, separated by | or ; or a comma. Several columns: labels where all values are
    0 or 1, otherwise numbers.

    Raises:
        DataError: all cells that are empty, or no number where one is needed.
    """
    problems = [
        f"{table.path}:{row.line} has no value in {column!r}; fill it in or remove the row"
        for row in table.rows
        for column in columns
        if not row.cells[column] and (problem != "multilabel" or len(columns) > 1)
    ]
    if len(columns) > 1 and problem == "classification":
        problems.append(
            f"{len(columns)} columns in data.target for a classification; name one, or "
            "set data.problem to multilabel or regression"
        )
    if problems:
        raise DataError(*problems)
    if len(columns) == 1 and problem in ("classification", "multilabel"):
        cells = [row.cells[columns[0]] for row in table.rows]
        return _classes(cells) if problem == "classification" else _labels(cells, table)
    return _of_numbers(table, columns, problem)


def problem_of(table: Labels, columns: Sequence[str], problem: str | None) -> str:
    """Return what `of_table` would take these columns for, from the rows at hand."""
    if problem is not None:
        return problem
    numbers = [_number(row.cells[name], table) for row in table.rows for name in columns]
    if len(columns) > 1:
        return "multilabel" if set(numbers) <= {0.0, 1.0} else "regression"
    return "classification" if None in numbers else "regression"


def _of_numbers(table: Labels, columns: Sequence[str], problem: str | None) -> Targets:
    """Return numbers, or labels or classes where these aren't any."""
    cells = [[row.cells[name] for name in columns] for row in table.rows]
    found = [[_number(cell, table) for cell in row] for row in cells]
    count = sum(value is not None for row in found for value in row)
    if problem is None and len(columns) == 1 and 2 * count <= len(found):
        return _classes([row[0] for row in cells])
    remedy = "" if problem or len(columns) > 1 else ", or set data.problem=classification"
    problems = [
        f"{table.path}:{row.line} has {text!r} in {name!r}, where numbers are needed; mend "
        f"it{remedy}"
        for row, texts, values in zip(table.rows, cells, found, strict=True)
        for name, text, value in zip(columns, texts, values, strict=True)
        if value is None
    ]
    if problems:
        raise DataError(*problems)
    values = np.array(found, dtype=np.float64)
    is_labels = bool(np.isin(values, (0.0, 1.0)).all())
    if problem == "multilabel" and not is_labels:
        raise DataError(f"{', '.join(columns)} in data.target; labels have to be 0 or 1")
    if problem == "multilabel" or (problem is None and is_labels and len(columns) > 1):
        return Targets("multilabel", values.astype(np.float32), tuple(columns))
    different = len(np.unique(values))
    if problem is None and different <= FEW_NUMBERS and (values == np.rint(values)).all():
        logger.warning(
            "%r holds %d different whole numbers and is taken as a quantity (regression); if they "
            "are classes, set data.problem=classification",
            columns[0],
            different,
        )
    return Targets("regression", values, names=tuple(columns))


def _classes(cells: Sequence[str]) -> Targets:
    return of_classes(cells, _ordered(set(cells)))


def _labels(cells: Sequence[str], table: Labels) -> Targets:
    found = [{part.strip() for part in SEVERAL.split(cell)} - {""} for cell in cells]
    classes = _ordered(set().union(*found))
    if not classes:
        raise DataError(f"no labels in data.target of {table.path}")
    places = {name: place for place, name in enumerate(classes)}
    values = np.zeros((len(cells), len(classes)), dtype=np.float32)
    for row, names in enumerate(found):
        values[row, [places[name] for name in names]] = 1
    return Targets("multilabel", values, tuple(classes))


def _ordered(names: set[str]) -> list[str]:
    """Sort names, and whole numbers by their size."""
    if all(re.fullmatch(r"-?\d+", name) for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def _number(cell: str, table: Labels) -> float | None:
    """Return a finite number, also one with a decimal comma where that can't separate columns."""
    text = cell.replace(",", ".") if table.decimal_comma and "." not in cell else cell
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None
