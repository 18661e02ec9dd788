"""Tables for the console: as wide as the terminal at most, with colours only there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TextIO

if TYPE_CHECKING:
    from rich.console import Console

Styled = list[tuple[str, str]]  # pieces of a line, each with a rich style ("" for none)
GAP = 2
ELLIPSIS = "…"


@dataclass(frozen=True)
class Column:
    """A column of a table.

    `least` is the width that its cells may be cut to, None where they never are; `cut` says at
    which end. Of the columns with a `rank`, the highest is left out first where space is short.
    """

    title: str
    cells: Sequence[str]
    right: bool = False
    style: str | Sequence[str] = ""  # a rich style, or one for each cell
    least: int | None = None
    cut: Literal["start", "end"] = "end"
    rank: int = 0

    @property
    def width(self) -> int:
        """What it takes to show all of it."""
        return max(map(cells, (self.title, *self.cells)))


def table(columns: Sequence[Column], width: int) -> list[Styled]:
    """The lines of a table that takes `width` places at most, the titles first.

    What is too wide is cut where a column allows it, then left out.
    """
    kept = list(columns)
    while True:
        widths = shared(kept, width)
        if sum(widths) + GAP * (len(widths) - 1) <= width or not any(c.rank for c in kept):
            break
        kept.remove(max(kept, key=lambda column: column.rank))
    rows = [styled(kept, [column.title for column in kept], ["bold"] * len(kept), widths)]
    for number in range(len(kept[0].cells)):
        styles = [c.style if isinstance(c.style, str) else c.style[number] for c in kept]
        rows.append(styled(kept, [column.cells[number] for column in kept], styles, widths))
    return rows


def natural(columns: Sequence[Column]) -> int:
    """The width of a table that shows all of its columns."""
    return sum(column.width for column in columns) + GAP * (len(columns) - 1)


def shared(columns: Sequence[Column], width: int) -> list[int]:
    """The width of each column: its own, or less for those that can be cut, the widest first."""
    widths = [column.width for column in columns]
    free = [number for number, column in enumerate(columns) if column.least is not None]
    over = sum(widths) + GAP * (len(widths) - 1) - width
    while over > 0:
        able = [n for n in free if widths[n] > max(columns[n].least or 0, cells(columns[n].title))]
        if not able:
            break
        widths[max(able, key=lambda n: widths[n])] -= 1
        over -= 1
    return widths


def styled(
    columns: Sequence[Column], texts: Sequence[str], styles: Sequence[str], widths: Sequence[int]
) -> Styled:
    """One line."""
    line: Styled = []
    for column, text, style, width in zip(columns, texts, styles, widths, strict=True):
        shown = shortened(text, width, column.cut)
        space = " " * (width - cells(shown))
        pieces = [(space, ""), (shown, style)] if column.right else [(shown, style), (space, "")]
        line += [(" " * GAP, ""), *pieces] if line else pieces
    return line


def shortened(text: str, width: int, cut: Literal["start", "end"]) -> str:
    """A text of at most `width` places, with a sign where something is missing."""
    if cells(text) <= width:
        return text
    kept = list(text)
    while kept and cells("".join(kept)) > width - 1:
        kept.pop(0 if cut == "start" else -1)
    return ELLIPSIS + "".join(kept) if cut == "start" else "".join(kept) + ELLIPSIS


def cells(text: str) -> int:
    """How many places of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def printable(text: str) -> str:
    """A text, such as the name of a file, without signs that would control a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def width_of(stream: TextIO) -> int:
    """The places of a line: on a terminal one less than it has, since some wrap at the last."""
    columns = shutil.get_terminal_size((80, 24)).columns
    return max(20, columns - 1 if stream.isatty() else columns)


def is_terminal(stream: TextIO) -> bool:
    """Whether lines can be coloured, and drawn over."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")


def show(stream: TextIO, lines: Iterable[Styled]) -> None:
    """Print lines, in colours where the stream is a terminal (and NO_COLOR is not set)."""
    if not is_terminal(stream):
        for line in lines:
            text = "".join(piece for piece, _ in line).rstrip()
            encoding = getattr(stream, "encoding", None) or "utf-8"
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        return
    from rich.text import Text

    console = console_on(stream)
    for line in lines:
        drawn = Text.assemble(*line, no_wrap=True, overflow="ignore")
        drawn.rstrip()
        console.print(drawn, soft_wrap=True)


def console_on(stream: TextIO) -> Console:
    """rich's console on a terminal; it colours nothing by itself."""
    from rich.console import Console

    return Console(file=stream, force_terminal=True, highlight=False, markup=False)
