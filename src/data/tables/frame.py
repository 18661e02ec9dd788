"""A file as columns: CSV and its relatives through pandas, Parquet through pyarrow."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.tables.cells import MISSING
from data.tables.columns import Column, of_texts
from data.tables.layout import Layout, is_parquet, names_of
from data.tables.names import Names, lines_of
from data.tables.reading import content_of
from data.tables.sheet import Sheet, read_sheet

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Frame:
    """A table: its columns, and where each row comes from."""

    file: str
    """What messages call it."""
    columns: Mapping[str, Column]
    """By name, in the order of the file."""
    names: Names
    """Of the rows, with the line of the file that each begins in."""
    layout: Layout = field(default_factory=Layout)
    """How it is written."""
    remarks: tuple[str, ...] = ()
    """What was assumed and should be said."""
    missing: frozenset[str] = MISSING
    """Texts that mean that a value is missing."""

    def __len__(self) -> int:
        return len(self.names)

    def row(self, index: int) -> int:
        """Return the number of a row as the user counts it: the line of the file."""
        return int(self.names.numbers[index])

    def take(self, rows: NDArray[np.int64]) -> "Frame":
        """Return some of the rows."""
        columns = {name: column.take(rows) for name, column in self.columns.items()}
        return replace(self, columns=columns, names=self.names.take(rows))


def read_frame(
    path: Path,
    given: Layout | None = None,
    *,
    missing: frozenset[str] = MISSING,
    most_rows: int | None = None,
) -> Frame:
    """Return a whole table.

    Args:
        path: a CSV, TSV or Parquet file, maybe compressed with gzip.
        given: what the user says of its layout.
        missing: texts that mean that a value is missing.
        most_rows: so many of the first rows are enough.

    Raises:
        DataError: it can't be read, or holds no rows.
    """
    if is_parquet(path.name):
        return parquet_frame(path, missing)
    sheet = read_sheet(path, given or Layout(), in_place=True)
    try:
        table = _parsed(sheet, missing, most_rows)
    except UnicodeDecodeError:
        sheet = read_sheet(path, given or Layout(), in_place=False)
        table = _parsed(sheet, missing, most_rows)
    if not len(table):
        raise DataError(f"{path} has a header and no rows; give it some")
    columns = {name: of_series(name, table[name], missing) for name in sheet.names}
    names = Names(_pattern(path), len(table), partial(lines_of, sheet, len(table)))
    remarks = tuple(sheet.remarks)
    return Frame(path.name, columns, names, sheet.layout, remarks, missing)


def of_table(name: str, table: "pandas.DataFrame", missing: frozenset[str] = MISSING) -> Frame:
    """Return a table that is in memory already; rows are counted from 0."""
    columns = {str(each): of_series(str(each), table[each], missing) for each in table.columns}
    names = Names(f"{name}[{{}}]", len(table), partial(np.arange, len(table)))
    return Frame(name, columns, names)


def parquet_frame(path: Path, missing: frozenset[str]) -> Frame:
    """Return a Parquet file; its rows are counted from 1."""
    import pyarrow
    import pyarrow.parquet

    content = content_of(path)
    try:
        table = pyarrow.parquet.read_table(pyarrow.BufferReader(content))
    except (pyarrow.ArrowException, OSError) as error:
        told = " ".join(str(error).split())[:200]
        raise DataError(f"{path} can't be read ({told}); restore or replace it") from error
    if not table.num_rows:
        raise DataError(f"{path} has no rows; give it some")
    names, _ = names_of([table.column_names], True)
    columns = {
        name: of_arrow(name, values.combine_chunks(), missing)
        for name, values in zip(names, table.columns, strict=True)
    }
    count = table.num_rows
    names_of_rows = Names(_pattern(path), count, partial(np.arange, 1, count + 1))
    return Frame(path.name, columns, names_of_rows, missing=missing)


def _pattern(path: Path) -> str:
    return path.name.replace("{", "(").replace("}", ")") + ":{}"


def _parsed(sheet: Sheet, missing: frozenset[str], most_rows: int | None) -> "pandas.DataFrame":
    """Return the table; a column of which parts are numbers and parts are not comes as texts."""
    import pandas

    options: dict[str, Any] = {
        "sep": sheet.layout.separator,
        "header": None,
        "names": sheet.names,
        "index_col": False,
        "skiprows": sheet.preamble,
        "na_values": sorted(missing),
        "keep_default_na": False,
        "decimal": sheet.layout.decimal,
        "encoding": "utf-8",
        "nrows": most_rows,
    }
    if pandas.__version__ < "3.1":
        options["float_precision"] = "round_trip"  # as `float` reads it; the default since then
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of columns that are read again below
            table = pandas.read_csv(sheet.source(), **options)
            mixed = [name for name in table.columns if table[name].dtype == object]
            if mixed:
                types = dict.fromkeys(mixed, "str")
                again = pandas.read_csv(sheet.source(), **options, dtype=types)
                table = table.assign(**{name: again[name] for name in mixed})
    except (pandas.errors.ParserError, pandas.errors.EmptyDataError) as error:
        raise DataError(*sheet.problems(str(error))) from error
    return table


def of_series(name: str, series: "pandas.Series[Any]", missing: frozenset[str]) -> Column:
    """Return a column of pandas."""
    kind = getattr(series.dtype, "kind", "O")
    if kind in "iuf" and isinstance(series.dtype, np.dtype):
        return Column(name, series.to_numpy().astype(np.float64, copy=False))
    if kind == "b" and isinstance(series.dtype, np.dtype):
        return Column(name, series.to_numpy().astype(np.float64), "truths")
    import pyarrow

    if series.dtype == object:
        series = series.map(str, na_action="ignore")
    return of_arrow(name, pyarrow.array(series, from_pandas=True), missing)


def of_arrow(name: str, values: Any, missing: frozenset[str]) -> Column:
    """Return a column of pyarrow; lists become texts, joined with |."""
    import pyarrow
    from pyarrow import compute, types

    if isinstance(values, pyarrow.ChunkedArray):
        values = values.combine_chunks()
    kind = values.type
    if types.is_dictionary(kind):
        values, kind = values.dictionary_decode(), kind.value_type
    if types.is_boolean(kind):
        return Column(name, _floats(values), "truths")
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return Column(name, _floats(values))
    if types.is_null(kind):
        return Column(name, np.full(len(values), np.nan))
    if types.is_timestamp(kind) or types.is_date(kind):
        micros = values.cast(pyarrow.timestamp("us", tz=getattr(kind, "tz", None)), safe=False)
        return Column(name, _floats(micros.cast(pyarrow.int64())) / 1e6, "dates")
    if not (types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)):
        plain = [_joined(each) for each in values.to_pylist()]
        values = pyarrow.array(plain, pyarrow.string())
    encoded = values.cast(pyarrow.large_string()).dictionary_encode()
    codes = compute.fill_null(encoded.indices, -1).to_numpy()
    return of_texts(name, codes, encoded.dictionary.to_pylist(), missing)


def _floats(values: Any) -> NDArray[np.float64]:
    import pyarrow

    floats = values.cast(pyarrow.float64(), safe=False)
    found: NDArray[np.float64] = floats.to_numpy(zero_copy_only=False)
    return found


def _joined(value: Any) -> str | None:
    if value is None:
        return None
    return "|".join(map(str, value)) if isinstance(value, list) else str(value)
