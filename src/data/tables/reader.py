"""From a table that a user hands in to model input, row by row; needs neither torch nor pandas."""

import glob
import io
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError, SampleError
from data.given import Given
from data.inputs import nearest
from data.tables.cells import MISSING, NO_NUMBER
from data.tables.encoding import Encoding
from data.tables.features import WHAT, Feature
from data.tables.frame import Frame
from data.tables.layout import (
    Layout,
    encoding_of,
    guessed,
    head_rows,
    is_parquet,
    is_table,
    names_of,
    records,
)
from data.tables.reading import HEAD_BYTES, decoded_head, opened, refuse_spreadsheet
from data.tables.values import lacking

logger = logging.getLogger(__name__)
STANDARD_INPUT = "-"


class Row(NamedTuple):
    """One row of a table, as `expand` finds it."""

    name: str
    """Such as "wines.csv:17"."""
    cells: tuple[str | None, ...]
    """Of each feature, in order."""
    decimal: str
    """The sign before a fraction where two are possible."""
    wrong: str | None = None
    """Why the row can't be read at all."""


class TableReader:
    """Reads rows as the table that it belongs to was read.

    Args:
        columns: the features with all that the training split says, see `Encoding.nodes`.
        separator: of the training file; another file's own is guessed, this decides where nothing
            tells, and so do the next two.
        decimal: likewise.
        header: likewise.
        missing: texts that mean that a value is missing; None for the usual ones.

    Raises:
        DataError: the columns are not complete.
    """

    def __init__(
        self,
        columns: Sequence[Mapping[str, Any]],
        separator: str | None = None,
        decimal: str | None = None,
        header: bool | None = None,
        missing: Sequence[str] | None = None,
    ) -> None:
        self.encoding = Encoding.of_nodes(columns)
        self.layout = Layout(separator=separator, decimal=decimal, header=header)
        self.missing = MISSING if missing is None else frozenset(missing)
        self._names = [each.name for each in self.encoding.features]
        self._said: set[str] = set()
        self._lock = threading.Lock()

    @classmethod
    def of(cls, encoding: Encoding, frame: Frame) -> "TableReader":
        """Return the reader of a table."""
        layout = frame.layout
        missing = None if frame.missing == MISSING else sorted(frame.missing)
        return cls(encoding.nodes, layout.separator, layout.decimal, layout.header, missing)

    @property
    def node(self) -> dict[str, Any]:
        """What makes this reader again: `_target_` and arguments, as plain values."""
        return {
            "_target_": "data.tables.reader.TableReader",
            "columns": self.encoding.nodes,
            "separator": self.layout.separator,
            "decimal": self.layout.decimal,
            "header": self.layout.header,
            "missing": None if self.missing == MISSING else sorted(self.missing),
        }

    def expand(self, source: str) -> Iterator[Given]:
        """Return the rows of a file, of all tables in a folder, or of those a pattern matches.

        Raises:
            DataError: there is no such file, or it lacks a column that the model needs.
        """
        path = Path(source).expanduser()
        if path.is_dir():
            files = [each for each in sorted(path.iterdir()) if is_table(each.name)]
        elif path.exists():
            files = [path]
        elif glob.has_magic(source):
            found = glob.glob(str(path), recursive=True)  # noqa: PTH207  # of any path, absolute too
            files = [Path(each) for each in sorted(found)]
        else:
            raise DataError(f"{path} does not exist{nearest(path)}")
        if not files:
            raise DataError(f"{source} holds no table; give a CSV, TSV or Parquet file")
        return chain.from_iterable([self._rows_of(file) for file in files])

    def expand_bytes(self, content: bytes) -> Iterator[Given]:
        """Return the rows of a CSV that came on standard input."""
        return self._text_rows(io.BytesIO(content), STANDARD_INPUT)

    def read(self, source: Any) -> NDArray[np.float64]:
        """Return the stored value of each feature of one row, float64 [C].

        Args:
            source: what `expand` gave, or the cells by column name.

        Raises:
            SampleError: a cell is not what its column has to be; it names row, column and value.
        """
        row = source if isinstance(source, Row) else self._row_of(source)
        if row.wrong is not None:
            raise SampleError(f"{row.name}: {row.wrong}")
        found = np.empty(len(self._names))
        problems = []
        for place, (feature, cell) in enumerate(
            zip(self.encoding.features, row.cells, strict=True)
        ):
            value, wrong = self._value(feature, cell, row.decimal)
            found[place] = value
            if wrong:
                problems.append(f"column {feature.name!r}: {cell!r} {wrong}")
        if problems:
            raise SampleError(f"{row.name}: {'; '.join(problems)}")
        return found

    def batch(self, samples: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Return model input, float32 [B, F], of what `read` gave."""
        return self.encoding.encode(list(np.stack(samples).T))

    def script(self) -> str | None:
        """Return None: there is no predict.py that stands alone for tables."""
        return None

    def _value(self, feature: Feature, cell: str | None, decimal: str) -> tuple[float, str | None]:
        """Return what a cell is stored as, and what is wrong with it."""
        text = "" if cell is None else cell.strip()
        if cell is None or text in self.missing:
            return feature.absent, None
        value = feature.value(text, decimal)
        if value is None:
            if text.casefold() in NO_NUMBER:
                return feature.absent, None
            return 0.0, f"is not {WHAT[feature.kind]}"
        if np.isinf(value):
            return 0.0, "is not finite"
        if feature.kind == "category" and value == 0:
            self._say_unknown(feature.name, text)
        return value, None

    def _say_unknown(self, name: str, text: str) -> None:
        if name in self._said:
            return
        with self._lock:
            if name not in self._said:
                self._said.add(name)
                logger.warning("column %r: %r not in training, taken as unknown", name, text)

    def _row_of(self, source: Any) -> Row:
        if not isinstance(source, Mapping):
            raise SampleError(
                f"a row can't be read from {type(source).__name__}; give what expand() gives, or "
                "the cells by column name"
            )
        if problems := lacking("the row", self._names, list(source)):
            raise SampleError(*problems)
        cells = [None if source[n] is None else str(source[n]) for n in self._names]
        return Row("row", tuple(cells), ".")

    def _rows_of(self, path: Path) -> Iterator[Given]:
        if is_parquet(path.name):
            return self._parquet_rows(path)
        refuse_spreadsheet(path)
        try:
            return self._text_rows(opened(path), path.name)
        except OSError as error:
            raise DataError(f"{path} can't be read ({error.strerror or error})") from error

    def _text_rows(self, stream: BinaryIO, name: str) -> Iterator[Given]:
        """Return the rows of a text; its columns are checked at once."""
        try:
            start = stream.read(HEAD_BYTES)
        except (OSError, EOFError) as error:
            stream.close()
            raise DataError(f"{name} can't be read ({error})") from error
        if not start.strip():
            stream.close()
            raise DataError(f"{name} is empty; give a table with a header and rows")
        encoding = encoding_of(start, whole=False)
        head = decoded_head(start, encoding)
        layout = guessed(head, Layout(), name=name, prior=self.layout)
        assert layout.separator is not None and layout.decimal is not None
        rows = head_rows(head.split("\n", layout.skipped)[-1], layout.separator)
        names, _ = names_of(rows, bool(layout.header))
        if problems := lacking(name, self._names, names):
            stream.close()
            raise DataError(*problems)
        return self._given(stream, start, encoding, layout, names, name)

    def _given(
        self,
        stream: BinaryIO,
        start: bytes,
        encoding: str,
        layout: Layout,
        names: list[str],
        name: str,
    ) -> Iterator[Given]:
        with stream:
            stream.seek(0)
            plain = io.TextIOWrapper(stream, encoding=encoding, errors="replace", newline="")
            for _ in range(layout.skipped):
                plain.readline()
            found = records(plain, str(layout.separator))
            if layout.header:
                next(found, None)
            places = [names.index(each) for each in self._names]
            for line, cells, wrong in found:
                label = f"{name}:{line + layout.skipped}"
                if wrong is None and len(cells) > len(names):
                    wrong = f"{len(cells)} cells, and the header has {len(names)}"
                full = [*cells, *[""] * (len(names) - len(cells))]
                own = tuple(full[place] for place in places) if wrong is None else ()
                row = Row(label, own, str(layout.decimal), wrong)
                yield Given(label, row, dict(zip(names, full, strict=False)))

    def _parquet_rows(self, path: Path) -> Iterator[Given]:
        import pyarrow
        from pyarrow import parquet

        try:
            file = parquet.ParquetFile(path)
        except (pyarrow.ArrowException, OSError) as error:
            told = " ".join(str(error).split())[:200]
            raise DataError(f"{path} can't be read ({told}); restore or replace it") from error
        names, _ = names_of([file.schema_arrow.names], True)
        if problems := lacking(path.name, self._names, names):
            raise DataError(*problems)
        return self._parquet_given(file, names, path.name)

    def _parquet_given(self, file: Any, names: list[str], name: str) -> Iterator[Given]:
        from data.tables.frame import of_arrow

        line = 0
        with file:
            for batch in file.iter_batches(batch_size=1024):
                columns = [
                    of_arrow(each, values, self.missing)
                    for each, values in zip(names, batch.columns, strict=True)
                ]
                for row in range(batch.num_rows):
                    line += 1
                    cells = {column.name: column.text(row) for column in columns}
                    own = tuple(cells[each] for each in self._names)
                    label = f"{name}:{line}"
                    yield Given(label, Row(label, own, "."), cells)
