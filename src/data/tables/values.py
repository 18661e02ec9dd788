"""The columns of a table as features store them, and every cell that can't be taken."""

import difflib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.splitting.rules import first
from data.tables.columns import Floats
from data.tables.features import WHAT, Feature, stored
from data.tables.frame import Frame

SHOWN = 5
REMEDIES = {
    "number": "mend them, or take the column for texts: data.categorical=[{}]",
    "boolean": "mend them, or take the column for texts: data.categorical=[{}]",
    "date": "mend them, or take the column for texts: data.categorical=[{}]",
    "finite": "mend them (so counts what is too large, such as 1e400), or leave the column out: "
    "data.ignore=[{}]",
    "target": "mend them, or name another column in data.target",
    "time": "mend them, or split another way: data.split=random",
    "weight": "give numbers of 0 or more",
    "missing": "fill them in, or leave these rows out: data.missing_target=drop",
}


class Misread(NamedTuple):
    """Cells of one column that can't be taken, all for the same reason."""

    column: str
    rows: NDArray[np.int64]
    what: str
    """Such as "is not a number"."""
    remedy: str
    """A key of REMEDIES."""


def stored_columns(
    frame: Frame, features: Iterable[Feature], decimal: str
) -> tuple[list[Floats], list[Misread], dict[str, Sequence[str]]]:
    """Return the stored values of every row, what can't be taken, and unknown categories by column.

    The table has to have all the columns.
    """
    values, misread, unknown = [], [], {}
    for feature in features:
        found, wrong, new = stored(frame.columns[feature.name], feature, decimal)
        if len(wrong):
            infinite = np.isinf(found[wrong])
            what = f"is not {WHAT[feature.kind]}"
            for rows, told, remedy in (
                (wrong[~infinite], what, feature.kind),
                (wrong[infinite], "is not finite", "finite"),
            ):
                if len(rows):
                    misread.append(Misread(feature.name, rows, told, remedy))
        if len(new):
            unknown[feature.name] = new
        values.append(found)
    return values, misread, unknown


def line(frame: Frame, bad: Misread) -> str:
    """Return one line about cells that can't be taken: the first of them, and the rows of five."""
    rows = [str(frame.row(row)) for row in bad.rows[:SHOWN].tolist()]
    more = ", ..." if len(bad.rows) > SHOWN else ""
    several = f" ({len(bad.rows)} bad rows: {', '.join(rows)}{more})" if len(bad.rows) > 1 else ""
    return f"{cell(frame, bad, int(bad.rows[0]))}{several}; {REMEDIES[bad.remedy]}".replace(
        "{}", bad.column
    )


def cell(frame: Frame, bad: Misread, row: int) -> str:
    """Return what is wrong with one cell."""
    text = frame.columns[bad.column].text(row)
    value = f"{text!r} {bad.what}" if text else "no value"
    return f"{frame.file}: row {frame.row(row)}, column {bad.column!r}: {value}"


def lacking(file: str, wanted: Iterable[str], names: Sequence[str]) -> list[str]:
    """Return a line for each column that a table should have and has not, or one for many."""
    wanted = list(wanted)
    absent = [name for name in wanted if name not in names]
    has = f"it has {first(names, 12)}"
    if len(absent) > SHOWN:
        some = first(absent, SHOWN)
        return [f"{file} lacks {len(absent)} of {len(wanted)} columns: {some}; {has}"]
    return [f"{file} has no column {name!r}; {near(name, names)}{has}" for name in absent]


def near(name: str, names: Sequence[str]) -> str:
    """Return a hint at the name that was probably meant."""
    folded = {each.casefold(): each for each in names}
    close = difflib.get_close_matches(name.casefold(), list(folded), n=1)
    return f"did you mean {folded[close[0]]!r}? " if close else ""
