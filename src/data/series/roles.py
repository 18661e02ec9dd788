"""Which column is the time, which tells series apart, what is forecast, and from what."""

import difflib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.errors import DataError
from data.series.files import cells
from data.series.times import named_time, parse, seems_time

SERIES_NAME = re.compile(
    "id|series|store|item|station|sensor|device|meter|product|region|country|city|site|machine|unit|"
    "subject|customer|symbol|ticker|name|key|group"
)
CLOCK = re.compile(r"[0-2]?\d:[0-5]\d(:[0-5]\d([.,]\d+)?)?( ?[AaPp][Mm])?")
SOME_ROWS = 50
MOSTLY = 0.9
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """What the user has said of the columns; None where it is to be found out."""

    time: str | None = None
    series: tuple[str, ...] | None = None
    target: tuple[str, ...] | None = None
    features: tuple[str, ...] | None = None
    day_first: bool | None = None
    is_classification: bool = False


@dataclass(frozen=True)
class Roles:
    """The columns of a table of series."""

    time: str | None
    """None: each row is a step."""
    series: tuple[str, ...]
    """Columns that together tell series apart; none: the file is one series."""
    targets: tuple[str, ...]
    """Forecast: numbers. Classification: the one column of labels, or none."""
    features: tuple[str, ...]
    """Further numbers that a model sees."""
    is_classification: bool = False

    @property
    def channels(self) -> tuple[str, ...]:
        """The columns that a model sees, the targets of a forecast first."""
        return self.features if self.is_classification else (*self.targets, *self.features)


def as_names(value: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """Return one name, or several, as a tuple."""
    if value is None:
        return None
    return (value,) if isinstance(value, str) else tuple(map(str, value))


def find_roles(frame: Any, name: str, wanted: Wanted) -> Roles:
    """Return the roles of a table's columns: those that are said, and the others as they seem.

    Raises:
        DataError: a column that isn't there, that has two roles, or nothing to forecast.
    """
    columns = list(frame.columns)
    said = [
        (key, column)
        for key, names in (
            ("time", (wanted.time,) if wanted.time else ()),
            ("series", wanted.series or ()),
            ("target", wanted.target or ()),
            ("features", wanted.features or ()),
        )
        for column in names
    ]
    problems = [
        missing_column(f"data.{key}", column, name, columns)
        for key, column in said
        if column not in columns
    ]
    names = [column for _, column in said]
    problems += [
        f"column {column!r} is named twice among data.time, series, target and features; give it "
        "one role"
        for column in sorted({column for column in names if names.count(column) > 1})
    ]
    if problems:
        raise DataError(*problems)
    taken = set(names)
    time = wanted.time or _time(frame, [c for c in columns if c not in taken], wanted)
    taken |= {time} if time else set()
    if time is None and not wanted.is_classification:
        logger.warning("%s: no column of times found; each row is a step (data.time)", name)
    series = wanted.series
    if series is None:
        rest = [c for c in columns if c not in taken]
        series = _series(frame, time, rest, name, alone=not wanted.is_classification)
    taken |= set(series)
    rest = [column for column in columns if column not in taken]
    numeric = [c for c in rest if is_numeric(frame[c]) and not _is_row_number(frame[c])]
    if wanted.is_classification:
        features = wanted.features or tuple(numeric)
        roles = Roles(time, series, wanted.target or (), features, True)
        if not features:
            raise DataError(_nothing(name, columns, "no column of numbers to look at"))
    else:
        targets = wanted.target or tuple(numeric)
        roles = Roles(time, series, targets, wanted.features or ())
        if not targets:
            raise DataError(_nothing(name, columns, "no column of numbers to forecast"))
    unused = [column for column in rest if column not in roles.channels]
    if unused and (wanted.target is None or wanted.features is None):
        logger.warning("%s: not used: %s", name, ", ".join(unused[:10]))
    return roles


def is_numeric(column: Any) -> bool:
    """Whether a column holds numbers, a few cells that are none apart (they are told later)."""
    if column.dtype.kind in "iufb":
        return True
    if column.dtype.kind in "Mm":
        return False
    present = column.dropna()
    return len(present) > 0 and bool(_as_numbers(present).notna().mean() >= MOSTLY)


def _is_row_number(column: Any) -> bool:
    """Whether a column without a name counts the rows, as pandas writes its index."""
    if column.name not in ("", "Unnamed: 0", "index", "level_0") or column.dtype.kind not in "iu":
        return False
    return bool((np.diff(np.sort(column.to_numpy())) == 1).all())


def numbers(frame: Any, column: str, name: str) -> Any:
    """Return a column as float64, NaN where a cell is empty.

    Raises:
        DataError: cells that are no number, or infinite, with their lines.
    """
    found = frame[column]
    if found.dtype.kind in "Mm":
        raise DataError(f"column {column!r} of {name} holds dates; give a column of numbers")
    values = _as_numbers(found)
    bad = np.flatnonzero((values.isna() & found.notna()).to_numpy()).tolist()
    array = values.to_numpy(dtype=np.float64, na_value=np.nan)
    infinite = np.flatnonzero(np.isinf(array.astype(np.float32, copy=False))).tolist()
    problems = []
    if bad:
        problems.append(
            f"{len(bad)} {'cell' if len(bad) == 1 else 'cells'} of column {column!r} of {name} "
            f"{'is' if len(bad) == 1 else 'are'} no number, "
            f"{cells(bad, found.iloc[bad].tolist())}; mend or empty them, or leave the column out"
        )
    if infinite:
        problems.append(
            f"{len(infinite)} infinite numbers in column {column!r} of {name}, "
            f"{cells(infinite, array[infinite].tolist())}; mend or empty them"
        )
    if problems:
        raise DataError(*problems)
    return array


def missing_column(where: str, column: str, name: str, columns: Sequence[str]) -> str:
    """Return the line about a column that a file doesn't have."""
    near = difflib.get_close_matches(column, columns, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    shown = ", ".join(columns[:10]) + (", ..." if len(columns) > 10 else "")
    return f"{where} is {column!r}, which is no column of {name}; {hint}it has {shown}"


def _nothing(name: str, columns: Sequence[str], what: str) -> str:
    return (
        f"{name} has {what} (columns: {', '.join(columns[:10])}); check data.separator and "
        "data.decimal, or name it: data.target=..."
    )


def _as_numbers(column: Any) -> Any:
    import pandas

    return pandas.to_numeric(column, errors="coerce").astype("float64")


def _time(frame: Any, columns: Sequence[str], wanted: Wanted) -> str | None:
    """Return the column that is called or looks like times, or None."""
    dated = [c for c in columns if frame[c].dtype.kind == "M"]
    texts = [c for c in columns if frame[c].dtype.kind not in "iufbMm"]
    dated += [c for c in texts if seems_time(frame[c].dropna().head(SOME_ROWS))]
    named = [c for c in dated if named_time(c)]
    if named or dated:
        return (named or dated)[0]
    for column in columns:
        if frame[column].dtype.kind in "iuf" and (named_time(column) or column == "Unnamed: 0"):
            try:
                values = parse(frame[column].head(SOME_ROWS), column).values
            except DataError:
                continue
            # A counter rises, at least within a series.
            if (np.diff(values) > 0).mean() > 0.5:
                return column
    return None


def _series(
    frame: Any, time: str | None, columns: Sequence[str], name: str, *, alone: bool
) -> tuple[str, ...]:
    """Return the columns with which no time comes twice; none where times alone don't.

    Without times it is a column that is called as such are, unless the file may be one series.
    """
    texts = [c for c in columns if frame[c].dtype.kind not in "fMm" and not is_numeric(frame[c])]
    called = [c for c in columns if c not in texts and frame[c].dtype.kind in "iu" and _is_id(c)]
    tried: list[tuple[str, ...]] = [(column,) for column in (*texts, *called)]
    if len(texts) + len(called) > 1:
        tried.append((*texts, *called))
    if time is None:
        found = [] if alone else tried[:1]
    elif frame[time].duplicated().any():
        if clock := [column for column in texts if _is_clock(frame[column])]:
            raise DataError(
                f"{name} has times of day in a column of their own ({clock[0]!r}) beside {time!r}; "
                "join the two into one column, such as 2024-01-31 14:30, or let them tell series "
                f"apart: data.series={clock[0]}"
            )
        found = [some for some in tried if not frame.duplicated([time, *some]).any()]
    else:
        found = []
    if not found:
        return ()
    logger.warning("%s: series are told apart by %s (data.series)", name, ", ".join(found[0]))
    return found[0]


def _is_clock(column: Any) -> bool:
    texts = column.dropna().head(SOME_ROWS).astype(str).str.strip()
    return len(texts) > 0 and bool(texts.map(lambda text: bool(CLOCK.fullmatch(text))).all())


def _is_id(name: str) -> bool:
    return any(map(SERIES_NAME.fullmatch, re.split(r"[^a-z]+", name.lower())))
