"""How an evaluation writes: figures, tables of samples, text that is safe in a spreadsheet."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainer.storage import atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Signed, with a point or a comma: no spreadsheet computes anything of it.
NUMBER = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]*)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
Picture = Callable[[int], NDArray[np.uint8]]


def write_figure(path: Path, figure: "Figure") -> None:
    """Write a figure as PNG."""
    from trainer.evaluation import style

    atomic.write_bytes(path, style.encode(figure))


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file in UTF-8; text that a spreadsheet would run as a formula is disarmed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([harmless(column) for column in columns])
    for row in rows:
        writer.writerow([harmless(cell) if isinstance(cell, str) else cell for cell in row])
    # File names that are no UTF-8 reach us with lone surrogates, which UTF-8 can't hold.
    atomic.write_bytes(path, text.getvalue().encode("utf-8", "backslashreplace"))


def in_order_of(indices: Sequence[int] | None, count: int) -> list[int]:
    """The index in the dataset of each sample that was evaluated; by default 0, 1, 2 ..."""
    order = list(range(count)) if indices is None else list(indices)
    if len(order) != count:
        raise ValueError(f"{len(order)} indices for {count} samples")
    return order


def harmless(text: str) -> str:
    """A text in one line that no spreadsheet takes for a formula (OWASP, "CSV Injection")."""
    # One line a sample: not every reader takes line breaks within a cell.
    text = text.replace("\r", "\\r").replace("\n", "\\n")
    if not text.startswith(("=", "+", "-", "@", "\t", "＝", "＋", "－", "＠")):
        return text
    # "-1" is a number to a spreadsheet as well, and a common label.
    return text if NUMBER.fullmatch(text) else f"'{text}"
