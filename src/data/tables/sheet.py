"""A text file that is a table, and what is wrong with its rows as such."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from data.errors import DataError
from data.inputs import nearest
from data.tables.layout import (
    Layout,
    guessed,
    head_rows,
    is_table,
    names_of,
    records,
)
from data.tables.reading import content_of, lines_in, refuse_spreadsheet, text_of

SHOWN_ROWS = 5


@dataclass(frozen=True)
class Sheet:
    """The text of a table, not yet divided into columns."""

    path: Path
    text: bytes | None
    """The text in UTF-8; None where the file itself is just that."""
    layout: Layout
    """With nothing left open."""
    names: list[str]
    """Of the columns."""
    preamble: int
    """Rows before the first that holds values, blank ones too."""
    remarks: list[str] = field(default_factory=list)
    """What was assumed and should be said."""

    @property
    def separator(self) -> str:
        """The character between cells."""
        assert self.layout.separator is not None
        return self.layout.separator

    @property
    def body(self) -> bytes:
        """The text in UTF-8."""
        return content_of(self.path) if self.text is None else self.text

    def num_lines(self) -> int:
        """Return how many lines it has."""
        return lines_in(self.path if self.text is None else self.text)

    def source(self) -> Any:
        """Return what pandas reads: the path where it can, with several threads, or the text."""
        # Threads look for the first row by counting lines.
        plain = self.preamble <= 1 and not any("\n" in name for name in self.names)
        return str(self.path) if self.text is None and plain else io.BytesIO(self.body)

    def rows(self) -> Iterator[tuple[int, list[str], str | None]]:
        """Yield the rows that hold values, see `data.tables.layout.records`."""
        text = io.StringIO(self.body.decode(errors="replace").removeprefix("\ufeff"), newline="")
        for _ in range(self.layout.skipped):
            text.readline()
        found = records(text, self.separator)
        if self.layout.header:
            next(found, None)
        for line, row, wrong in found:
            yield line + self.layout.skipped, row, wrong

    def problems(self, told: str) -> list[str]:
        """Return the rows that have more cells than the header, or `told` where none has."""
        width, name = len(self.names), self.path.name
        wide, last, number = [], 0, 0
        for line, row, _ in self.rows():
            last, number = line, number + 1
            if len(row) > width:
                wide.append((line, len(row)))
        if "EOF inside string" in told:
            return [
                f"{name}: a quote that opens in row {last} is never closed; close it, or double a "
                'quote that belongs to the text ("")'
            ]
        if not wide:
            return [f"{self.path} can't be read ({' '.join(told.split())}); mend it"]
        rows = ", ".join(str(line) for line, _ in wide[:SHOWN_ROWS])
        more = ", ..." if len(wide) > SHOWN_ROWS else ""
        # A title or a comment was taken for the header where nearly all rows have more cells.
        titled = self.layout.header and 2 * len(wide) > number
        above = ", or remove the lines above the header" if titled else ""
        count = f" ({len(wide)} such rows: {rows}{more})" if len(wide) > 1 else ""
        return [
            f"{name}: row {wide[0][0]} has {wide[0][1]} cells, the header has {width}{count}; put "
            f"cells that hold the separator ({shown(self.separator)}) into quotes, or name another "
            f"one in data.separator{above}"
        ]


def read_sheet(path: Path, given: Layout, *, in_place: bool) -> Sheet:
    """Return a text file with its layout, see `text_of`; raises DataError where it is no table."""
    refuse_spreadsheet(path)
    head, encoding, text = text_of(path, given, in_place=in_place)
    if not head.strip():
        raise DataError(f"{path} is empty; give a table with a header and rows")
    if other := _other_format(head):
        raise DataError(f"{path} is {other}; save its table as CSV, and give that")
    if "\0" in head:
        raise DataError(f"{path} is no text (it has zero bytes); give a CSV or Parquet file")
    layout = replace(guessed(head, given, name=path.name), encoding=encoding)
    assert layout.separator is not None and layout.header is not None
    plain = head.split("\n", layout.skipped)[-1]
    rows = head_rows(plain, layout.separator)
    names, renamed = names_of(rows, layout.header)
    if len(rows) <= layout.header:
        raise DataError(f"{path} has a header and no rows; give it some")
    sheet = Sheet(path, text, layout, names, _preamble(plain, layout))
    if any(len(row) > len(names) for row in rows):
        raise DataError(*sheet.problems(""))
    sheet.remarks.extend(_remarks(path.name, given, layout, names, renamed))
    return sheet


def _other_format(head: str) -> str:
    """Return what a text is that is no table, "" where nothing tells."""
    start = head.lstrip("\ufeff \t\r\n")[:200].lower()
    if start.startswith(("<!doctype", "<html", "<?xml")):
        return "a page of HTML or XML"
    return "JSON" if re.match(r'\{\s*"[^"]*"\s*:|\[\s*\{', start) else ""


def existing_table(path: str | Path | None) -> Path:
    """Return the path of a table that exists, or raise DataError with what is there instead."""
    if path is None or not str(path).strip():
        raise DataError("data.path is needed: data.path=FILE, a CSV, TSV or Parquet file")
    file = Path(path).expanduser()
    if file.is_dir():
        inside = [each.name for each in sorted(file.iterdir()) if is_table(each.name)]
        some = ", ".join(inside[:5]) + (", ..." if len(inside) > 5 else "")
        holds = f"one of {some}" if inside else "a CSV, TSV or Parquet file"
        raise DataError(f"{file} in data.path is a folder; give {holds}")
    if not file.exists():
        raise DataError(f"{file} in data.path does not exist{nearest(file, '; check data.path')}")
    return file


def shown(separator: str) -> str:
    """Return a separator as a message shows it."""
    return "tab" if separator == "\t" else separator


def _preamble(text: str, layout: Layout) -> int:
    """Return how many rows come before the first that holds values."""
    import csv

    assert layout.separator is not None
    left = int(bool(layout.header))
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=layout.separator)
    for place, row in enumerate(rows):
        if row and (len(row) > 1 or row[0].strip()):
            if not left:
                return place + layout.skipped
            left -= 1
    return layout.skipped + 1


def _remarks(
    name: str, given: Layout, layout: Layout, names: list[str], renamed: list[str]
) -> Iterator[str]:
    """Yield what was assumed of a file and isn't plain."""
    if given.encoding is None and layout.encoding in ("cp1252", "latin-1"):
        yield (
            f"{name} is not UTF-8 and was read as {layout.encoding}; data.encoding names another"
        )
    if given.separator is None and len(names) == 1:
        yield f"{name} has one column; if there are more, name data.separator"
    if given.header is None and not layout.header:
        yield (
            f"{name} begins with values, so its columns are called 'column 1' to "
            f"'column {len(names)}'; data.header=true takes the first row for names"
        )
    if renamed:
        yield (
            f"{name} has columns of the same name, now called {', '.join(map(repr, renamed[:5]))}"
            f"{', ...' if len(renamed) > 5 else ''}"
        )
