"""What the cells of a column are: numbers, truths, dates or categories; or of no use."""

import re
from typing import Any

import numpy as np

from data.tables.cells import NO_NUMBER, date, day_comes_first, number, truth
from data.tables.columns import Column

KINDS = ("number", "boolean", "date", "category")
_ID_NAMES = re.compile(
    r"(?:.*[ _-])?(?:id|uuid|guid|index|key|nr|no|number|nummer|rowid|row)[.:]?"
    r"|.*[a-z]I[dD]|[a-z]*nummer|unnamed.*"
)
MANY = 1000
MOST_FREE = 0.9
FEW_LEVELS = 20


def kind_of(column: Column) -> str:
    """Return what the cells of a column are: one of KINDS.

    A column of texts is one of numbers (or dates) where most of its cells are; what isn't is
    junk then, unless it comes again and again among few different texts, such as "3+".
    """
    if column.values is not None:
        return {"numbers": "number", "truths": "boolean", "dates": "date"}[column.holds]
    texts = column.texts
    assert column.codes is not None
    if not texts:
        return "category"
    if len(texts) <= 2 and all(truth(text) is not None for text in texts):
        return "boolean"
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(texts))
    # Of very many different texts, as many as tell what they are, from all over the table.
    chosen = np.unique(np.linspace(0, max(0, len(texts) - 1), MANY).astype(np.int64))
    some, counts = [texts[place] for place in chosen], counts[chosen]
    absent = np.array([text.casefold() in NO_NUMBER for text in some])
    for kind, read in (("number", number), ("date", date)):
        readable = np.array([read(text) is not None for text in some])
        junk = ~readable & ~absent
        if counts[readable].sum() > counts[junk].sum() and not _is_level(counts, junk):
            return kind
    return "category"


def useless(column: Column) -> str:
    """Return why nothing can be learned from a column, or ""."""
    if column.values is not None and _varies(column.values[:MANY]) and not is_id(column.name):
        return ""
    missing = column.missing
    known = len(column) - int(missing.sum())
    if known == 0:
        return "empty"
    if column.values is not None:
        values = column.values
        if known == len(column) and values.min() == values.max():
            return "always the same"
        if is_id(column.name):
            unique = len(np.unique(values[~missing]))
            if unique == known > 2:
                return "a number for each row"
        return ""
    different = len(column.texts)
    if different == 1 and known == len(column):
        return "always the same"
    if different > MOST_FREE * known and different > 2 and kind_of(column) == "category":
        return "a text for each row" if different == known else "texts that hardly ever come twice"
    return ""


def ambiguous_dates(column: Column) -> tuple[bool, bool]:
    """Return whether the day comes first in the dates of a column, and whether that is a guess."""
    if column.values is not None:
        return True, False
    told = day_comes_first(column.texts[:MANY])
    told = day_comes_first(column.texts[MANY:]) if told is None else told
    if told is not None:
        return told, False
    numeric = [t for t in column.texts[:MANY] if re.match(r"\d{1,2}[-/.]\d{1,2}[-/.]", t)]
    # With slashes the month mostly comes first, as in the United States; with dots the day does.
    return not (numeric and "/" in numeric[0][:3]), bool(numeric) and "." not in numeric[0][:3]


def _varies(values: Any) -> bool:
    known = values[~np.isnan(values)]
    return len(known) > 0 and bool(known.min() < known.max())


def is_id(name: str) -> bool:
    """Whether a column is called like one that numbers the rows."""
    return bool(_ID_NAMES.fullmatch(name.lower()) or _ID_NAMES.fullmatch(name))


def _is_level(counts: Any, junk: Any) -> bool:
    """Whether what is no number is a level of its own: few texts, each of them again and again."""
    if not junk.any() or len(counts) > FEW_LEVELS or counts.sum() < 5 * len(counts):
        return False
    return bool(counts[junk].min() >= max(2, 0.01 * counts.sum()))
