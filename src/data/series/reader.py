"""From a file of series to model input: the latest window of each series. No torch."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError, SampleError
from data.given import Given
from data.series.files import Dialect
from data.series.listing import listed
from data.series.opening import series_in
from data.series.roles import Roles
from data.series.rows import GAPS, Gaps, Rows, without_holes
from data.series.steps import ROWS, Step
from data.series.times import Times, shown

LARGEST_WINDOW = 1 << 24
STANDARD_INPUT = "-"


class Latest(NamedTuple):
    """What `expand` gives of a series: its last steps, or why there are none."""

    name: str
    values: NDArray[np.float32] | None
    """[window, channels]."""
    problem: str = ""


class WindowReader:
    """Reads the latest window of each series in a file, as the dataset reads its windows.

    Args:
        window: steps of a model's input.
        channels: columns, in the order in which a model takes them.
        mean: of each channel, over the training steps.
        std: likewise.
        time: column of times; None: each row is a step.
        series: columns that tell series apart.
        gaps: what is done about missing steps and empty cells, see `data.series.rows`.
        step: calendar, size and kind of the step that the model was trained on.
        separator: between columns; None to find it.
        decimal: "." or ","; None to find it.
        encoding: of text files; None to find it.
        day_first: whether the day comes first in 01/02/2024; None to find out.

    Raises:
        DataError: the arguments don't go together.
    """

    def __init__(
        self,
        *,
        window: int,
        channels: Sequence[str],
        mean: Sequence[float],
        std: Sequence[float],
        time: str | None = None,
        series: Sequence[str] = (),
        gaps: Gaps = "error",
        step: Sequence[Any] = ("rows", 1.0, "row"),
        separator: str | None = None,
        decimal: str | None = None,
        encoding: str | None = None,
        day_first: bool | None = None,
    ) -> None:
        self.dialect = Dialect(separator, decimal, encoding)
        problems = self.dialect.problems()
        if not 1 <= window <= LARGEST_WINDOW:
            problems.append(f"window ({window}) of a reader; give 1 to {LARGEST_WINDOW:,} steps")
        if not len(mean) == len(std) == len(channels) > 0:
            problems.append(
                f"mean and std ({len(mean)}, {len(std)}) of a reader; give one per channel, of "
                f"which there are {len(channels)}"
            )
        if gaps not in GAPS:
            problems.append(f"gaps ({gaps!r}) of a reader; choose {', '.join(GAPS)}")
        if len(step) != 3 or not float(step[1]) > 0:
            problems.append(f"step ({list(step)}) of a reader; give calendar, size above 0, kind")
        if problems:
            raise DataError(*problems)
        self.window, self.gaps, self.day_first = window, gaps, day_first
        self.roles = self._roles(time, tuple(series), tuple(channels))
        self.mean, self.std = tuple(map(float, mean)), tuple(map(float, std))
        self.step = Step(step[0], float(step[1]), str(step[2]))

    @property
    def node(self) -> dict[str, Any]:
        """What makes this reader again: `_target_` and arguments, as plain values."""
        return {
            "_target_": f"data.series.reader.{type(self).__name__}",
            "window": self.window,
            "channels": list(self.roles.channels),
            "mean": list(self.mean),
            "std": list(self.std),
            "time": self.roles.time,
            "series": list(self.roles.series),
            "gaps": self.gaps,
            "step": list(self.step),
            "separator": self.dialect.separator,
            "decimal": self.dialect.decimal,
            "encoding": self.dialect.encoding,
            "day_first": self.day_first,
        }

    def expand(self, source: str) -> Iterator[Given]:
        """Return the latest window of each series of a file, or of the files of a folder.

        Raises:
            DataError: nothing there, or a single file that can't be read.
        """
        files = listed(source)
        for file in files:
            try:
                yield from self._given(file.path, file.name)
            except DataError as error:
                if len(files) == 1:
                    raise
                yield Given(file.name, Latest(file.name, None, str(error)))

    def expand_bytes(self, content: bytes) -> Iterator[Given]:
        """Return the latest window of each series of a CSV or Parquet file's content."""
        yield from self._given(content, STANDARD_INPUT)

    def read(self, source: Latest | str | Path | bytes) -> NDArray[np.float32]:
        """Return one window as it stands in the file, float32 [window, channels].

        `source` is what `expand` gave, or a file of one series, or its content. Raises SampleError
        that says what is wrong: too few rows, missing steps, empty cells.
        """
        if not isinstance(source, Latest):
            try:
                given = list(
                    self.expand_bytes(source)
                    if isinstance(source, bytes)
                    else self.expand(str(source))
                )
            except DataError as error:
                raise SampleError(*error.problems) from error
            if len(given) != 1:
                raise SampleError(
                    f"{source if isinstance(source, str | Path) else 'the input'} holds "
                    f"{len(given)} series; give one of them"
                )
            source = given[0].source
        assert isinstance(source, Latest)
        if source.values is None:
            raise SampleError(source.problem)
        return source.values

    def batch(self, samples: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Return model input, float32 [B, window, channels], of what `read` gave.

        (x - mean) / std, each rounded to float32: bitwise what `Windows.finish` computes with torch
        on the CPU.
        """
        scaled: NDArray[np.float32] = np.stack(samples).astype(np.float32)
        scaled -= np.asarray(self.mean, dtype=np.float32)
        scaled /= np.asarray(self.std, dtype=np.float32)
        return scaled

    def script(self) -> None:
        """Return None: no file that stands alone reads series."""

    def _roles(self, time: str | None, series: tuple[str, ...], names: tuple[str, ...]) -> Roles:
        return Roles(time, series, names, ())

    def _given(self, source: Path | bytes, name: str) -> Iterator[Given]:
        for rows in series_in(source, name, self.roles, self.dialect, self.day_first):
            columns = dict(zip(self.roles.series, rows.key, strict=False))
            columns |= self._columns(rows)
            yield Given(rows.name, self._latest(rows), columns)

    def _columns(self, rows: Rows) -> dict[str, str]:
        """Return what the output tells beside the forecast: the last time that is known."""
        if not len(rows.values):
            return {}
        return {"after": shown(Times(rows.times.values[-1:], rows.times.kind))[0]}

    def _latest(self, rows: Rows) -> Latest:
        try:
            if len(rows.values) < self.window:
                raise DataError(_too_short(rows.name, len(rows.values), self.window))
            found = rows if self.step.calendar == "rows" else self._on_grid(rows)
            if len(found.values) < self.window:
                raise DataError(_too_short(rows.name, len(found.values), self.window))
        except DataError as error:
            return Latest(rows.name, None, str(error))
        return Latest(rows.name, found.values[-self.window :].astype(np.float32))

    def _on_grid(self, rows: Rows) -> Rows:
        # What lies before the window doesn't matter, so holes there are no reason to refuse.
        tail = rows if self.gaps == "interpolate" else rows.part(slice(-self.window, None))
        return without_holes(tail, self.gaps, self.step)[-1]


class SequenceReader(WindowReader):
    """Reads whole series as the dataset of a classification does; takes the same arguments.

    A series of fewer than `window` steps is padded at its end; of a longer one the last steps are
    taken. Times matter for the order only.
    """

    def batch(self, samples: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Return model input, float32 [B, window, channels], of what `read` gave; padding is 0."""
        scaled = super().batch(samples)
        scaled[np.isnan(scaled)] = 0.0
        return scaled

    def _roles(self, time: str | None, series: tuple[str, ...], names: tuple[str, ...]) -> Roles:
        return Roles(time, series, (), names, True)

    def _columns(self, rows: Rows) -> dict[str, str]:
        return {}

    def _latest(self, rows: Rows) -> Latest:
        try:
            values = whole_series(rows, self.gaps).values
        except DataError as error:
            return Latest(rows.name, None, str(error))
        return Latest(rows.name, padded(values.astype(np.float32), self.window))


def whole_series(rows: Rows, gaps: Gaps) -> Rows:
    """Return a series row after row, empty cells filled in where `gaps` says so.

    Raises:
        DataError: empty cells, unless gaps="interpolate".
    """
    as_rows = Times(np.arange(len(rows.values), dtype=np.int64), "row")
    same = replace(rows, times=as_rows)
    return without_holes(same, "interpolate" if gaps == "interpolate" else "error", ROWS)[0]


def padded(values: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """Return the last `length` steps of [T, channels]; NaN stands after a shorter series."""
    result = np.full((length, values.shape[1]), np.nan, dtype=np.float32)
    last = values[-length:]
    result[: len(last)] = last
    return result


def _too_short(name: str, have: int, needed: int) -> str:
    return (
        f"{name} has {have} {'row' if have == 1 else 'rows'} in a piece without holes, and the "
        f"model takes {needed}; give at least as many"
    )
