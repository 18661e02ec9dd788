"""Single cells: numbers, dates, truths; the same ones that pandas reads."""

import io
from datetime import datetime

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.tables.cells import date, day_comes_first, decimal_evidence, number, truth
from data.tables.columns import distinct


@pytest.mark.parametrize(
    ("text", "decimal", "value"),
    [
        ("1.5", ".", 1.5),
        ("-3", ".", -3.0),
        ("+.5e2", ".", 50.0),
        ("1,5", ".", 1.5),
        ("1,5", ",", 1.5),
        ("1.5", ",", 1.5),
        ("1,234", ".", 1234.0),
        ("1,234", ",", 1.234),
        ("1.234", ",", 1234.0),
        ("1.234", ".", 1.234),
        ("1.234,5", ".", 1234.5),
        ("1.234,5", ",", 1234.5),
        ("1,234,567.25", ".", 1234567.25),
        ("1 234,5", ",", 1234.5),
        ("1'234.5", ".", 1234.5),
        ("1e400", ".", float("inf")),
        ("-inf", ".", float("-inf")),
        ("1_000", ".", None),
        ("0x10", ".", None),
        ("12 kg", ".", None),
        ("12%", ".", 12.0),
        ("1,5 %", ",", 1.5),
        ("$1,234.50", ".", 1234.5),
        ("-€ 1.234,5", ",", -1234.5),
        ("$-5", ".", -5.0),
        ("$12%", ".", None),
        ("-$-5", ".", None),
        ("%", ".", None),
        ("$", ".", None),
        ("1,23,4", ".", None),
        ("1.2.3", ".", None),
        ("٣", ".", None),
        ("", ".", None),
    ],
)
def test_numbers(text: str, decimal: str, value: float | None) -> None:
    assert number(text, decimal) == value


@given(
    st.lists(
        st.one_of(
            st.floats(allow_nan=False).map(repr),
            st.integers().map(str),
            st.decimals(allow_nan=False, allow_infinity=False).map(str),
            st.text("0123456789.eE+-xinfXy_ ", min_size=1, max_size=8).map(str.strip),
        ).filter(lambda text: text not in ("", "-", ".")),
        min_size=1,
        max_size=20,
    )
)
@settings(max_examples=60)
def test_what_pandas_takes_for_a_number_is_that_number(texts: list[str]) -> None:
    """Training reads columns with pandas, predict reads cells with `number`: bit for bit alike."""
    for text in texts:
        read = pandas.read_csv(
            io.StringIO(f"{text}\n"), header=None, na_values=[], keep_default_na=False
        )[0]
        if read.dtype.kind in "iuf":
            assert number(text) == float(read[0]), text


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-09",
        "2024/3/9",
        "09.03.2024",
        "9.3.24",
        "9 Mar 2024",
        "9. March 2024",
        "March 9, 2024",
        "Mar 9th 2024",
        "2024-03-09T00:00:00Z",
        "2024-03-09 01:30:00+01:30",
        "2024-03-09 12:00:00 AM",
    ],
)
def test_dates(text: str) -> None:
    expected = (datetime(2024, 3, 9) - datetime(1970, 1, 1)).total_seconds()
    assert date(text) == expected


def test_dates_with_a_time_and_what_is_none() -> None:
    day = date("2024-03-09")
    assert day is not None
    assert date("2024-03-09 14:30:05.25") == day + 14 * 3600 + 30 * 60 + 5.25
    assert date("3/9/2024 2:30 pm", day_first=False) == day + 14.5 * 3600
    assert date("9/3/2024", day_first=True) == day == date("3/9/2024", day_first=False)
    assert date("31/3/2024", day_first=False) == date("3/31/2024", day_first=True)
    for text in ("2024-13-01", "30.02.2024", "20240309", "1.2", "9 Foo 2024", "2024-03-09x", ""):
        assert date(text) is None, text


def test_the_order_of_day_and_month_is_told_by_days_above_twelve() -> None:
    assert day_comes_first(["01/02/2024", "31/01/2024"]) is True
    assert day_comes_first(["01/02/2024", "01/31/2024"]) is False
    assert day_comes_first(["01/02/2024"]) is None


def test_truths_and_evidence_of_a_decimal_sign() -> None:
    assert [truth(t) for t in ("Yes", "n", "TRUE", "0", "1", "maybe")] == [1, 0, 1, 0, 1, None]
    votes = {"1,5": 1, "1.5": -1, "1,234": 0, "1.234": 0, "0,125": 1, "12345,678": 1, "x": 0}
    assert {text: decimal_evidence(text) for text in votes} == votes
    assert decimal_evidence("1.234,5") == 1 and decimal_evidence("1,234.5") == -1


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(-70000, 70000).map(float), max_size=30)
    | st.lists(st.floats(-9, 9) | st.sampled_from([float("inf"), float("nan"), -0.0, 1e300]))
)
def test_different_values_are_those_of_numpy(values: list[float]) -> None:
    array = np.array(values, dtype=np.float64)
    unique, places = np.unique(array, return_inverse=True)
    found, ours = distinct(array)
    assert np.array_equal(found, unique, equal_nan=True) and np.array_equal(ours, places)
