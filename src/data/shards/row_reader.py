"""Rows of a CSV or Parquet file as model input: the path of predict for tables in shards."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError, SampleError
from data.given import Given
from data.inputs import nearest
from data.splitting.rules import first

TRUE, FALSE = ("true", "yes"), ("false", "no")
MISSING = ("", "na", "nan", "null", "none")


class RowReader:
    """Reads rows as the dataset that it belongs to reads its own.

    Args:
        features: names of the columns, in the order of a model's inputs.
        mean: of each column.
        std: likewise; a missing value becomes the mean.

    Raises:
        DataError: lists of different lengths.
    """

    def __init__(
        self, features: Sequence[str], mean: Sequence[float], std: Sequence[float]
    ) -> None:
        if not len(features) == len(mean) == len(std):
            raise DataError(
                f"features, mean and std ({len(features)}, {len(mean)}, {len(std)}) of a reader; "
                "give one of each for each feature"
            )
        self.features, self.mean, self.std = tuple(features), tuple(mean), tuple(std)

    @property
    def node(self) -> dict[str, Any]:
        """What makes this reader again: `_target_` and arguments, as plain values."""
        return {
            "_target_": "data.shards.row_reader.RowReader",
            "features": list(self.features),
            "mean": list(self.mean),
            "std": list(self.std),
        }

    def expand(self, source: str) -> Iterator[Given]:
        """Return the rows of a CSV file (comma, semicolon or tab) or a Parquet file.

        Raises:
            DataError: there is no such file, or it lacks columns.
        """
        path = Path(source).expanduser()
        if not path.is_file():
            hint = nearest(path, "; give a CSV or Parquet file")
            raise DataError(f"{path} does not exist{hint}")
        if path.suffix.lower() in (".parquet", ".pq"):
            return self._parquet(path)
        try:
            return self._csv(path.read_text(encoding="utf-8-sig"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path} can't be read ({error}); save it as UTF-8 CSV") from error

    def expand_bytes(self, content: bytes) -> Iterator[Given]:
        """Return the rows of a CSV file's content."""
        try:
            return self._csv(content.decode("utf-8-sig"), "standard input")
        except UnicodeDecodeError as error:
            raise DataError(f"standard input is no UTF-8 text ({error}); give a CSV") from error

    def read(self, source: Mapping[str, Any]) -> NDArray[np.float32]:
        """Return one row as it is stored, float32 [F], NaN where a value is missing.

        Raises:
            SampleError: a column is missing, or a value is no number.
        """
        if not isinstance(source, Mapping):
            raise SampleError(
                f"{source!r} is no row with the columns {first(self.features)}; give a CSV or "
                "Parquet file"
            )
        lost = [name for name in self.features if name not in source]
        if lost:
            raise SampleError(f"a row lacks {len(lost)} columns ({first(lost)}); add them")
        row = np.array([_value(source[name], name) for name in self.features], dtype=np.float32)
        return finite(row)

    def batch(self, samples: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Return model input, float32 [B, F], of what `read` gave."""
        rows = np.stack(samples).astype(np.float32)
        rows -= np.asarray(self.mean, dtype=np.float32)
        rows /= np.asarray(self.std, dtype=np.float32)
        rows[np.isnan(rows)] = 0
        return rows

    def script(self) -> None:
        """There is no stand-alone predict.py for tables."""

    def _csv(self, text: str, name: str) -> Iterator[Given]:
        header = text.split("\n", 1)[0]
        delimiter = max(",;\t", key=header.count)
        reader = csv.DictReader(StringIO(text, newline=""), delimiter=delimiter)
        self._check(list(reader.fieldnames or []), name)

        def rows() -> Iterator[Given]:
            for row in reader:
                cells = {str(key): cell or "" for key, cell in row.items() if key is not None}
                yield Given(f"{name}:{reader.line_num}", cells, cells)

        return rows()

    def _parquet(self, path: Path) -> Iterator[Given]:
        import pyarrow
        from pyarrow import parquet

        try:
            file = parquet.ParquetFile(path)
        except (pyarrow.ArrowException, OSError) as error:
            raise DataError(f"{path} is no readable Parquet file ({error}); mend it") from error
        self._check(file.schema_arrow.names, str(path))

        def rows() -> Iterator[Given]:
            number = 0
            for batch in file.iter_batches(1024):
                for row in batch.to_pylist():
                    cells = {key: "" if value is None else str(value) for key, value in row.items()}
                    yield Given(f"{path}:{number}", row, cells)
                    number += 1

        return rows()

    def _check(self, columns: Sequence[str], name: str) -> None:
        lost = [feature for feature in self.features if feature not in columns]
        if lost:
            raise DataError(
                f"{name} lacks {len(lost)} of {len(self.features)} columns ({first(lost)}); it "
                f"has {first(columns) or 'none'}"
            )


def finite(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the values with NaN for infinite ones, which count as missing."""
    values[np.isinf(values)] = np.nan
    return values


def _value(cell: Any, name: str) -> float:
    if cell is None:
        return float("nan")
    if not isinstance(cell, str):
        try:
            return float(cell)
        except (TypeError, ValueError) as error:
            raise SampleError(f"{cell!r} in column {name!r} is no number; mend it") from error
    text = cell.strip()
    if text.lower() in MISSING:
        return float("nan")
    if text.lower() in TRUE + FALSE:
        return float(text.lower() in TRUE)
    try:
        # A decimal comma is told apart by there being no point.
        return float(text if "." in text else text.replace(",", "."))
    except ValueError:
        raise SampleError(
            f"{cell!r} in column {name!r} is no number; mend it, or leave the cell empty"
        ) from None
