"""Times in every usual writing; steps by the calendar."""

import logging

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from data.series.steps import find_step, positions, season_of
from data.series.times import Times, named_time, parse, seems_time, shown


def dates(*texts: str, day_first: bool | None = None) -> list[str]:
    return shown(parse(pandas.Series(texts), "column", day_first=day_first))


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("2024-03-01", "2024-03-02"), ["2024-03-01", "2024-03-02"]),
        (("2024-03-01T05:00", "2024-03-01 06:30:00"), ["2024-03-01T05:00", "2024-03-01T06:30"]),
        (("2024-03-01T05:00+02:00", "2024-03-01T05:00Z"), ["2024-03-01T03:00", "2024-03-01T05:00"]),
        (("31.12.2023", "01.01.2024"), ["2023-12-31", "2024-01-01"]),
        (("1.2.2024 08:00", "1.2.2024 09:00"), ["2024-02-01T08:00", "2024-02-01T09:00"]),
        (("13/02/2024", "01/03/2024"), ["2024-02-13", "2024-03-01"]),
        (("02/13/2024", "03/01/2024"), ["2024-02-13", "2024-03-01"]),
        (("Mar 2024", "Apr 2024"), ["2024-03-01", "2024-04-01"]),
    ],
)
def test_dates_are_read_as_they_are_meant(texts: tuple[str, ...], expected: list[str]) -> None:
    assert dates(*texts) == expected


def test_where_day_and_month_cannot_be_told_apart_it_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert dates("01/02/2024") == ["2024-02-01"]
    assert "data.day_first" in caplog.text
    caplog.clear()
    assert dates("01/02/2024", day_first=False) == ["2024-01-02"]
    assert dates("13.02.2024") == ["2024-02-13"]
    assert not caplog.text


def test_numbers_are_epochs_days_or_counters(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    for scale in (1, 1000, 10**6, 10**9):
        seconds = np.array([1_700_000_000, 1_700_003_600]) * scale
        times = parse(pandas.Series(seconds), "t")
        assert shown(times) == ["2023-11-14T22:13:20", "2023-11-14T23:13:20"]
    assert caplog.text.count("since 1970") == 4
    assert shown(parse(pandas.Series([20240131, 20240201]), "t")) == ["2024-01-31", "2024-02-01"]
    assert shown(parse(pandas.Series([0, 1, 2.5]), "t")) == ["0", "1", "2.5"]
    assert parse(pandas.Series([1999, 2000]), "t").kind == "number"
    frame = pandas.Series(pandas.to_datetime(["2024-03-01", "2024-03-02"]))
    assert parse(frame.dt.tz_localize("Europe/Berlin"), "t").values[0] % (3600 * 10**9) == 0


def test_cells_that_are_no_times_are_told_with_their_lines() -> None:
    with pytest.raises(DataError, match=r"1 cell of column can't be read .*line 3 \('soon'\)"):
        dates("2024-03-01", "soon")
    with pytest.raises(DataError, match=r"1 empty cells in t, line 3"):
        parse(pandas.Series(["2024-03-01", None]), "t")


def test_columns_of_times_are_known_by_name_and_content() -> None:
    assert seems_time(["2024-03-01", "2024-03-02"]) and seems_time(["1.2.24 08:00"])
    assert not seems_time(["1.25", "2.5"]) and not seems_time([]) and not seems_time(["abc"])
    assert named_time("Date_Time") and named_time("ds") and not named_time("estimate")


def days(*texts: str) -> Times:
    return Times(np.array(texts, dtype="M8[ns]").astype(np.int64), "date")


@pytest.mark.parametrize(
    ("times", "text", "season"),
    [
        (days("2024-01-01", "2024-01-02", "2024-01-04"), "1 day", 7),
        (days("2024-01-01T00", "2024-01-01T01", "2024-01-01T02"), "1 hour", 24),
        (days("2024-01-01T00:00", "2024-01-01T00:15"), "15 minutes", 96),
        (days("2024-01-31", "2024-02-29", "2024-03-31"), "1 month", 12),
        (days("2024-01-01", "2024-04-01", "2024-07-01"), "3 months", 4),
        (days("2023-01-01", "2024-01-01"), "1 year", 1),
        (days("2024-01-01", "2024-01-08"), "1 week", 52),
        (days("2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09"), "1 business day", 5),
        (Times(np.array([0.1, 0.2, 0.3]), "number"), "0.1 of the counter", 1),
    ],
)
def test_the_step_is_what_the_calendar_says(times: Times, text: str, season: int) -> None:
    step = find_step(times)
    assert (step.text, season_of(step)) == (text, season)
    places, off = positions(times, step)
    assert not off.any() and places[0] == 0


@settings(max_examples=40)
@given(
    st.lists(st.integers(0, 500), min_size=3, max_size=60, unique=True),
    st.sampled_from([1, 60, 3600, 86_400]),
)
def test_positions_on_a_grid_are_found_again(places: list[int], seconds: int) -> None:
    places = sorted({*places, 0, 1, 2, 3, 4})
    values = np.array(places, dtype=np.int64) * seconds * 10**9 + 10**18
    step = find_step(Times(values, "date"))
    if step.size == seconds * 10**9 and step.calendar == "even":
        found, off = positions(Times(values, "date"), step)
        assert found.tolist() == places and not off.any()
    moved = values.copy()
    moved[1] += seconds * 10**9 // 2
    assert positions(Times(moved, "date"), step)[1].any() or step.calendar != "even"
