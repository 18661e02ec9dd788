"""What a table says about itself."""

from dataclasses import dataclass

from data.info import Info


@dataclass(frozen=True, kw_only=True)
class TableInfo(Info):
    """The facts about a table that models, evaluation, export and predict need."""

    kind = "table"
    columns: tuple[str, ...]
    """What each number of an input is called: numbers first, then codes of categories."""
    num_numeric: int
    """How many of them are numbers; the others are codes."""
    cardinalities: tuple[int, ...]
    """How many codes each category has: 0 is unknown, 1 missing."""
    target: tuple[str, ...]
    """Names of the columns that are predicted."""
