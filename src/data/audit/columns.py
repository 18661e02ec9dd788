"""Columns of a table: empty, constant, mostly missing, skewed, or a name for each row."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.audit.finding import Finding, many, named, number, percent, places
from data.tables.kinds import is_id

MISSING = 0.5
SKEWED = 10.0
LEAST_ROWS = 50
ID_SHARE = 0.95


@dataclass(frozen=True)
class Column:
    """A column, in each of the splits."""

    name: str
    values: Sequence[NDArray[np.float64]]
    """For each part, a number for each row [N]: the value, or the place of a category; NaN where
    it is missing."""
    categories: Sequence[str] | None = None
    """Names of the categories; None for numbers."""
    holds_ids: bool = True
    """Whether it can be a column of names or numbers of rows."""
    is_date: bool = False
    """Whether the numbers are seconds: each row has its own, and later splits have later ones."""

    @property
    def all(self) -> NDArray[np.float64]:
        """The values of all splits."""
        return np.concatenate(list(self.values))


def findings(columns: Sequence[Column]) -> list[Finding]:
    """Return what is odd about single columns, one finding for each oddity."""
    return [
        *sparse(columns),
        *constant(columns),
        *endless(columns),
        *ids(columns),
        *skewed(columns),
    ]


def sparse(columns: Sequence[Column]) -> list[Finding]:
    """Columns without values, or with few."""
    empty, thin = [], []
    for column in columns:
        share = float(np.isnan(column.values[0]).mean())
        if share == 1:
            empty.append(column.name)
        elif share > MISSING:
            thin.append(f"{column.name!r}: {percent(share)}")
    found = []
    if empty:
        found.append(
            Finding(
                "warning",
                f"{many(len(empty), 'column')} without a value in the train split",
                named(sorted(empty)),
                "they say nothing; leave them out (data.ignore)",
            )
        )
    if thin:
        found.append(
            Finding(
                "warning",
                f"{many(len(thin), 'column')} with more than {percent(MISSING)} of the values "
                "missing",
                places(thin),
                "find out why, or leave them out (data.ignore)",
            )
        )
    return found


def constant(columns: Sequence[Column]) -> list[Finding]:
    """Columns that have one value in all of the training rows."""
    names = []
    for column in columns:
        known = column.values[0][~np.isnan(column.values[0])]
        whole = len(known) == len(column.values[0])
        if len(known) and whole and (known == known[0]).all():
            value = column.categories[int(known[0])] if column.categories else number(known[0])
            names.append(f"{column.name!r}: {value}")
    if not names:
        return []
    return [
        Finding(
            "warning",
            f"{many(len(names), 'column')} with one value only in the train split",
            places(names),
            "they say nothing; leave them out (data.ignore)",
        )
    ]


def endless(columns: Sequence[Column]) -> list[Finding]:
    """Numbers that are infinite."""
    names = []
    for column in columns:
        if column.categories is None and (wrong := int(np.isinf(column.all).sum())):
            names.append(f"{column.name!r}: {wrong:,}")
    if not names:
        return []
    return [
        Finding(
            "error",
            f"{many(len(names), 'column')} with infinite values",
            places(names),
            "a loss can't be computed from them; correct the values, or leave them empty",
        )
    ]


def ids(columns: Sequence[Column]) -> list[Finding]:
    """Columns that tell the rows apart instead of saying something of them."""
    names = []
    for column in columns:
        values = column.all[~np.isnan(column.all)]
        if len(values) < LEAST_ROWS or not column.holds_ids or column.is_date:
            continue
        different = len(np.unique(values))
        if column.categories is not None:
            found = different >= ID_SHARE * len(values)
        else:
            whole = bool(np.isfinite(values).all()) and bool((values == np.rint(values)).all())
            dense = whole and values.max() - values.min() + 1 <= 1.5 * len(values)
            found = whole and different == len(values) and (dense or is_id(column.name))
        if found:
            names.append(f"{column.name!r}: {many(different, 'value')} in {len(values):,} rows")
    if not names:
        return []
    return [
        Finding(
            "warning",
            f"{many(len(names), 'column')} with another value in (nearly) each row, as an id has",
            places(names),
            "a model learns the rows by heart from them; leave them out (data.ignore)",
        )
    ]


def skewed(columns: Sequence[Column]) -> list[Finding]:
    """Numbers most of which lie close together, and some far away."""
    names = []
    for column in columns:
        values = column.values[0][np.isfinite(column.values[0])]
        if column.categories is None and not column.is_date and len(values) >= LEAST_ROWS:
            skew = skewness(values)
            if abs(skew) > SKEWED:
                names.append(f"{column.name!r}: {skew:.0f}, up to {number(np.abs(values).max())}")
    if not names:
        return []
    return [
        Finding(
            "note",
            f"{many(len(names), 'column')} with a few values far from the others (skewness over "
            f"{SKEWED:.0f})",
            places(names),
            "look for wrong values or units; a logarithm may help",
        )
    ]


def skewness(values: NDArray[np.float64]) -> float:
    """Return the third standardised moment; 0 for values that are all equal."""
    apart = values - values.mean()
    deviation = apart.std()
    if deviation <= 1e-12 * np.abs(values).max(initial=0):
        return 0.0
    return float(((apart / deviation) ** 3).mean())
