"""Tables that name files: CSV, TSV or Parquet with a column of paths. Every cell is text here."""

import csv
import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from data.audio.waveform import EXTENSIONS
from data.errors import DataError

ENDINGS = (".csv", ".tsv", ".tab", ".txt", ".parquet", ".pq")
PARQUET = (".parquet", ".pq")
SEPARATORS = ("\t", ";", ",", "|")
LOOKED_AT = 50
logger = logging.getLogger(__name__)


class Format(NamedTuple):
    """How a table of text is written; None: found out."""

    separator: str | None = None
    """What is between two columns."""
    encoding: str | None = None
    """Such as "utf-8" or "cp1252"."""
    decimal: str | None = None
    """The decimal sign, "." or ","."""


@dataclass(frozen=True)
class Row:
    """One row of a table."""

    line: int
    """Where it is in the file, counted from 1; of Parquet, the number of the row."""
    cells: Mapping[str, str]
    """The text of each column, without space around it; "" where there is nothing."""


@dataclass(frozen=True)
class Labels:
    """A table as it was read."""

    path: Path
    """Its file."""
    columns: tuple[str, ...]
    """Names of the columns."""
    rows: Sequence[Row]
    """All rows, or the first ones."""
    decimal_comma: bool = False
    """Whether a comma may be the decimal sign: it separates no columns."""


def read_labels(path: Path, limit: int | None = None, how: Format = Format()) -> Labels:  # noqa: B008
    """Read a table of paths; with `limit` only so many rows.

    Where `how` doesn't say it, the separator is the one that the header has most of (tab,
    semicolon, comma, bar), the encoding is UTF-8, UTF-16 with its mark, or else Windows-1252, which
    is said; a comma may be the decimal sign where it doesn't separate columns.

    Raises:
        DataError: no such table, no rows, columns of one name, rows of another length than the
            header.
    """
    if path.suffix.lower() in PARQUET:
        return _read_parquet(path, limit)
    text = _text(path, limit, how.encoding)
    separator = how.separator or _split(text)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    comma = separator != "," if how.decimal is None else how.decimal == ","
    problems: list[str] = []
    try:
        columns = [name.strip() for name in next(lines, [])]
        rows = list(_rows(lines, columns, path, problems, limit))
    except csv.Error as error:
        raise DataError(f"{path}:{lines.line_num} can't be read as a table ({error})") from error
    return _checked(Labels(path, tuple(columns), rows, comma), problems)


def file_column(table: Labels, wanted: str | None = None) -> str:
    """Return the column of paths: the one that is wanted, or the first whose cells name sound.

    Raises:
        DataError: there is no such column.
    """
    if wanted is not None:
        check_columns(table, [wanted], "data.file")
        return wanted
    some = table.rows[:LOOKED_AT]
    for column in table.columns:
        named = sum(row.cells[column].lower().endswith(tuple(EXTENSIONS)) for row in some)
        if some and 2 * named > len(some):
            return column
    raise DataError(
        f"no column of {table.path} names files of sound ({', '.join(table.columns)}); give the "
        "column as data.file=NAME, with endings such as .wav in its cells"
    )


def check_columns(table: Labels, wanted: Sequence[str], key: str) -> None:
    """Raise DataError unless all these columns are in the table."""
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        raise DataError(
            f"no column {', '.join(map(repr, missing))} ({key}) in {table.path}, which has "
            f"{', '.join(table.columns)}"
        )


def place_of(cell: str, root: Path) -> Path:
    """Return the path that a cell means, relative to `root`; other systems' slashes will do."""
    place = root / Path(cell).expanduser()
    if not place.exists() and "\\" in cell:
        return root / cell.replace("\\", "/")
    return place


def _text(path: Path, limit: int | None, encoding: str | None) -> str:
    try:
        with path.open("rb") as file:
            content = file.read() if limit is None else file.read((limit + 1) * 4096)
            if file.read(1):  # the last line is cut off
                content = content[: content.rfind(b"\n") + 1]
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror}); check data.path") from error
    if encoding is not None:
        try:
            return content.decode(encoding, errors="strict" if limit is None else "ignore")
        except (LookupError, UnicodeError) as error:
            raise DataError(f"{path} is not {encoding} ({error}); mend data.encoding") from error
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig", errors="strict" if limit is None else "ignore")
    except UnicodeDecodeError as error:
        logger.warning(
            "%s is not UTF-8 (byte %d); read as Windows-1252: if letters are wrong, save as UTF-8",
            path,
            error.start,
        )
        return content.decode("cp1252", errors="replace")


def _split(text: str) -> str:
    first = text.partition("\n")[0]
    return max(reversed(SEPARATORS), key=first.count) if first else ","


def _rows(
    lines: Any, columns: Sequence[str], path: Path, problems: list[str], limit: int | None
) -> Iterator[Row]:
    for number, cells in enumerate(lines):
        if limit is not None and number >= limit:
            return
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(columns):
            problems.append(
                f"{path}:{lines.line_num} has {len(cells)} columns and the header "
                f"{len(columns)}; quote cells that contain the separator"
            )
            continue
        stripped = (cell.strip() for cell in cells)
        yield Row(lines.line_num, dict(zip(columns, stripped, strict=True)))


def _read_parquet(path: Path, limit: int | None) -> Labels:
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
        batches = file.iter_batches(batch_size=limit or 65536)
        lists = [next(batches).to_pylist()] if limit else [batch.to_pylist() for batch in batches]
    except (OSError, pyarrow.ArrowException, StopIteration) as error:
        reason = " ".join(str(error).split())[:200] or "no rows"
        raise DataError(f"{path} can't be read as Parquet ({reason}); check data.path") from error
    rows = [row for rows in lists for row in rows]
    columns = tuple(map(str, file.schema_arrow.names))
    return _checked(
        Labels(
            path,
            columns,
            [
                Row(number, {str(k): "" if v is None else str(v).strip() for k, v in row.items()})
                for number, row in enumerate(rows, 1)
            ],
        ),
        [],
    )


def _checked(table: Labels, problems: list[str]) -> Labels:
    twice = sorted({name for name in table.columns if table.columns.count(name) > 1})
    if twice:
        problems.insert(0, f"several columns {', '.join(map(repr, twice))} in {table.path}")
    if not table.rows and not problems:
        problems.append(f"{table.path} has no rows; give a header and a row for each file")
    if problems:
        raise DataError(*problems)
    return table
