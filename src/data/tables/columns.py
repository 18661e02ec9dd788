"""A column as it was read, before anybody knows what it is for: numbers, or texts as codes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.tables.cells import MISSING, date_text, number_text

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]
CLOSE_BY = 1 << 16


@dataclass(frozen=True)
class Column:
    """All cells of a column: `values` where they are numbers, `codes` where they are texts."""

    name: str
    """Of the column, unique in its table."""
    values: Floats | None = None
    """A number for each row; NaN where it is missing."""
    holds: str = "numbers"
    """What `values` are: "numbers", "truths" (0 and 1) or "dates" (seconds from 1970)."""
    codes: Codes | None = None
    """The place of each row's text in `texts`; -1 where it is missing."""
    texts: Sequence[str] = ()
    """The different texts, stripped."""

    def __len__(self) -> int:
        values = self.codes if self.values is None else self.values
        assert values is not None
        return len(values)

    @property
    def num_missing(self) -> int:
        """How many rows have no value."""
        if self.values is not None and is_complete(self.values):
            return 0
        return int(self.missing.sum())

    @property
    def is_empty(self) -> bool:
        """Whether no row has a value; the first rows mostly tell."""
        return bool(self.take(slice(0, 100)).missing.all() and self.missing.all())

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Whether each row has no value."""
        if self.values is not None:
            return np.isnan(self.values)
        assert self.codes is not None
        return self.codes < 0

    def text(self, row: int) -> str:
        """Return what a row says, "" where it is missing."""
        if self.codes is not None:
            return self.texts[self.codes[row]] if self.codes[row] >= 0 else ""
        assert self.values is not None
        value = float(self.values[row])
        if np.isnan(value):
            return ""
        return self._text_of(value)

    def as_texts(self) -> "Column":
        """Return the column with its numbers as texts, such as the names of classes."""
        if self.values is None:
            return self
        unique, codes = distinct(self.values)
        known = int((~np.isnan(unique)).sum())
        places: Codes = np.where(codes < known, codes, -1).astype(np.int32)
        texts = [self._text_of(value) for value in unique[:known].tolist()]
        return Column(self.name, codes=places, texts=texts)

    def take(self, rows: NDArray[np.int64] | slice) -> "Column":
        """Return some of the rows."""
        values = None if self.values is None else self.values[rows]
        codes = None if self.codes is None else self.codes[rows]
        return Column(self.name, values, self.holds, codes, self.texts)

    def _text_of(self, value: float) -> str:
        if self.holds == "truths":
            return "True" if value else "False"
        if not np.isfinite(value):
            return "inf" if value > 0 else "-inf"
        return date_text(value) if self.holds == "dates" else number_text(value)


def distinct(values: Floats) -> tuple[Floats, NDArray[np.integer]]:
    """Return what `numpy.unique` with the inverse does; whole numbers close by need no sort."""
    unique = np.unique(values)
    low, high = unique[[0, -1]].tolist() if len(unique) else (np.nan, np.nan)
    if high - low < CLOSE_BY and (np.floor(unique) == unique).all():
        places = np.zeros(int(high - low) + 1, dtype=np.int32)
        places[(unique - low).astype(np.int64)] = np.arange(len(unique))
        return unique, places[(values - low).astype(np.uint16)]
    unique, codes = np.unique(values, return_inverse=True)
    return unique, codes


def is_complete(values: Floats) -> bool:
    """Whether all numbers are finite for sure; one look at their sum, which hardly takes time."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum()))


def of_texts(
    name: str, codes: NDArray[np.integer], texts: Sequence[str], missing: frozenset[str] = MISSING
) -> Column:
    """Return a column of texts: stripped, each once, those that say nothing left out."""
    places: dict[str, int] = {}
    new = np.full(len(texts) + 1, -1, dtype=np.int32)  # the last, where codes are -1
    for place, text in enumerate(texts):
        plain = text.strip()
        if plain not in missing:
            new[place] = places.setdefault(plain, len(places))
    return Column(name, codes=new[codes], texts=list(places))


def converted(
    column: Column, read: Callable[[str], float | None], absent: frozenset[str] = frozenset()
) -> tuple[Floats, NDArray[np.int64]]:
    """Return a column of texts as numbers, NaN where missing, and the rows that can't be read.

    Args:
        column: of texts.
        read: turns a text into a number; None for what is none.
        absent: further texts, in small letters, that mean that a value is missing.
    """
    assert column.codes is not None
    found = np.full(len(column.texts) + 1, np.nan)
    wrong = np.zeros(len(column.texts) + 1, dtype=bool)
    for place, text in enumerate(column.texts):
        value = read(text)
        if value is not None:
            found[place] = value
        elif text.casefold() not in absent:
            wrong[place] = True
    return found[column.codes], np.flatnonzero(wrong[column.codes])
