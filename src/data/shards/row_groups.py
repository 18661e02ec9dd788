"""Parquet files read a row group at a time, of which only the last few are kept."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError, SampleError
from data.shards.listing import Shards
from data.shards.row_reader import finite
from data.splits import Indices
from data.splitting.rules import first


@dataclass(frozen=True)
class RowGroups:
    """Where the rows of several Parquet files lie: all that their footers say."""

    paths: tuple[Path, ...]
    """Path of each file."""
    names: tuple[str, ...]
    """What to call each."""
    file: Indices
    """Number of each row group's file [G]."""
    number: Indices
    """Its number in that file [G]."""
    start: Indices
    """Its first row, counted over all files [G + 1]; the last entry is the number of rows."""
    types: dict[str, str]
    """Kind of each column that all files have: "number", "truth", "text", "time" or another."""

    @property
    def count(self) -> int:
        """Rows of all files."""
        return int(self.start[-1])

    def name(self, row: int) -> str:
        """Return what to call a row: its file and its number therein."""
        group = self.group_of(np.array([row]))[0]
        file = int(self.file[group])
        first_group = int(np.searchsorted(self.file, file))
        return f"{self.names[file]}:{row - int(self.start[first_group])}"

    def group_of(self, rows: Indices) -> Indices:
        """Return the row group of each row."""
        groups: Indices = np.searchsorted(self.start, rows, side="right") - 1
        return groups

    def table(self, group: int, columns: Sequence[str]) -> Any:
        """Return some columns of a row group, a pyarrow.Table; SampleError where it is damaged."""
        import pyarrow
        from pyarrow import parquet

        file = int(self.file[group])
        try:
            with parquet.ParquetFile(self.paths[file]) as opened:
                return opened.read_row_group(
                    int(self.number[group]), columns=list(columns), use_threads=False
                )
        except (pyarrow.ArrowException, OSError) as error:
            raise SampleError(
                f"row group {int(self.number[group])} of {self.names[file]} can't be read "
                f"({' '.join(str(error).split())}); restore the file"
            ) from error

    def numbers(self, group: int, columns: Sequence[str]) -> NDArray[np.float64]:
        """Return some columns as float64 [rows, columns], NaN where a value is missing."""
        import pyarrow

        table = self.table(group, columns)
        values = np.empty((len(table), len(columns)), dtype=np.float64)
        for place, name in enumerate(columns):
            column = table[name]
            if pyarrow.types.is_boolean(column.type):
                column = column.cast(pyarrow.uint8())
            column = column.cast(pyarrow.float64(), safe=False)
            values[:, place] = column.to_numpy()
        return values

    def values(self, columns: Sequence[str]) -> Iterator[Any]:
        """Return some columns of each row group in turn, as pyarrow.Table."""
        for group in range(len(self.number)):
            yield self.table(group, columns)


class Window:
    """The row groups that are needed just now: older ones are let go.

    Args:
        groups: of which files.
        columns: which columns.
        rows: rows that are mixed; so many, and two groups more, are kept at most.
    """

    def __init__(self, groups: RowGroups, columns: Sequence[str], rows: int) -> None:
        self.groups, self.columns = groups, tuple(columns)
        largest = int(np.diff(groups.start).max(initial=0))
        self.room = rows + 2 * largest
        self.num_read = 0
        self._kept: OrderedDict[int, NDArray[np.float32]] = OrderedDict()

    @property
    def num_rows(self) -> int:
        """Rows that are kept now."""
        return sum(map(len, self._kept.values()))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_kept": OrderedDict()}

    def read(self, rows: Indices) -> NDArray[np.float32]:
        """Return rows by their number, float32 [B, columns], NaN where a value is missing."""
        found = np.empty((len(rows), len(self.columns)), dtype=np.float32)
        of = self.groups.group_of(rows)
        for group in np.unique(of).tolist():
            here = of == group
            found[here] = self._group(group)[rows[here] - int(self.groups.start[group])]
        return found

    def _group(self, group: int) -> NDArray[np.float32]:
        if group not in self._kept:
            with np.errstate(over="ignore"):  # beyond float32: infinite, and so missing
                values = self.groups.numbers(group, self.columns).astype(np.float32)
            self.num_read += 1
            self._kept[group] = finite(values)
            while self.num_rows > self.room:
                self._kept.popitem(last=False)
        self._kept.move_to_end(group)
        return self._kept[group]


def row_groups(shards: Shards) -> RowGroups:
    """Return the row groups of all files, by their footers alone.

    Raises:
        DataError: files that can't be read, or lack columns that others have.
    """
    import pyarrow
    from pyarrow import parquet

    problems, file, number, rows = [], list[int](), list[int](), list[int]()
    schemas: list[tuple[str, dict[str, str]]] = []
    for place, (path, name) in enumerate(zip(shards.paths, shards.names, strict=True)):
        try:
            with parquet.ParquetFile(path) as opened:
                metadata, schema = opened.metadata, opened.schema_arrow
        except (pyarrow.ArrowException, OSError) as error:
            reason = " ".join(str(error).split())
            problems.append(f"{name} is truncated or no Parquet file ({reason}); fetch it again")
            continue
        schemas.append((name, {field.name: _kind(field.type) for field in schema}))
        for group in range(metadata.num_row_groups):
            file.append(place)
            number.append(group)
            rows.append(metadata.row_group(group).num_rows)
    problems += _misfits(schemas)
    if not problems and not sum(rows):
        problems.append(f"no rows in {len(shards.names)} Parquet files; check data.path")
    if problems:
        raise DataError(*problems)
    start = np.concatenate([[0], np.cumsum(rows)]).astype(np.int64)
    return RowGroups(
        tuple(shards.paths),
        shards.names,
        np.array(file, dtype=np.int64),
        np.array(number, dtype=np.int64),
        start,
        schemas[0][1],
    )


def _misfits(schemas: Sequence[tuple[str, dict[str, str]]]) -> Iterator[str]:
    for name, types in schemas[1:]:
        reference, expected = schemas[0]
        lost = [column for column in expected if column not in types]
        if lost:
            yield f"{name} lacks the columns {first(lost)} that {reference} has; mend it"
        other = [c for c in expected if c in types and types[c] != expected[c]]
        if other:
            yield (
                f"{name} has other types than {reference} in {first(other)} ({types[other[0]]}, "
                f"not {expected[other[0]]}); mend it"
            )


def _kind(arrow_type: Any) -> str:
    from pyarrow import types

    if types.is_dictionary(arrow_type):
        arrow_type = arrow_type.value_type
    if types.is_boolean(arrow_type):
        return "truth"
    if types.is_integer(arrow_type):
        return "whole number"
    if types.is_floating(arrow_type) or types.is_decimal(arrow_type):
        return "number"
    if types.is_string(arrow_type) or types.is_large_string(arrow_type):
        return "text"
    if types.is_temporal(arrow_type):
        return "time"
    return str(arrow_type)
