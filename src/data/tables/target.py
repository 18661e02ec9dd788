"""What is to be predicted: the problem, and its values as numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.splitting.rules import first
from data.tables.cells import NO_NUMBER, number, truth
from data.tables.columns import Column, converted
from data.tables.frame import Frame
from data.tables.values import Misread

PROBLEMS = ("classification", "multilabel", "regression")
MOST_CLASSES = 20
MOST_NAMED = 1000
JOINTS = ("|", ";", ",")


@dataclass(frozen=True)
class Target:
    """The target of every row."""

    problem: str
    """ "classification", "multilabel" or "regression"."""
    columns: tuple[str, ...]
    """Names of the columns it is taken from."""
    classes: tuple[str, ...]
    """Names of classes or labels; () for regression."""
    values: NDArray[np.int64] | NDArray[np.float64]
    """int64 [N] classes (-1 missing), or float64 [N, L] with 0 and 1, or [N, T] numbers (NaN)."""
    why: str
    """Why it is this problem, where nobody has said so."""
    bad: tuple[Misread, ...] = ()
    """Cells that can't be taken."""

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Whether a row has no target, or only a part of one."""
        if self.values.ndim == 1:
            return np.asarray(self.values < 0)
        return np.asarray(np.isnan(self.values).any(axis=1))

    def take(self, rows: NDArray[np.int64]) -> "Target":
        """Return the targets of some rows."""
        return replace(self, values=self.values[rows])


def target_of(
    frame: Frame, names: Sequence[str], problem: str | None, joint: str | None, decimal: str
) -> Target:
    """Return the target of every row.

    Args:
        frame: the table.
        names: of the columns that are to be predicted.
        problem: one of PROBLEMS, or None for the one that it seems to be.
        joint: what stands between labels in one cell; None for |, or with "multilabel" also ; and ,
        decimal: the sign before a fraction where two are possible.

    Raises:
        DataError: the columns can't be the target of that problem.
    """
    columns = [frame.columns[name] for name in names]
    why = ""
    if problem is None:
        problem, why = inferred(columns, joint, decimal)
    if problem == "multilabel":
        return _labels(frame, columns, joint, why)
    if problem == "regression":
        return _numbers(columns, decimal, why)
    if len(columns) > 1:
        raise DataError(
            f"data.target names {len(columns)} columns ({first(names)}) of which each row has one "
            "class; classification takes one column: name one, or choose data.problem=multilabel "
            "or regression"
        )
    return _classes(frame.file, columns[0], why)


def inferred(columns: Sequence[Column], joint: str | None, decimal: str) -> tuple[str, str]:
    """Return what there is to learn, and why it seems so."""
    numeric = [_as_numbers(column, decimal) for column in columns]
    if len(columns) > 1:
        if all(map(_is_truths, columns)):
            return "multilabel", "columns of 0 and 1"
        if all(each is not None for each in numeric):
            return "regression", "columns of numbers"
        texts = [c.name for c, each in zip(columns, numeric, strict=True) if each is None]
        raise DataError(
            f"data.target names {len(columns)} columns, and {texts[0]!r} holds texts; several "
            "targets have to be numbers (regression) or 0 and 1 (multilabel)"
        )
    values, column = numeric[0], columns[0]
    if column.holds == "truths" and column.values is not None:
        return "classification", "true or false"
    if values is None:
        if _joint(column, joint, certain=True):
            return "multilabel", "labels joined in a cell"
        return "classification", "texts"
    known = np.unique(values[~np.isnan(values)])
    if (known != np.floor(known)).any():
        return "regression", "fractions"
    most = min(MOST_CLASSES, max(2, len(values) // 5))
    if len(known) <= most:
        return "classification", f"{len(known)} different whole numbers"
    return "regression", f"{len(known)} different whole numbers"


def _classes(file: str, column: Column, why: str) -> Target:
    plain = column.as_texts()
    assert plain.codes is not None
    present = [t for t, n in zip(plain.texts, _counts(plain), strict=True) if n]
    if len(present) < 2:
        raise DataError(
            f"{file}: column {column.name!r} (data.target) has "
            f"{f'one class ({present[0]!r})' if present else 'no value'}; classification needs two "
            "or more: name another column in data.target, or add rows"
        )
    if len(present) > max(MOST_NAMED // 10, min(MOST_NAMED, len(plain.codes) // 5)):
        raise DataError(
            f"{file}: column {column.name!r} (data.target) has {len(present)} different values in "
            f"{len(plain.codes)} rows, too many for classes; name another in data.target, or "
            "choose data.problem=regression for numbers"
        )
    values = None if column.values is not None else _as_numbers(column, ".")
    if column.values is None and values is None:
        present.sort()
    elif column.values is None:
        present.sort(key=lambda text: number(text) or 0.0)
    places = {text: place for place, text in enumerate(present)}
    new = np.array([*(places.get(text, -1) for text in plain.texts), -1], dtype=np.int64)
    return Target("classification", (column.name,), tuple(present), new[plain.codes], why)


def _numbers(columns: Sequence[Column], decimal: str, why: str) -> Target:
    values, bad = [], []
    for column in columns:
        if column.values is not None:
            found, wrong = column.values, np.empty(0, dtype=np.int64)
            if column.holds == "dates":
                wrong = np.flatnonzero(~np.isnan(found))
        else:
            found, wrong = converted(column, lambda text: number(text, decimal), NO_NUMBER)
        bad.append(Misread(column.name, wrong, "is not a number", "target"))
        infinite = np.flatnonzero(np.isinf(found))
        bad.append(Misread(column.name, infinite, "is not finite", "target"))
        values.append(found)
    names = tuple(column.name for column in columns)
    return Target("regression", names, (), np.stack(values, axis=1), why, _some(bad))


def _labels(frame: Frame, columns: Sequence[Column], joint: str | None, why: str) -> Target:
    if len(columns) == 1 and columns[0].codes is not None:
        return _joined_labels(frame.file, columns[0], joint, why)
    values, bad = [], []
    for column in columns:
        if column.values is not None:
            found, wrong = column.values, np.empty(0, dtype=np.int64)
        else:
            found, wrong = converted(column, truth)
        odd = np.flatnonzero(~np.isnan(found) & (found != 0) & (found != 1))
        wrong = np.union1d(wrong, odd)
        bad.append(Misread(column.name, wrong, "is not 0 or 1", "target"))
        values.append(found)
    names = tuple(column.name for column in columns)
    return Target("multilabel", names, names, np.stack(values, axis=1), why, _some(bad))


def _some(bad: Sequence[Misread]) -> tuple[Misread, ...]:
    return tuple(each for each in bad if len(each.rows))


def _joined_labels(file: str, column: Column, joint: str | None, why: str) -> Target:
    assert column.codes is not None
    between = _joint(column, joint, certain=False) or "|"
    parts = [{p.strip() for p in text.split(between) if p.strip()} for text in column.texts]
    present = np.flatnonzero(_counts(column)).tolist()
    labels = sorted(set[str]().union(*(parts[place] for place in present)))
    if not labels or len(labels) > MOST_NAMED:
        raise DataError(
            f"{file}: column {column.name!r} (data.target) has {len(labels)} labels, joined by "
            f"{between!r}; name the right sign in data.label_separator, or another column"
        )
    table = np.zeros((len(parts) + 1, len(labels)))
    # A cell without a text means that none of the labels holds.
    for place, own in enumerate(parts):
        table[place] = [label in own for label in labels]
    return Target("multilabel", (column.name,), tuple(labels), table[column.codes], why)


def _joint(column: Column, given: str | None, *, certain: bool) -> str | None:
    """Return the sign between labels, where cells hold several of which many come again."""
    if given:
        return given if not certain or any(given in text for text in column.texts) else None
    for sign in JOINTS[:1] if certain else JOINTS:
        several = [text for text in column.texts if sign in text]
        if not several:
            continue
        parts = [part.strip() for text in column.texts for part in text.split(sign)]
        if not certain or len(set(parts)) < len(parts):
            return sign
    return None


def _as_numbers(column: Column, decimal: str) -> NDArray[np.float64] | None:
    """Return the values of a column that holds mostly numbers, or None."""
    if column.values is not None:
        return None if column.holds == "dates" else column.values
    found, wrong = converted(column, lambda text: number(text, decimal), NO_NUMBER)
    return found if len(wrong) * 2 < np.sum(~column.missing) else None


def _is_truths(column: Column) -> bool:
    if column.values is not None:
        return bool(np.isin(column.values[~np.isnan(column.values)], (0, 1)).all())
    return len(column.texts) <= 2 and all(truth(text) is not None for text in column.texts)


def _counts(column: Column) -> NDArray[np.int64]:
    assert column.codes is not None
    known = column.codes[column.codes >= 0]
    return np.bincount(known, minlength=len(column.texts)).astype(np.int64)
