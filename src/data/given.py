"""One input of several that a source holds, such as a row of a CSV file."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Given(NamedTuple):
    """An input with a name and with columns of its own; a reader's `expand` may give these."""

    name: str
    """What messages call it, such as "wines.csv:17" (file and line)."""
    source: Any
    """What the reader's `read` takes."""
    columns: Mapping[str, str] = {}
    """What the output repeats before its own columns, such as all cells of the row."""
