"""Where windows begin, so that none of training holds a step that is foretold later."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from data.series.rows import Rows
from data.series.times import Times, shown, unit_of

Indices = NDArray[np.int64]
Parts = tuple[Indices, Indices, Indices]


@dataclass(frozen=True)
class Steps:
    """All steps of all series, one series after the other."""

    values: NDArray[np.float32]
    """[S, channels], as in the files."""
    times: Times
    """Of each step [S]."""
    offsets: Indices
    """Where each stretch without holes begins, and the end of the last [stretches + 1]."""
    series: Indices
    """The series of each stretch [stretches]."""
    names: tuple[str, ...]
    """Name of each series."""
    is_original: NDArray[np.bool_]
    """Whether a step stood in a file [S]; others were filled in."""

    @classmethod
    def of(cls, series: Sequence[Sequence[Rows]]) -> "Steps":
        """Return the stretches of each series, put together."""
        stretches = [(number, part) for number, parts in enumerate(series) for part in parts]
        lengths = [len(part.values) for _, part in stretches]
        times = np.concatenate([part.times.values for _, part in stretches])
        return cls(
            values=np.concatenate([part.values for _, part in stretches]).astype(np.float32),
            times=Times(times, stretches[0][1].times.kind),
            offsets=np.cumsum([0, *lengths]).astype(np.int64),
            series=np.array([number for number, _ in stretches], dtype=np.int64),
            names=tuple(parts[0].name for parts in series),
            is_original=np.concatenate([part.lines > 0 for _, part in stretches]),
        )

    def stretches_of(self, series: int) -> Indices:
        """Return the numbers of a series' stretches."""
        return np.flatnonzero(self.series == series)


def cuts(
    total: int,
    horizon: int,
    *,
    validation: float,
    test: float,
    folds: int | None = None,
    fold: int | None = None,
) -> tuple[int, int, int]:
    """Return where of `total` steps training ends, validation ends and the test begins.

    Validation and test are the latest steps, at least a horizon each. With `folds` the steps before
    the test are divided into folds + 1 blocks: fold i trains on the first i + 1 and validates on
    the next, as scikit-learn's TimeSeriesSplit does ("rolling origin", Tashman 2000).
    """
    last = total - (max(round(total * test), horizon) if test else 0)
    if folds is None:
        own = max(round(total * validation), horizon) if validation else 0
        return last - own, last, last
    assert fold is not None
    block = last // (folds + 1)
    end = last - (folds - fold - 1) * block
    return end - block, end, last


def starts(
    steps: Steps, series: int, window: int, horizon: int, ends: tuple[int, int, int], stride: int
) -> Parts:
    """Return the first steps of a series' windows for training, validation and test.

    A window's `window` steps of input are followed by `horizon` steps of target, without a hole.
    The targets of each split lie within it; the inputs of validation and test may reach back
    before it, into what is the past by then. No step of a training window is a validation or test
    target. Inputs and targets end with steps that stood in the file: a step that was filled in
    holds something of the one after it.
    """
    parts: tuple[list[Indices], ...] = ([], [], [])
    before = 0
    train_end, validation_end, test_start = ends
    for stretch in steps.stretches_of(series).tolist():
        low, high = int(steps.offsets[stretch]), int(steps.offsets[stretch + 1])
        first = np.arange(low, high - window - horizon + 1, stride, dtype=np.int64)
        sound = steps.is_original[first + window - 1]
        first = first[sound & steps.is_original[first + window + horizon - 1]]
        begin = first - low + before + window
        end = begin + horizon
        parts[0].append(first[end <= train_end])
        parts[1].append(first[(begin >= train_end) & (end <= validation_end)])
        parts[2].append(first[begin >= test_start])
        before += high - low
    train, validation, test = (np.concatenate(part) for part in parts)
    return train, validation, test


def training_steps(steps: Steps, series: int, end: int) -> Indices:
    """Return the first `end` steps of a series."""
    places = [
        np.arange(steps.offsets[stretch], steps.offsets[stretch + 1])
        for stretch in steps.stretches_of(series).tolist()
    ]
    return np.concatenate(places)[:end]


class WindowNames(Sequence[str]):
    """The name of each window, made when it is asked for: series and time of the first target."""

    def __init__(self, steps: Steps, targets: Indices) -> None:
        self._steps, self._targets = steps, targets
        self._unit = unit_of(steps.times.values) if steps.times.kind == "date" else "D"

    def __len__(self) -> int:
        return len(self._targets)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        """Return one name, or several."""
        if isinstance(index, slice):
            return WindowNames(self._steps, self._targets[index])
        step = int(self._targets[index])
        stretch = int(np.searchsorted(self._steps.offsets, step, side="right")) - 1
        return f"{self._steps.names[self._steps.series[stretch]]}:{self._time(step)}"

    def __iter__(self) -> Iterator[str]:
        return (self[index] for index in range(len(self)))

    def _time(self, step: int) -> str:
        value: Any = self._steps.times.values[step]
        if self._steps.times.kind != "date":
            return shown(Times(np.array([value]), self._steps.times.kind))[0]
        return str(np.datetime_as_string(value.astype("M8[ns]"), unit=self._unit))
