"""What one step of time is, and how many of them lie between two rows."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.series.times import Times

DAY = 86_400 * 10**9
UNITS = (
    ("week", 7 * DAY),
    ("day", DAY),
    ("hour", 3600 * 10**9),
    ("minute", 60 * 10**9),
    ("second", 10**9),
    ("millisecond", 10**6),
    ("microsecond", 10**3),
    ("nanosecond", 1),
)
TOLERANCE = 0.05
"""A difference that is off the grid by more, in steps, is irregular."""
Calendar = Literal["even", "months", "business", "rows"]


class Step(NamedTuple):
    """The distance of one row to the next: a size in units of the calendar."""

    calendar: Calendar
    size: float
    kind: str = "row"

    @property
    def text(self) -> str:
        """For messages: "1 hour", "3 months", "1 row"."""
        if self.calendar == "months":
            years, rest = divmod(int(self.size), 12)
            return _counted(years, "year") if years and not rest else _counted(self.size, "month")
        if self.calendar == "business":
            return _counted(self.size, "business day")
        if self.calendar == "rows":
            return "1 row"
        if self.kind != "date":
            return f"{self.size:g} of the counter"
        for name, unit in UNITS:
            if self.size >= unit and self.size % unit == 0:
                return _counted(self.size / unit, name)
        return f"{self.size:g} nanoseconds"


ROWS = Step("rows", 1.0)


def find_step(times: Times) -> Step:
    """Return the step of sorted times: the commonest difference, in days that fit the calendar."""
    if times.kind == "row" or len(times.values) < 2:
        return ROWS
    differences = np.diff(times.values)
    if times.kind == "date":
        months = _months(times.values)
        if months is not None and differences.min() >= 28 * DAY:
            return Step("months", float(_commonest(np.diff(months))), "date")
        usual = _commonest(differences)
        if usual == DAY and _is_business(times.values) and (differences == 3 * DAY).any():
            return Step("business", 1.0, "date")
        return Step("even", float(usual), "date")
    # Counters may be decimals: 0.1, 0.2, ... differ by rounding.
    return Step("even", float(_commonest(np.round(differences, 9))), "number")


def positions(times: Times, step: Step) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return how many steps each row is after the first, int64 [N], and which are off the grid."""
    count = len(times.values)
    if step.calendar == "rows" or count < 2:
        return np.arange(count, dtype=np.int64), np.zeros(count, dtype=bool)
    if step.calendar == "months":
        months = _months(times.values)
        if months is None:
            return np.arange(count, dtype=np.int64), np.ones(count, dtype=bool)
        exact = np.diff(months) / step.size
    elif step.calendar == "business":
        days = times.values.astype("M8[ns]").astype("M8[D]")
        exact = np.busday_count(days[:-1], days[1:]) / step.size
    else:
        exact = np.diff(times.values) / step.size
    rounded = np.maximum(np.rint(exact), 1)
    off = np.concatenate([[False], np.abs(exact - rounded) > TOLERANCE])
    whole = np.concatenate([[0], np.cumsum(rounded)]).astype(np.int64)
    return whole, off


def season_of(step: Step) -> int:
    """Return after how many steps a pattern is likely to come again; 1 where nothing is known."""
    if step.calendar == "months":
        return max(1, 12 // int(step.size)) if 12 % int(step.size) == 0 else 1
    if step.calendar == "business":
        return 5
    if step.calendar == "rows" or step.kind != "date":
        return 1
    minute = 60 * 10**9
    if step.size in (DAY, 7 * DAY):
        return 7 if step.size == DAY else 52
    whole = DAY if step.size >= minute else minute
    return int(whole / step.size) if whole > step.size and whole % step.size == 0 else 1


def _months(nanoseconds: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return months since 1970, or None unless all are the same day of a month, or its last."""
    days = nanoseconds.astype("M8[ns]").astype("M8[D]")
    months = days.astype("M8[M]")
    if (
        len(np.unique(days - months)) > 1
        and len(np.unique((months + 1).astype("M8[D]") - days)) > 1
    ):
        return None
    return months.astype(np.int64)


def _is_business(nanoseconds: NDArray[np.int64]) -> bool:
    return bool(np.is_busday(nanoseconds.astype("M8[ns]").astype("M8[D]")).all())


def _commonest(values: NDArray[np.generic]) -> float:
    found, counts = np.unique(values, return_counts=True)
    return float(found[counts.argmax()])


def _counted(number: float, name: str) -> str:
    return f"{number:g} {name}{'' if number == 1 else 's'}"
