"""How the text of a table is written: encoding, separator, decimal sign, header; guessed or given.

Standard library only.
"""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from data.tables.cells import decimal_evidence, number

SEPARATORS = (",", ";", "\t", "|")
TEXT_ENDINGS = (".csv", ".tsv", ".tab", ".txt", ".data", ".csv.gz", ".tsv.gz", ".txt.gz")
PARQUET_ENDINGS = (".parquet", ".pq")
HEAD_ROWS = 100
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
csv.field_size_limit(1 << 27)


@dataclass(frozen=True)
class Layout:
    """How the text of a table is written; None for what is to be guessed from the file itself."""

    separator: str | None = None
    """The one character between cells."""
    encoding: str | None = None
    """As Python names it."""
    decimal: str | None = None
    """ "." or ",": which of the two stands before the fraction where both are possible."""
    header: bool | None = None
    """Whether the first row holds the names of the columns."""
    skipped: int = 0
    """Lines before the table: 1 for the sep=; that Excel writes."""

    def problems(self) -> list[str]:
        """Return what is wrong with the choices of a user."""
        found = []
        if self.separator is not None and len(self.separator) != 1:
            found.append(
                f"separator ({self.separator!r}) in data.separator; give one character, such as "
                '"," or ";", or tab'
            )
        if self.decimal not in (None, ".", ","):
            found.append(f'decimal ({self.decimal!r}) in data.decimal; give "." or ","')
        if self.encoding is not None and not _known(self.encoding):
            found.append(
                f"encoding ({self.encoding!r}) in data.encoding is none that Python knows; give "
                "utf-8, utf-16, cp1252, latin-1 ..."
            )
        return found


def layout(
    *,
    separator: str | None = None,
    encoding: str | None = None,
    decimal: str | None = None,
    header: bool | None = None,
) -> Layout:
    """Return the choices of a user; the separator may be called tab."""
    named = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
    return Layout(named.get(separator or "", separator), encoding, decimal, header)


def is_table(name: str) -> bool:
    """Whether a file is called like a table."""
    return name.lower().endswith((*TEXT_ENDINGS, *PARQUET_ENDINGS)) and not name.startswith(".")


def is_parquet(name: str) -> bool:
    """Whether a file is called like a Parquet file."""
    return name.lower().endswith(PARQUET_ENDINGS)


def encoding_of(content: bytes, *, whole: bool) -> str:
    """Return the encoding of a text: by its mark, UTF-16 by its zeros, UTF-8, or cp1252.

    Args:
        content: the bytes, or the first of them.
        whole: whether these are all; otherwise the last character may be cut.
    """
    for mark, name in _BOMS:
        if content.startswith(mark):
            return name
    head = content[:4096]
    if head[1::2].count(0) > len(head) // 4:
        return "utf-16-le"
    if head[::2].count(0) > len(head) // 4:
        return "utf-16-be"
    if content.isascii():
        return "utf-8"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(content, whole)
        return "utf-8"
    except UnicodeDecodeError:
        pass
    try:
        content.decode("cp1252")
        return "cp1252"
    except UnicodeDecodeError:
        return "latin-1"


def guessed(head: str, given: Layout, *, name: str, prior: Layout | None = None) -> Layout:
    """Return the layout of a text with nothing left open.

    Args:
        head: how the text begins, in whole lines if it is longer.
        given: what the user says.
        name: of the file, for what its ending says.
        prior: the layout of the training file, for what this one doesn't tell.
    """
    skipped, separator = 0, given.separator
    said = re.match(r"sep=(.)\r?\n", head, re.IGNORECASE)
    if said:
        skipped, separator = 1, separator or said[1]
        head = head[said.end() :]
    before = prior.separator if prior else None
    separator = separator or _separator(head, before or ("\t" if ".tsv" in name.lower() else ","))
    rows = head_rows(head, separator)
    # A file that is written in another way tells nothing of its decimal sign.
    alike = prior is not None and separator == prior.separator
    decimal = given.decimal or _decimal(rows, separator, prior.decimal if prior and alike else None)
    header = given.header
    if header is None:
        header = prior.header if prior and prior.header is not None else _has_header(rows, decimal)
    return replace(given, separator=separator, decimal=decimal, header=header, skipped=skipped)


def names_of(rows: Sequence[Sequence[str]], header: bool) -> tuple[list[str], list[str]]:
    """Return the names of the columns, and which of them had to be changed to be there once.

    They are stripped, and made up where there are none.

    Where all rows have one cell more than the header, the first is an index without a name (as R
    writes it), or the last is empty (a separator at the end of each line).
    """
    first = rows[0] if rows else []
    names = [cell.strip() for cell in first] if header else [""] * len(first)
    rest = [row for row in rows[1:] if row]
    if header and rest and all(len(row) == len(first) + 1 for row in rest):
        names = [*names, ""] if all(not row[-1].strip() for row in rest) else ["", *names]
    found: list[str] = []
    renamed = []
    for place, name in enumerate(names, 1):
        name = name or ("index" if header and place == 1 else f"column {place}")
        plain, copies = name, 1
        while name in found:
            copies += 1
            name = f"{plain} ({copies})"
        if copies > 1:
            renamed.append(name)
        found.append(name)
    return found, renamed


def head_rows(text: str, separator: str) -> list[list[str]]:
    """Return the first rows of a text."""
    rows = records(io.StringIO(text, newline=""), separator)
    return [row for _, row, wrong in islice(rows, HEAD_ROWS) if wrong is None]


def records(stream: Iterable[str], separator: str) -> Iterator[tuple[int, list[str], str | None]]:
    """Yield each row with the line it begins in, from 1; blank lines are left out.

    The third entry says what is wrong where the row can't be read.
    """
    reader = csv.reader(stream, delimiter=separator)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, [], str(error)
            continue
        if row and (len(row) > 1 or row[0].strip()):
            yield line, row, None


def _separator(head: str, default: str) -> str:
    """Return the separator with which most rows have the same number of cells, above one.

    Of several the one that divides the header too: a decimal comma is in the rows alone.
    """
    best, chosen = (0.0, False, 0), default
    for candidate in dict.fromkeys((default, *SEPARATORS)):
        rows = head_rows(head, candidate)
        widths = Counter(map(len, rows))
        width, agreeing = max(widths.items(), key=lambda item: (item[1], item[0]), default=(1, 0))
        divides_header = bool(rows) and len(rows[0]) > 1
        score = (round(agreeing / max(1, widths.total()), 1), divides_header, width)
        if width > 1 and score > best:
            best, chosen = score, candidate
    return chosen


def _decimal(rows: Sequence[Sequence[str]], separator: str, prior: str | None) -> str:
    cells = [cell.strip() for row in rows for cell in row if "," in cell or "." in cell]
    votes = sum(map(decimal_evidence, cells))
    if votes:
        return "," if votes > 0 else "."
    if prior:
        return prior
    commas = any(re.fullmatch(r"[+-]?[0-9]+,[0-9]+", cell) for cell in cells)
    return "," if separator != "," and commas else "."


def _has_header(rows: Sequence[Sequence[str]], decimal: str) -> bool:
    """Whether the first row holds names: where numbers follow, it has none.

    Except for years, and for columns that are numbered in turn, as pandas does by itself.
    """
    if len(rows) < 2:
        return True
    first, rest = rows[0], rows[1:]
    below = []
    for place in range(min(map(len, rows))):
        column = [row[place].strip() for row in rest if row[place].strip()]
        if column and all(number(cell, decimal) is not None for cell in column):
            below.append(first[place].strip())
            if number(below[-1], decimal) is None:
                return True
    if not below:
        return True
    plain = [cell for cell in below if cell]
    counted = [[str(place + start) for place in range(len(plain))] for start in (0, 1)]
    if len(plain) > 2 and plain in counted:
        return True
    years = [cell for cell in below if re.fullmatch(r"(1[89]|20|21)[0-9]{2}", cell)]
    return len(years) == len(below) == len(set(years))


def _known(encoding: str) -> bool:
    try:
        codecs.lookup(encoding)
    except LookupError:
        return False
    return True
