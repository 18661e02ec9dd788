"""A file of measurements as a table: CSV, TSV or Parquet, with its dialect found out."""

import csv
import io
import logging
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import DataError

ENDINGS = (".csv", ".tsv", ".txt", ".parquet", ".pq")
BINARY = (".parquet", ".pq")
SEPARATORS = ",;\t|"
HEAD_BYTES = 1 << 16
PARQUET = b"PAR1"
COMMA_NUMBER = re.compile(r"[-+]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?([eE][-+]?\d+)?")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Dialect:
    """How a text file is written; None where it is to be found out."""

    separator: str | None = None
    """Between columns: "," ";" "|" or a tab."""
    decimal: str | None = None
    """"." or ",", in numbers."""
    encoding: str | None = None
    """Such as "utf-8" or "cp1252"."""

    def problems(self) -> list[str]:
        """Return what is wrong with the arguments."""
        found = []
        if self.separator is not None and len(self.separator) != 1:
            found.append(
                f"separator ({self.separator!r}) in data.separator; give one character, such as "
                "';', or null to have it found"
            )
        if self.decimal not in (None, ".", ","):
            found.append(f"decimal ({self.decimal!r}) in data.decimal; give '.' or ','")
        try:
            "".encode(self.encoding or "utf-8")
        except LookupError:
            found.append(
                f"encoding ({self.encoding!r}) in data.encoding is unknown; give utf-8 or cp1252"
            )
        return found


@dataclass(frozen=True)
class Header:
    """The first lines of a text file."""

    names: tuple[str, ...]
    """Column names, stripped."""
    rows: tuple[tuple[str, ...], ...]
    """The cells of the lines below."""
    separator: str
    encoding: str


def head(source: Path | bytes, name: str, dialect: Dialect, *, lines: int = 50) -> Header:
    """Return the names and first rows of a text file; raises DataError where there are none."""
    if isinstance(source, bytes):
        content = source[:HEAD_BYTES]
    else:
        try:
            with source.open("rb") as file:
                content = file.read(HEAD_BYTES)
        except OSError as error:
            raise DataError(f"{name} can't be read ({error.strerror}); check the file") from error
    if not content.strip():
        raise DataError(f"{name} is empty; give a file with a header and rows")
    if b"\0" in content and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{name} is no text; give CSV, TSV or Parquet")
    encoding = dialect.encoding or _encoding(content)
    text = content.decode(encoding, errors="ignore")
    if len(content) == HEAD_BYTES:
        text = text[: text.rfind("\n") + 1] or text
    separator = dialect.separator or _separator(text)
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=separator) if row]
    names = tuple(cell.strip() for cell in rows[0])
    return Header(names, tuple(map(tuple, rows[1 : lines + 1])), separator, encoding)


def read(source: Path | bytes, name: str, dialect: Dialect) -> Any:
    """Return a file, or its content, as a pandas DataFrame; row i stands in line i + 2.

    Columns of numbers with a decimal comma become numbers, which is said; an index that a Parquet
    file keeps becomes a column.

    Raises:
        DataError: no file, empty, damaged, no rows, or a column name that comes twice.
    """
    import pandas

    if _is_parquet(source):
        try:
            frame = pandas.read_parquet(io.BytesIO(source) if isinstance(source, bytes) else source)
        except Exception as error:  # what is damaged makes pyarrow raise many kinds
            raise DataError(
                f"{name} is no Parquet file that can be read ({_line(error)})"
            ) from error
        if not isinstance(frame.index, pandas.RangeIndex):
            frame = frame.reset_index()
        frame.columns = [str(column).strip() for column in frame.columns]
    else:
        frame = _read_text(source, name, dialect)
    if not len(frame):
        raise DataError(f"{name} has a header and no rows; add rows or leave the file out")
    return frame


def cells(rows: Sequence[int], values: Sequence[object]) -> str:
    """Return the first few "line 17 ('abc')" of rows (from 0) for a message."""
    pairs = list(zip(rows[:5], values[:5], strict=True))
    shown = ", ".join(f"line {row + 2} ({value!r})" for row, value in pairs)
    return shown + (", ..." if len(rows) > 5 else "")


def _read_text(source: Path | bytes, name: str, dialect: Dialect) -> Any:
    import pandas

    header = head(source, name, dialect)
    twice = [column for column, count in Counter(header.names).items() if count > 1 and column]
    if twice:
        raise DataError(
            f"column {', '.join(map(repr, twice[:5]))} comes more than once in the header of "
            f"{name}; rename them"
        )
    if header.encoding == "cp1252" and dialect.encoding is None:
        logger.warning("%s is not UTF-8; read as cp1252 (data.encoding)", name)
    numbers = {"decimal": ",", "thousands": "."} if dialect.decimal == "," else {}
    try:
        frame = pandas.read_csv(
            io.BytesIO(source) if isinstance(source, bytes) else source,
            sep=header.separator,
            encoding=header.encoding,
            skipinitialspace=True,
            low_memory=False,
            index_col=False,
            **numbers,
        )
    except (ValueError, OSError) as error:  # pandas' ParserError and UnicodeDecodeError among them
        raise DataError(f"{name} can't be read as CSV ({_line(error)}); mend that line") from error
    frame.columns = [str(column).strip() for column in frame.columns]
    if dialect.decimal is None:
        _with_decimal_commas(frame, name)
    return frame


def _with_decimal_commas(frame: Any, name: str) -> None:
    """Turn the columns of text that are numbers with a decimal comma into numbers, in place."""
    found = []
    for column in frame.columns:
        if frame[column].dtype.kind in "biufMm":
            continue
        texts = frame[column].dropna().astype(str).str.strip()
        some = texts.head(200)
        if not len(some) or not all(COMMA_NUMBER.fullmatch(text) for text in some):
            continue
        if not texts.str.fullmatch(COMMA_NUMBER.pattern).all():
            continue
        plain = texts.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
        frame[column] = plain.astype("float64").reindex(frame.index)
        found.append(column)
    if found:
        logger.warning(
            "%s has decimal commas in %s; read as numbers (data.decimal)", name, ", ".join(found)
        )


def _is_parquet(source: Path | bytes) -> bool:
    if isinstance(source, bytes):
        return source.startswith(PARQUET)
    return source.suffix.lower() in BINARY


def _encoding(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        # The last character may be cut.
        content.decode("utf-8") if len(content) < HEAD_BYTES else content[:-4].decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(content) - 8:
            return "cp1252"
    return "utf-8-sig"


def _separator(text: str) -> str:
    """Return the separator that divides the first lines into the most columns of equal number."""
    lines = [line for line in text.splitlines()[:20] if line.strip()]
    best, most = ",", 0
    for separator in SEPARATORS:
        counts = [len(row) for row in csv.reader(lines, delimiter=separator)]
        if counts[0] > 1 and counts[0] > most and len(set(counts)) == 1:
            best, most = separator, counts[0]
    if most:
        return best
    return max(SEPARATORS, key=lambda separator: lines[0].count(separator))


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
