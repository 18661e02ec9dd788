"""How a column becomes numbers: learned on the training split, written down as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.tables.cells import NO_NUMBER, date, number, number_text, truth
from data.tables.columns import Column, Floats, converted, is_complete
from data.tables.kinds import ambiguous_dates

UNKNOWN, ABSENT, FIRST_LEVEL = 0, 1, 2
LARGEST = 1e6
DAY = 86400.0
DATE_PARTS = ("days", "year", "month", "day", "weekday", "hour")
WHAT = {"number": "a number", "boolean": "yes or no", "date": "a date"}


@dataclass(frozen=True)
class Feature:
    """One column as it goes into a model.

    As stored, a number is itself, a truth 0 or 1, a date its seconds from 1970, each NaN where it
    is missing; a category is its code: 0 unknown, 1 missing, from 2 on by how often it comes.
    """

    name: str
    kind: str
    """ "number", "boolean", "date" or "category"."""
    fill: float = 0.0
    """What stands for a missing value: the median of the training split."""
    parts: tuple[str, ...] = ("",)
    """The numbers that are made of a value: of a date some of DATE_PARTS."""
    mean: tuple[float, ...] = ()
    """Of each part, over the training split."""
    std: tuple[float, ...] = ()
    """Likewise; 1 where a part never changes."""
    indicator: bool = False
    """Whether a number says that the value is missing: where the training split has such."""
    levels: tuple[str, ...] = ()
    """The categories that are known."""
    numeric: bool = False
    """Whether categories were numbers in the training file: 3 and 3.0 are the same then."""
    day_first: bool = True
    """What 02/03/2024 means."""

    @property
    def node(self) -> dict[str, Any]:
        """This feature as plain values, without what says nothing for its kind."""
        plain = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}
        own = {
            "number": ("fill", "mean", "std", "indicator"),
            "boolean": ("fill", "mean", "std", "indicator"),
            "date": ("fill", "parts", "mean", "std", "indicator", "day_first"),
            "category": ("levels", "numeric"),
        }[self.kind]
        return {name: plain[name] for name in ("name", "kind", *own)}

    def value(self, text: str, decimal: str) -> float | None:
        """Return what a cell says, as it is stored; None where it is not of this kind."""
        if self.kind == "number":
            return number(text, decimal)
        if self.kind == "boolean":
            return truth(text)
        if self.kind == "date":
            return date(text, day_first=self.day_first)
        return float(self.code(text, decimal))

    def code(self, text: str, decimal: str) -> int:
        """Return the code of a category, 0 where it is not known."""
        if self.numeric:
            found = number(text, decimal)
            text = text if found is None or not np.isfinite(found) else number_text(found)
        return self.places.get(text, UNKNOWN)

    @property
    def places(self) -> dict[str, int]:
        """The code of each known category."""
        # Kept with the object: a frozen dataclass has no other place for what is derived.
        cached: dict[str, int] | None = self.__dict__.get("_places")
        if cached is None:
            cached = {level: code for code, level in enumerate(self.levels, FIRST_LEVEL)}
            self.__dict__["_places"] = cached
        return cached

    @property
    def absent(self) -> float:
        """What is stored where a value is missing."""
        return float(ABSENT) if self.kind == "category" else float("nan")


def of_node(node: Mapping[str, Any]) -> Feature:
    """Return the feature that `Feature.node` has written down."""
    plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in node.items()}
    return Feature(**plain)


def stored(
    column: Column, feature: Feature, decimal: str
) -> tuple[Floats, NDArray[np.int64], Sequence[str]]:
    """Return a column as `feature` stores it, the rows that it can't take, and unknown categories.

    Values that are not finite can't be taken.
    """
    if feature.kind == "category":
        return _as_category(column, feature, decimal)
    if column.values is None:
        values, wrong = converted(column, lambda text: feature.value(text, decimal), NO_NUMBER)
    else:
        values, wrong = column.values, _misfits(column, feature.kind)
    if not is_complete(values):
        wrong = np.union1d(wrong, np.flatnonzero(np.isinf(values)))
    return values, wrong, ()


def _as_category(
    column: Column, feature: Feature, decimal: str
) -> tuple[Floats, NDArray[np.int64], Sequence[str]]:
    plain = column.as_texts()
    assert plain.codes is not None
    codes = [feature.code(text, decimal) for text in plain.texts]
    unknown = [text for text, code in zip(plain.texts, codes, strict=True) if code == UNKNOWN]
    places = np.array([*codes, ABSENT], dtype=np.float64)
    return places[plain.codes], np.empty(0, dtype=np.int64), unknown


def _misfits(column: Column, kind: str) -> NDArray[np.int64]:
    """Return the rows of a column of numbers that are none of that kind."""
    assert column.values is not None
    if kind != "boolean" and (column.holds == "dates") == (kind == "date"):
        return np.empty(0, dtype=np.int64)
    known = ~np.isnan(column.values)
    if kind == "boolean":
        known &= (column.values != 0) & (column.values != 1)
    return np.flatnonzero(known)


def blank(column: Column, kind: str) -> Feature:
    """Return a feature of which nothing is learned yet, for `stored`."""
    day_first = ambiguous_dates(column)[0] if kind == "date" else True
    return Feature(column.name, kind, day_first=day_first)


def learned(
    column: Column, shape: Feature, values: Floats, train: NDArray[np.int64], most_levels: int
) -> Feature:
    """Return a feature with what the training rows say.

    Args:
        column: as it was read.
        shape: its name, kind and order of dates.
        values: as stored, of all rows; of a category nothing.
        train: the rows to learn from.
        most_levels: how many categories are kept, the most frequent ones.
    """
    if shape.kind == "category":
        return _learned_levels(column, shape, train, most_levels)
    rows = values[train]
    indicator = not is_complete(rows) and bool(np.isnan(rows).any())
    known = rows[~np.isnan(rows)] if indicator else rows
    fill = _median(known) if len(known) else 0.0
    filled = np.where(np.isnan(rows), fill, rows) if indicator else rows
    numbers = parts_of(filled, DATE_PARTS if shape.kind == "date" else ("",))
    parts, mean, std = [], [], []
    for name, part in numbers.items():
        deviation = float(part.std())
        if shape.kind == "date" and deviation == 0:
            continue  # all in one year, or without a time
        parts.append(name)
        mean.append(float(part.mean()))
        std.append(deviation if deviation > 0 and np.isfinite(deviation) else 1.0)
    return Feature(
        shape.name,
        shape.kind,
        fill=fill,
        parts=tuple(parts),
        mean=tuple(mean),
        std=tuple(std),
        indicator=indicator,
        day_first=shape.day_first,
    )


def _median(values: Floats) -> float:
    """Return what `numpy.median` does, in a third of its time."""
    middle = len(values) // 2
    ordered = np.partition(values, middle)
    if len(values) % 2:
        return float(ordered[middle])
    return float((ordered[:middle].max() + ordered[middle]) / 2)


def _learned_levels(
    column: Column, shape: Feature, train: NDArray[np.int64], most_levels: int
) -> Feature:
    plain = column.as_texts()
    assert plain.codes is not None
    codes = plain.codes[train]
    counts = np.bincount(codes[codes >= 0], minlength=len(plain.texts))
    # By frequency; of equals the first in the alphabet, wherever it stands in the file.
    order = sorted(np.flatnonzero(counts).tolist(), key=lambda k: (-counts[k], plain.texts[k]))
    # A config would resolve these: it is in one that the levels are written down.
    names = [text for k in order if "${" not in (text := plain.texts[k]) and text != "???"]
    levels = tuple(names[:most_levels])
    numbers = column.values is not None and column.holds == "numbers"
    return Feature(shape.name, shape.kind, levels=levels, numeric=numbers)


def parts_of(values: Floats, parts: Sequence[str]) -> dict[str, Floats]:
    """Return the numbers that are made of stored values, none of which may be missing."""
    if tuple(parts) == ("",):
        return {"": values}
    days = np.floor(values / DAY)
    dates = days.astype(np.int64).astype("datetime64[D]")
    months = dates.astype("datetime64[M]").astype(np.int64)
    found = {
        "days": days,
        "year": months // 12 + 1970,
        "month": months % 12 + 1,
        "day": (dates - dates.astype("datetime64[M]")).astype(np.int64) + 1,
        "weekday": (days.astype(np.int64) + 3) % 7,  # 1 January 1970 was a Thursday; Monday is 0
        "hour": np.floor((values - days * DAY) / 3600),
    }
    return {name: found[name].astype(np.float64) for name in parts}
