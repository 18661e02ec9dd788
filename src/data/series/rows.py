"""Rows of a file in order of time, without holes: what windows are cut from."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.series.roles import Roles, numbers
from data.series.steps import ROWS, Step, find_step, positions
from data.series.times import Times, parse, shown

Gaps = Literal["error", "interpolate", "split", "ignore"]
GAPS: tuple[Gaps, ...] = ("error", "interpolate", "split", "ignore")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rows:
    """Consecutive steps of one series."""

    name: str
    """The file, and where it holds several series which one: "load.csv:north"."""
    times: Times
    values: NDArray[np.float64]
    """[T, channels]."""
    lines: NDArray[np.int64]
    """The line of each step in its file [T]; 0 where it was filled in."""
    step: Step = ROWS
    key: tuple[str, ...] = ()
    """What the columns that tell series apart hold."""

    def part(self, where: Any) -> "Rows":
        """Return some of the steps, by a slice or a mask."""
        times = Times(self.times.values[where], self.times.kind)
        return replace(self, times=times, values=self.values[where], lines=self.lines[where])


def series_of(
    frame: Any, name: str, roles: Roles, *, day_first: bool | None = None
) -> Iterator[tuple[Rows, Any]]:
    """Yield each series of a table, sorted by time, with the frame's rows that it comes from.

    Raises:
        DataError: cells that can't be read, or times that come twice in a series.
    """
    values = np.stack([numbers(frame, column, name) for column in roles.channels], axis=1)
    if roles.time is None:
        times = Times(np.arange(len(frame), dtype=np.int64), "row")
    else:
        where = f"column {roles.time!r} of {name}"
        times = parse(frame[roles.time], where, day_first=day_first)
    for key, rows in _groups(frame, roles.series):
        own = Times(times.values[rows], times.kind)
        if (np.diff(own.values) < 0).any():
            order = np.argsort(own.values, kind="stable")
            rows, own = rows[order], Times(own.values[order], own.kind)
            logger.warning("%s: rows are not in order of time; sorted", ":".join((name, *key)))
        full = ":".join((name, *key))
        _refuse_twice(own, rows, full)
        yield Rows(full, own, values[rows], rows + 2, key=key), rows


def without_holes(rows: Rows, gaps: Gaps, step: Step | None = None) -> list[Rows]:
    """Return the parts of a series between which steps are missing: one where none is.

    Args:
        rows: sorted, no time twice.
        gaps: what to do about missing steps and empty cells: "error"; "interpolate" fills them in
            on a straight line between their neighbours; "split" cuts there; "ignore" takes rows
            one after the other, whatever the time between them.
        step: the step that is known already; None to find it.

    Raises:
        DataError: missing steps or empty cells with gaps="error", empty cells with "ignore", or
            irregular times.
    """
    empty: NDArray[np.bool_] = np.isnan(rows.values).max(axis=1)
    if empty.any() and gaps in ("error", "ignore"):
        raise DataError(_empty_cells(rows, empty))
    step = step or find_step(rows.times)
    if gaps == "ignore":
        return [replace(rows, step=step)]
    if gaps == "split":
        rows = rows.part(~empty)
    places, off = positions(rows.times, step)
    if off.any() and gaps != "interpolate":
        raise DataError(_irregular(rows, off, step))
    rows = replace(rows, step=step)
    holes = np.flatnonzero(np.diff(places) > 1) + 1
    if gaps == "split":
        bounds = [0, *holes.tolist(), len(places)]
        return [rows.part(slice(a, b)) for a, b in pairwise(bounds) if a < b]
    if len(holes) and gaps == "error":
        raise DataError(_missing_steps(rows, places, holes))
    if len(holes) or empty.any() or off.any():
        return [_filled(rows, places, empty, off)]
    return [rows]


def _filled(
    rows: Rows, places: NDArray[np.int64], empty: NDArray[np.bool_], off: NDArray[np.bool_]
) -> Rows:
    """Fill what is missing in on straight lines; empty ends are left out."""
    exact: NDArray[np.float64] = places.astype(np.float64)
    if off.any():  # rows between the steps: their own times count
        first = rows.times.values[0]
        exact = (rows.times.values - first) / rows.step.size
    known = ~np.isnan(rows.values)
    complete = np.flatnonzero(known.all(axis=1))
    if not len(complete):
        raise DataError(f"{rows.name} has no row without an empty cell; leave columns out")
    first_place, last_place = np.ceil(exact[complete[0]]), np.floor(exact[complete[-1]])
    grid = np.arange(int(first_place), int(last_place) + 1)
    values = np.stack(
        [
            np.interp(grid, exact[known[:, c]], rows.values[known[:, c], c])
            for c in range(rows.values.shape[1])
        ],
        axis=1,
    )
    lines = np.zeros(len(grid), dtype=np.int64)
    own = complete[np.isin(exact[complete], grid)]
    lines[exact[own].astype(np.int64) - grid[0]] = rows.lines[own]
    kind = rows.times.values.dtype
    times = np.interp(grid, exact, (rows.times.values - rows.times.values[0]).astype(np.float64))
    filled = Times(times.astype(kind) + rows.times.values[0], rows.times.kind)
    number = int((lines == 0).sum())
    if number:
        logger.warning("%s: %d of %d steps were interpolated", rows.name, number, len(grid))
    return replace(rows, times=filled, values=values, lines=lines)


def _groups(
    frame: Any, columns: Sequence[str]
) -> Iterator[tuple[tuple[str, ...], NDArray[np.int64]]]:
    """Yield what each series is called, in order of first appearance, with its rows."""
    if not columns:
        yield (), np.arange(len(frame))
        return
    grouped = frame.groupby(list(columns), sort=False, dropna=False)
    for key, rows in grouped.indices.items():
        parts = key if isinstance(key, tuple) else (key,)
        yield tuple(map(str, parts)), np.asarray(rows, dtype=np.int64)


def _refuse_twice(times: Times, rows: NDArray[np.int64], name: str) -> None:
    again = np.flatnonzero(np.diff(times.values) == 0)
    if not len(again):
        return
    some = again[:5]
    texts = shown(Times(times.values[some], times.kind))
    told = ", ".join(
        f"{text} in lines {rows[place] + 2} and {rows[place + 1] + 2}"
        for text, place in zip(texts, some.tolist(), strict=True)
    )
    raise DataError(
        f"{len(again)} {'time comes' if len(again) == 1 else 'times come'} more than once in {name}"
        f" ({told}{', ...' if len(again) > 5 else ''}); keep one row of each, or name the column "
        "that tells series apart: data.series=..."
    )


def _empty_cells(rows: Rows, empty: NDArray[np.bool_]) -> str:
    lines = rows.lines[empty].tolist()
    shown_lines = ", ".join(map(str, lines[:5])) + (", ..." if len(lines) > 5 else "")
    return (
        f"{len(lines)} {'row' if len(lines) == 1 else 'rows'} of {rows.name} with empty cells "
        f"(line {shown_lines}); fill them in with data.gaps=interpolate, or cut the "
        "series there with data.gaps=split"
    )


def _missing_steps(rows: Rows, places: NDArray[np.int64], holes: NDArray[np.int64]) -> str:
    texts = shown(Times(rows.times.values[holes[:5] - 1], rows.times.kind))
    sizes = (places[holes] - places[holes - 1] - 1).tolist()
    told = ", ".join(f"{size} after {text}" for size, text in zip(sizes, texts, strict=False))
    return (
        f"{sum(sizes)} of {places[-1] + 1} steps of {rows.step.text} are missing in {rows.name} "
        f"({told}{', ...' if len(holes) > 5 else ''}); fill them in with data.gaps=interpolate, "
        "cut the series there with data.gaps=split, or take row after row with data.gaps=ignore"
    )


def _irregular(rows: Rows, off: NDArray[np.bool_], step: Step) -> str:
    texts = shown(Times(rows.times.values[off][:5], rows.times.kind))
    return (
        f"{int(off.sum())} of {len(off)} times of {rows.name} are irregular, no whole number of "
        f"steps ({step.text}) after the one before ({', '.join(texts)}"
        f"{', ...' if off.sum() > 5 else ''}); bring them on a grid with data.gaps=interpolate, or "
        "take row after row with data.gaps=ignore"
    )
