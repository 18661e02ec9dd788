"""Where windows lie: none of training holds a step that is foretold later (property tests)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import TimeSeriesSplit

from data.errors import DataError
from data.series.rows import Gaps, Rows, without_holes
from data.series.times import Times
from data.series.windows import Steps, WindowNames, cuts, starts

HOUR = 3600 * 10**9


def rows(places: list[int], *, empty: tuple[int, ...] = (), name: str = "a") -> Rows:
    """A value at each hour, the hour itself; some cells empty."""
    hours = np.array(places, dtype=np.int64)
    values = hours.astype(np.float64)[:, None].copy()
    values[list(empty)] = np.nan
    return Rows(name, Times(hours * HOUR, "date"), values, np.arange(len(hours)) + 2)


series_places = st.lists(st.integers(0, 120), min_size=8, max_size=90, unique=True).map(
    lambda found: sorted({*found, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11})
)


@settings(max_examples=60)
@given(
    series_places,
    st.integers(1, 9),
    st.integers(1, 5),
    st.sampled_from([0.0, 0.1, 0.3]),
    st.sampled_from([0.0, 0.2, 0.4]),
    st.sampled_from(["interpolate", "split", "ignore"]),
    st.integers(1, 3),
    st.lists(st.integers(1, 10), max_size=3),
)
def test_no_training_window_holds_what_is_foretold_later(
    places: list[int],
    window: int,
    horizon: int,
    validation: float,
    test: float,
    gaps: Gaps,
    stride: int,
    empty: list[int],
) -> None:
    holes = tuple(empty) if gaps != "ignore" else ()
    parts = without_holes(rows(places, empty=holes), gaps)
    steps = Steps.of([parts])
    total = len(steps.values)
    ends = cuts(total, horizon, validation=validation, test=test)
    found = starts(steps, 0, window, horizon, ends, stride)

    def inputs(first: int) -> set[int]:
        return set(range(first, first + window))

    def targets(first: int) -> set[int]:
        return set(range(first + window, first + window + horizon))

    later = [set().union(*(targets(k) for k in part.tolist())) for part in found[1:]]
    for first in found[0].tolist():
        assert not (inputs(first) | targets(first)) & (later[0] | later[1])
    for first in found[1].tolist():
        assert not (inputs(first) | targets(first)) & later[1]
    for part in found:
        for first in part.tolist():
            whole = steps.values[first : first + window + horizon, 0]
            own = np.flatnonzero(steps.offsets <= first)[-1]
            assert first + window + horizon <= steps.offsets[own + 1]
            if gaps != "ignore":  # consecutive hours, so nothing is between them
                assert np.allclose(np.diff(whole), 1)
            # What was filled in looks ahead, so it ends neither the input nor the target.
            assert steps.is_original[first + window - 1]
            assert steps.is_original[first + window + horizon - 1]
    assert not (validation == 0 and len(found[1])) and not (test == 0 and len(found[2]))


def test_the_property_can_fail() -> None:
    steps = Steps.of([[rows(list(range(40)))]])
    train, validation, _ = starts(steps, 0, 4, 2, (30, 40, 40), 1)
    assert int(train.max()) + 4 + 2 == 30 == int(validation.min()) + 4
    late, _, _ = starts(steps, 0, 4, 2, (31, 40, 40), 1)  # an end that is one step too late
    assert int(late.max()) + 4 + 2 > int(validation.min()) + 4


@settings(max_examples=30)
@given(st.integers(20, 200), st.integers(2, 5), st.data())
def test_rolling_origin_is_that_of_scikit_learn(
    count: int, folds: int, data: st.DataObject
) -> None:
    fold = data.draw(st.integers(0, folds - 1))
    train_end, end, last = cuts(count, 1, validation=0.5, test=0, folds=folds, fold=fold)
    train, validation = list(TimeSeriesSplit(folds).split(np.zeros(count)))[fold]
    assert train.tolist() == list(range(train_end))
    assert validation.tolist() == list(range(train_end, end)) and last == count


def test_holes_are_an_error_or_handled() -> None:
    broken = rows([0, 1, 2, 5, 6, 7, 8, 9])
    with pytest.raises(DataError, match=r"2 of 10 steps of 1 hour are missing in a \(2 after"):
        without_holes(broken, "error")
    (whole,) = without_holes(broken, "interpolate")
    assert whole.values[:, 0].tolist() == list(range(10))
    assert np.flatnonzero(whole.lines == 0).tolist() == [3, 4]
    assert np.diff(whole.times.values).tolist() == [HOUR] * 9
    assert [len(part.values) for part in without_holes(broken, "split")] == [3, 5]
    assert len(without_holes(broken, "ignore")[0].values) == 8


def test_empty_cells_are_an_error_or_handled() -> None:
    broken = rows(list(range(8)), empty=(0, 3, 7))
    for gaps in ("error", "ignore"):
        with pytest.raises(DataError, match=r"3 rows of a with empty cells \(line 2, 5, 9\)"):
            without_holes(broken, gaps)
    (whole,) = without_holes(broken, "interpolate")
    assert whole.values[:, 0].tolist() == [1, 2, 3, 4, 5, 6]
    assert [part.values[:, 0].tolist() for part in without_holes(broken, "split")] == [
        [1, 2],
        [4, 5, 6],
    ]


def test_irregular_times_are_an_error_or_brought_on_a_grid() -> None:
    times = np.array([0, 1, 2, 3.4, 4, 5]) * HOUR
    broken = Rows(
        "a", Times(times.astype(np.int64), "date"), times[:, None] / HOUR, np.arange(2, 8)
    )
    for gaps in ("error", "split"):
        with pytest.raises(DataError, match=r"2 of 6 times of a are irregular"):
            without_holes(broken, gaps)
    (whole,) = without_holes(broken, "interpolate")
    assert np.allclose(whole.values[:, 0], np.arange(6))
    assert np.flatnonzero(whole.lines == 0).tolist() == [3]


def test_windows_are_called_after_series_and_first_target() -> None:
    steps = Steps.of([[rows(list(range(5)))], [rows(list(range(3)), name="b")]])
    names = WindowNames(steps, np.array([1, 4, 6]))
    assert list(names) == ["a:1970-01-01T01:00", "a:1970-01-01T04:00", "b:1970-01-01T01:00"]
    assert names[1:][0] == names[1] and len(names) == 3
