"""Which column holds the text, which the target, and what the target says."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.text.headings import SPLIT_NAMES, TARGET_NAMES, TEXT_NAMES
from data.text.rows import Rows, cell_text

Problem = Literal["classification", "multilabel", "regression"]
PROBLEMS = ("classification", "multilabel", "regression")
LOOKED_AT = 1000
SEPARATOR = "|"
MOST_CLASSES = 100
FEW_CLASSES = 10
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
NO_VALUE = frozenset(["", "nan", "na", "n/a", "null", "none"])


@dataclass(frozen=True)
class Labels:
    """What the target columns say of each row."""

    problem: Problem
    classes: tuple[str, ...]
    """Class or label names; () for regression."""
    targets: tuple[str, ...]
    """Regression: the columns."""
    values: NDArray[Any]
    """int64 [N] classes, int64 [N, L] 0 and 1, or float64 [N, T]; -1 or NaN where missing."""
    missing: tuple[int, ...] = ()
    """Rows without a target."""


def text_columns(rows: Rows, given: str | Sequence[str] | None, but: Sequence[str]) -> list[str]:
    """Return the column that holds the text: what is given, else by its name or the longest text.

    `but` are columns that serve another purpose. Raises DataError.
    """
    if given is not None:
        names = [given] if isinstance(given, str) else list(given)
        missing = [name for name in names if name not in rows.columns]
        if missing or not names:
            raise DataError(*(no_column(rows, name, "data.text") for name in missing or [""]))
        return names
    free = {name: cells for name, cells in rows.columns.items() if name not in but}
    named = [name for wanted in TEXT_NAMES for name in free if name.strip().lower() == wanted]
    named = [name for name in named if mean_letters(free[name]) > 0]
    if named:
        return named[:1]
    lengths = {name: mean_letters(cells) for name, cells in free.items()}
    if not any(lengths.values()):
        listed = ", ".join(map(repr, rows.columns))
        raise DataError(
            f"{rows.name} has no column with text (its columns are {listed}); name it: "
            "data.text=COLUMN"
        )
    return [max(lengths, key=lambda name: lengths[name])]


def target_columns(
    rows: Rows, given: str | Sequence[str] | None, text: Sequence[str], but: Sequence[str]
) -> list[str]:
    """Return the target columns: what is given, else by name, or what is left. Raises DataError."""
    if given is not None:
        names = [given] if isinstance(given, str) else list(given)
        problems = [
            no_column(rows, name, "data.target") for name in names if name not in rows.columns
        ]
        problems += [
            f"column {name!r} is in data.text and in data.target; a text can't be its own answer"
            for name in names
            if name in text
        ]
        if problems:
            raise DataError(*problems)
        return names
    free = [name for name in rows.columns if name not in text and name not in but]
    named = [name for wanted in TARGET_NAMES for name in free if name.strip().lower() == wanted]
    if named:
        return named[:1]
    free = [name for name in free if not _is_index(name, rows.columns[name])]
    if len(free) == 1:
        return free
    flags = [name for name in free if _is_flag(rows.columns[name])]
    if len(flags) > 1:
        return flags
    listed = ", ".join(map(repr, rows.columns))
    which = "has no column that could be" if not free else "doesn't say which column is"
    raise DataError(
        f"{rows.name} {which} the target (its columns are {listed}); name it: data.target=COLUMN"
    )


def split_column(rows: Rows) -> str | None:
    """Return the column that says which split a row is in, where one is called so."""
    known = {"train", "training", "test", "testing", "val", "valid", "validation", "dev", ""}
    for name, cells in rows.columns.items():
        found = {cell_text(cell).strip().lower() for cell in cells}
        if name.strip().lower() in SPLIT_NAMES and "train" in found and found <= known:
            return name
    return None


def no_column(rows: Rows, name: str, key: str) -> str:
    """Return the line about a column that isn't there."""
    listed = ", ".join(map(repr, rows.columns))
    return f"{rows.name} has no column {name!r} ({key}); it has {listed}"


def labels_of(rows: Rows, columns: Sequence[str], problem: str | None) -> Labels:
    """Return what the target columns say of each row.

    Several columns of 0 and 1, lists, or texts such as "a|b" are several labels; text and whole
    numbers are classes; numbers with a fraction are quantities. `problem` says which, where it is
    known. Raises DataError for what can't be read so.
    """
    cells = [[_plain(value) for value in rows.columns[name]] for name in columns]
    problem = problem or problem_of(cells)
    if problem == "regression":
        return _quantities(rows, columns, cells)
    if problem == "multilabel":
        return _several(rows, columns, cells)
    if len(columns) > 1:
        raise DataError(
            f"{len(columns)} target columns ({', '.join(columns)}) for one class a text; name one "
            "in data.target, or set data.problem=multilabel"
        )
    return _classes(cells[0])


def problem_of(cells: Sequence[Sequence[Any]]) -> Problem:
    """Return what the cells of the target columns look like."""
    present = [[value for value in column if value is not None] for column in cells]
    if len(cells) > 1:
        return "multilabel" if all(map(_is_flag, cells)) else "regression"
    values = present[0]
    if any(isinstance(value, list) for value in values):
        return "multilabel"
    if any(isinstance(value, str) and SEPARATOR in value for value in values):
        return "multilabel"
    numbers = [_number(value) for value in values]
    if not values or any(number is None for number in numbers):
        return "classification"
    different = {number for number in numbers if number is not None}
    whole = all(number.is_integer() for number in different)
    written = all(isinstance(v, int) or (isinstance(v, str) and v.isdigit()) for v in values)
    most = MOST_CLASSES if written else FEW_CLASSES
    return "classification" if whole and len(different) <= most else "regression"


def _classes(cells: Sequence[Any]) -> Labels:
    names = [None if value is None else _name(value) for value in cells]
    present = {name for name in names if name is not None}
    numbers = {name: _number(name) for name in present}
    if all(number is not None for number in numbers.values()):
        classes = sorted(present, key=lambda name: (numbers[name], name))
    else:
        classes = sorted(present)
    place = {name: number for number, name in enumerate(classes)}
    values = [-1 if name is None else place[name] for name in names]
    missing = tuple(row for row, name in enumerate(names) if name is None)
    array = np.array(values, dtype=np.int64)
    return Labels("classification", tuple(classes), (), array, missing)


def _several(rows: Rows, columns: Sequence[str], cells: Sequence[Sequence[Any]]) -> Labels:
    if len(columns) > 1:
        numbers = [[_flag(value) for value in column] for column in cells]
        wrong = [
            f"{rows.places[row]} has {cells[number][row]!r} in column {columns[number]!r}, which "
            "is neither 0 nor 1; mend it, or name other columns in data.target"
            for number, column in enumerate(numbers)
            for row, value in enumerate(column)
            if value is None and cells[number][row] is not None
        ]
        if wrong:
            raise DataError(*wrong)
        table = np.array([[-1 if v is None else v for v in column] for column in numbers]).T
        missing = tuple(np.flatnonzero((table < 0).any(axis=1)).tolist())
        return Labels("multilabel", tuple(columns), (), table.astype(np.int64), missing)
    # No cell in a list column is a text without a label; an object that is missing is no answer.
    sets = [None if value is None else _names(value) for value in cells[0]]
    lists = any(isinstance(value, list) or SEPARATOR in str(value) for value in cells[0])
    if lists:
        sets = [found if found is not None else [] for found in sets]
    classes = sorted({name for found in sets if found for name in found})
    place = {name: number for number, name in enumerate(classes)}
    table = np.zeros((len(sets), len(classes)), dtype=np.int64)
    for row, found in enumerate(sets):
        for name in found or ():
            table[row, place[name]] = 1
    missing = tuple(row for row, found in enumerate(sets) if found is None)
    return Labels("multilabel", tuple(classes), (), table, missing)


def _quantities(rows: Rows, columns: Sequence[str], cells: Sequence[Sequence[Any]]) -> Labels:
    numbers = [[_number(value) for value in column] for column in cells]
    wrong = [
        f"{rows.places[row]} has {cells[number][row]!r} in column {columns[number]!r}, which is no "
        "number; mend it, or set data.problem=classification"
        for number, column in enumerate(numbers)
        for row, value in enumerate(column)
        if value is None and cells[number][row] is not None
    ]
    if wrong:
        raise DataError(*wrong)
    values = np.array([[np.nan if v is None else v for v in column] for column in numbers]).T
    missing = tuple(np.flatnonzero(~np.isfinite(values).all(axis=1)).tolist())
    return Labels("regression", (), tuple(columns), values.astype(np.float64), missing)


def _plain(value: Any) -> Any:
    """Return a cell with nothing in it as None, text without blanks around it."""
    if isinstance(value, str):
        value = value.strip()
        return None if value.lower() in NO_VALUE else value
    return None if isinstance(value, float) and value != value else value


def _name(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else cell_text(value)


def _names(value: Any) -> list[str]:
    parts = value if isinstance(value, list) else str(_name(value)).split(SEPARATOR)
    return [name for part in parts if (name := _name(part).strip())]


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if not isinstance(value, str):
        return float(value)
    if not NUMBER.fullmatch(value):
        return None
    return float(value.replace(",", "."))


def _flag(value: Any) -> int | None:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return int(value.lower() == "true")
    number = _number(value)
    return int(number) if number in (0.0, 1.0) else None


def _is_flag(cells: Sequence[Any]) -> bool:
    present = [v for value in islice(cells, LOOKED_AT) if (v := _plain(value)) is not None]
    return bool(present) and all(_flag(value) is not None for value in present)


def _is_index(name: str, cells: Sequence[Any]) -> bool:
    if name.strip().lower() in ("id", "index", "idx", "uid", "guid", "unnamed: 0", "#"):
        return True
    return name == "column 1" and len(cells) > 1 and len(set(map(str, cells))) == len(cells)


def mean_letters(cells: Sequence[Any]) -> float:
    """Return how many letters the first cells have on average; 0 where they are no text at all."""
    some = [value for value in islice(cells, LOOKED_AT) if value is not None]
    texts = [value for value in some if isinstance(value, str)]
    if not texts or len(texts) < len(some):
        return 0.0
    letters = sum(sum(map(str.isalpha, text)) for text in texts) / len(texts)
    return letters if any(NUMBER.fullmatch(text.strip()) is None for text in texts) else 0.0
