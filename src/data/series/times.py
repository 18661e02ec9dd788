"""A column of times, however it is written, as whole numbers that can be compared."""

import logging
import re
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.series.files import cells

Kind = Literal["date", "number", "row"]
TIME_NAME = re.compile(
    "time|timestamp|datetime|date|ds|datum|zeit|uhrzeit|day|month|year|hour|week|period|quarter|utc|"
    "t|ts|step|tick|index|seconds|sec|ms|epoch|unix|unixtime"
)
ISO = re.compile(r"\d{4}-\d{1,2}(-\d{1,2})?([T ].*)?")
THREE_NUMBERS = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(\b.*)?")
EPOCHS = ((1e8, 1e10, "s"), (1e11, 1e13, "ms"), (1e14, 1e16, "us"), (1e17, 1e19, "ns"))
NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
logger = logging.getLogger(__name__)


class Times(NamedTuple):
    """Times of rows: nanoseconds since 1970 (UTC), or numbers of a counter."""

    values: NDArray[Any]
    """int64 for dates and rows, float64 for numbers [N]."""
    kind: Kind


def parse(column: Any, where: str, *, day_first: bool | None = None) -> Times:
    """Return the times of a pandas column.

    Taken are dates of Parquet files, ISO 8601, other dates with the day or the month first, seconds
    (or milli-, micro-, nanoseconds) since 1970, YYYYMMDD, and plain counters. What has a time zone
    is brought to UTC. Where the order of day and month can't be seen, the day comes first, which is
    said.

    Args:
        column: a pandas Series.
        where: what messages call it.
        day_first: which comes first in 01/02/2024; None to find out.

    Raises:
        DataError: cells that are empty or no time, with their lines.
    """
    empty = column.isna().to_numpy()
    if empty.any():
        rows = np.flatnonzero(empty).tolist()
        raise DataError(
            f"{len(rows)} empty cells in {where}, {cells(rows, [''] * len(rows))}; each row needs "
            "its time"
        )
    if column.dtype.kind == "M" or str(column.dtype).startswith("datetime64"):
        return Times(_nanoseconds(column), "date")
    if column.dtype.kind in "iuf":
        return _numbers(column.to_numpy(), where)
    return Times(_dates(column.astype(str).str.strip(), where, day_first), "date")


def seems_time(values: Any) -> bool:
    """Whether texts (some cells of a column) are all dates."""
    texts = [str(value).strip() for value in values if str(value).strip()]
    return bool(texts) and all(ISO.fullmatch(t) or THREE_NUMBERS.fullmatch(t) for t in texts)


def named_time(name: str) -> bool:
    """Whether a column is called as times are."""
    return any(map(TIME_NAME.fullmatch, re.split(r"[^a-z]+", name.lower())))


def shown(times: Times) -> list[str]:
    """Return the times as text, no longer than they need be: "2024-03-01T05:00", "17"."""
    if times.kind != "date":
        return [f"{value:g}" if value % 1 else str(int(value)) for value in times.values.tolist()]
    dates = times.values.astype("M8[ns]")
    return list(map(str, np.datetime_as_string(dates, unit=unit_of(times.values))))


def unit_of(nanoseconds: NDArray[np.int64]) -> Literal["D", "m", "s", "ns"]:
    """Return the coarsest unit that tells the dates exactly."""
    for unit, size in (("D", 86_400 * 10**9), ("m", 60 * 10**9), ("s", 10**9)):
        if not (nanoseconds % size).any():
            return unit  # type: ignore[return-value]
    return "ns"


def _nanoseconds(column: Any) -> NDArray[np.int64]:
    plain = column.dt.tz_convert("UTC").dt.tz_localize(None) if column.dt.tz else column
    result: NDArray[np.int64] = plain.to_numpy().astype("M8[ns]").astype(np.int64)
    return result


def _numbers(values: NDArray[Any], where: str) -> Times:
    low, high = float(values.min()), float(values.max())
    whole = not (values % 1).any()
    if whole and low >= 19_000_101 and high <= 21_001_231 and (values % 100 <= 31).all():
        texts = values.astype(np.int64).astype(str)
        try:
            days = [f"{text[:4]}-{text[4:6]}-{text[6:]}" for text in texts.tolist()]
            return Times(np.array(days, dtype="M8[ns]").astype(np.int64), "date")
        except ValueError:
            pass  # some are no days, so they count something else
    for least, most, unit in EPOCHS:
        if least <= low and high < most:
            logger.warning("%s is read as time since 1970 in %s", where, unit)
            scale = NANOSECONDS[unit]
            exact = values.astype(np.int64) * scale if whole else np.rint(values * scale)
            return Times(exact.astype(np.int64), "date")
    return Times(values.astype(np.float64), "number")


def _dates(texts: Any, where: str, day_first: bool | None) -> NDArray[np.int64]:
    import pandas

    first = texts.iloc[0]
    parts = THREE_NUMBERS.fullmatch(first)
    if ISO.fullmatch(first):
        found = pandas.to_datetime(texts, format="ISO8601", utc=True, errors="coerce")
    elif parts:
        if day_first is None:
            day_first = _day_first(texts, parts[2], where)
        texts = texts.str.replace(r"^(\d+)[./-](\d+)[./-](\d+)", r"\1/\2/\3", regex=True)
        found = pandas.to_datetime(
            texts, format="mixed", dayfirst=day_first, utc=True, errors="coerce"
        )
    else:
        found = pandas.to_datetime(texts, format="mixed", utc=True, errors="coerce")
    bad = np.flatnonzero(found.isna().to_numpy()).tolist()
    if bad:
        raise DataError(
            f"{len(bad)} {'cell' if len(bad) == 1 else 'cells'} of {where} can't be read as a "
            f"time, {cells(bad, texts.iloc[bad].tolist())}; mend them, or name another column: "
            "data.time=..."
        )
    return _nanoseconds(found)


def _day_first(texts: Any, mark: str, where: str) -> bool:
    """Whether the day stands before the month: by numbers above 12, else by the mark, else yes."""
    numbers = texts.str.extract(r"^(\d+)[./-](\d+)").astype("float64")
    if (numbers[0] > 12).any():
        return True
    if (numbers[1] > 12).any():
        return False
    if mark != ".":
        logger.warning("%s: day or month first can't be seen; the day (data.day_first)", where)
    return True
