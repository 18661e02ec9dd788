"""Tables with text in them: CSV, TSV, JSON lines and Parquet as named columns of cells."""

import csv
import io
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import DataError, SampleError
from data.text.decoding import decoded
from data.text.headings import SPLIT_NAMES, TARGET_NAMES, TEXT_NAMES

CSV = (".csv", ".tsv", ".tab")
JSON = (".jsonl", ".ndjson", ".json")
PARQUET = (".parquet", ".pq")
TABLES = (*CSV, *JSON, *PARQUET)
SEPARATORS = (",", "\t", ";", "|")
LOOKED_AT = 50
COMPARED = 1000
LONG_NAME = 60
LONG_WORDS = 5
KNOWN = frozenset([*TEXT_NAMES, *TARGET_NAMES, *SPLIT_NAMES]) - {"y", "post", "class", "question"}


@dataclass(frozen=True)
class Rows:
    """The rows of a file."""

    name: str
    """What messages call the file."""
    columns: dict[str, list[Any]]
    """Cells by column name; text from a CSV, anything that JSON has from JSON lines."""
    places: list[str]
    """What each row is called: file and line from 1, "reviews.csv:17"; of Parquet the row."""
    encoding: str = "utf-8"
    """How the file was read."""
    headless: bool = False
    """Whether the file has no header, so that columns are called "column 1" and so on."""

    def __len__(self) -> int:
        return len(self.places)

    def cells(self, row: int) -> dict[str, str]:
        """Return all cells of a row as text."""
        return {name: cell_text(values[row]) for name, values in self.columns.items()}


def cell_text(value: Any) -> str:
    """Return a cell as text; lists and objects as JSON, nothing as ""."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def read_rows(
    path: Path,
    *,
    name: str | None = None,
    separator: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
) -> Rows:
    """Read a table; its kind goes by its ending, and what has another one is taken for a CSV.

    Args:
        path: the file.
        name: what to call it; its own name by default.
        separator: what divides the cells of a CSV; found by looking, by default.
        encoding: see `data.text.decoding.decoded`.
        header: whether the first row of a CSV has the names; found by looking, by default.

    Raises:
        DataError: all that is wrong with it, each with its line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} can't be read ({error.strerror}); check it and its permissions"
        ) from error
    ending = path.suffix.lower()
    return rows_of(
        content,
        name or path.name,
        ending,
        separator=separator,
        encoding=encoding,
        header=header,
    )


def rows_of(
    content: bytes,
    name: str,
    ending: str,
    *,
    separator: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
) -> Rows:
    """Read the content of a table, as `read_rows`; `ending` says of which kind it is."""
    if ending in PARQUET:
        return _parquet(content, name)
    try:
        text, encoding = decoded(content, name, encoding)
    except SampleError as error:
        raise DataError(*error.problems) from error
    if not text.strip():
        raise DataError(f"{name} is empty; give a file with rows in it")
    if ending in JSON:
        return _json(text, name, encoding)
    separator = separator or ("\t" if ending in (".tsv", ".tab") else separator_of(text))
    return _csv(text, name, separator, encoding, header)


def separator_of(text: str) -> str:
    """Return what most likely divides the cells of a CSV: the one that gives equal rows."""
    best, most = ",", (0.0, 0)
    for separator in SEPARATORS:
        widths = [len(cells) for _, cells in _some(text, separator)]
        usual = max(set(widths), key=widths.count, default=1)
        equal = widths.count(usual) / max(1, len(widths))
        if usual > 1 and (equal, usual) > most:
            best, most = separator, (equal, usual)
    return best


def parsed(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of each row of a CSV that isn't blank; raises csv.Error."""
    # The default of 131,072 characters is less than a long article; the limit is the module's.
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    # Quotes in a TSV are mostly plain text: read as quotes, one of them would swallow many rows.
    lone = separator == "\t" and '"' in text and _quotes_are_text(text)
    lines = io.StringIO(text, newline="")
    reader = (
        csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE)
        if lone
        else csv.reader(lines, delimiter=separator)
    )
    line = 1
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield line, cells
        line = reader.line_num + 1


def _quotes_are_text(text: str) -> bool:
    """Whether the quotes of a TSV enclose no cells: without them its lines are equally long."""
    lines = [line for line in text.split("\n") if line.strip()]
    if len({line.count("\t") for line in lines}) > 1:
        return False
    for line in lines:
        for cell in line.split("\t") if '"' in line else ():
            enclosed = len(cell) > 1 and cell[0] == cell[-1] == '"'
            if '"' in cell and not (enclosed and '"' not in cell[1:-1].replace('""', "")):
                return True
    return False


def _some(text: str, separator: str) -> list[tuple[int, list[str]]]:
    found = []
    try:
        for row in parsed(text[: 1 << 18], separator):
            found.append(row)
            if len(found) == LOOKED_AT:
                break
    except csv.Error:
        return []
    return found[:-1] if len(text) > 1 << 18 and len(found) > 1 else found


def is_header(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Whether the first row of a table has the names of its columns.

    It has where one of them is a usual name; not where there is a number, a long text, or a word
    that comes again below it, as labels do.
    """
    names = [cell.strip() for cell in first]
    if any(name.lower() in KNOWN for name in names):
        return True
    if len(set(names)) < len(names) or any(map(_is_number, names)):
        return False
    if any(len(name) > LONG_NAME or len(name.split()) > LONG_WORDS for name in names):
        return False
    return not any(
        name and any(place < len(cells) and cells[place].strip() == name for cells in rest)
        for place, name in enumerate(names)
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _csv(text: str, name: str, separator: str, encoding: str, header: bool | None) -> Rows:
    try:
        found = list(parsed(text, separator))
    except csv.Error as error:
        raise DataError(
            f"{name} can't be read as a table ({error}); look for a quote that isn't closed, or "
            "set data.separator"
        ) from error
    first, some = found[0][1], [cells for _, cells in found[1 : 1 + COMPARED]]
    headed = is_header(first, some) if header is None else header
    if headed:
        names = [cell.strip() or f"column {number}" for number, cell in enumerate(first, 1)]
        found = found[1:]
    else:
        names = [f"column {number}" for number in range(1, len(first) + 1)]
    twice = sorted({each for each in names if names.count(each) > 1})
    problems = [f"{name} has two columns {each!r}; rename one of them" for each in twice]
    if not found:
        problems.append(f"{name} has a header and no rows; give a file with rows in it")
    problems += [
        f"{name}:{line} has {len(cells)} cells, and {len(names)} columns are named; mend the line "
        "(a cell that holds the separator needs quotes), or set data.separator"
        for line, cells in found
        if len(cells) != len(names)
    ]
    if problems:
        raise DataError(*problems)
    columns = dict(
        zip(names, map(list, zip(*(cells for _, cells in found), strict=True)), strict=True)
    )
    return Rows(name, columns, [f"{name}:{line}" for line, _ in found], encoding, not headed)


def _json(text: str, name: str, encoding: str) -> Rows:
    problems: list[str] = []
    found: list[tuple[int, dict[str, Any]]] = []
    for line, value in _values(text, name, problems):
        if isinstance(value, dict):
            found.append((line, value))
        else:
            problems.append(f"{name}:{line} is no object {{...}}; give one with named fields")
    if not found and not problems:
        problems.append(f"{name} holds no rows; give a file with an object in each line")
    if problems:
        raise DataError(*problems)
    names = list(dict.fromkeys(field for _, value in found for field in value))
    columns = {field: [value.get(field) for _, value in found] for field in names}
    return Rows(name, columns, [f"{name}:{line}" for line, _ in found], encoding)


def _values(text: str, name: str, problems: list[str]) -> Iterator[tuple[int, Any]]:
    if text.lstrip().startswith("["):
        try:
            yield from enumerate(json.loads(text), 1)
        except (ValueError, RecursionError) as error:
            problems.append(f"{name} is no JSON ({error}); mend it")
        return
    # Not splitlines: it would also break at separators that JSON allows within a text.
    for line, piece in enumerate(text.split("\n"), 1):
        if not piece.strip():
            continue
        try:
            yield line, json.loads(piece)
        except (ValueError, RecursionError) as error:
            problems.append(f"{name}:{line} is no JSON ({error}); mend or remove the line")


def _parquet(content: bytes, name: str) -> Rows:
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(pyarrow.BufferReader(content))
    except (pyarrow.ArrowException, OSError) as error:
        told = " ".join(str(error).split())[:200]
        raise DataError(f"{name} can't be read as Parquet ({told}); write it again") from error
    if not table.num_rows:
        raise DataError(f"{name} holds no rows; give a file with rows in it")
    columns = {field: table.column(field).to_pylist() for field in table.column_names}
    return Rows(name, columns, [f"{name}:{row}" for row in range(1, table.num_rows + 1)])


def put_together(parts: Sequence[Rows], name: str) -> Rows:
    """Return the rows of several files as one table, of the columns that all of them have."""
    shared = [field for field in parts[0].columns if all(field in p.columns for p in parts)]
    columns = {field: [cell for part in parts for cell in part.columns[field]] for field in shared}
    return Rows(name, columns, [place for part in parts for place in part.places])
