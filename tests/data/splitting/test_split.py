"""Each way of splitting: disjoint, complete, without leaks, near to what was asked for."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from data.folds import folded
from data.splits import stratified
from data.splitting import METHODS, method_for, split

Parts = tuple[np.ndarray, np.ndarray, np.ndarray]
FRACTION = st.sampled_from([0.0, 0.1, 0.25])
SEED = st.integers(-5, 2**63)


def whole(parts: Sequence[np.ndarray], count: int) -> bool:
    """Disjoint, complete, sorted int64."""
    assert all(part.dtype == np.int64 and (np.diff(part) > 0).all() for part in parts)
    return np.array_equal(np.sort(np.concatenate(parts)), np.arange(count))


def parted(**options: Any) -> Parts:
    options = {"validation": 0.1, "test": 0.2, "seed": 0, "method": None} | options
    return split(**options)


def test_stratified_by_class_is_what_it_always_was() -> None:
    labels = np.repeat(np.arange(4), (30, 12, 50, 9))
    expected = stratified(labels, validation=0.1, test=0.2, seed=3)
    found = parted(count=101, method="stratified", labels=labels, seed=3)
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    expected = folded(expected, labels, folds=4, fold=2, seed=3)
    found = parted(count=101, method="stratified", labels=labels, seed=3, folds=4, fold=2)
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 200), FRACTION, FRACTION, SEED)
def test_random(count: int, validation: float, test: float, seed: int) -> None:
    parts = parted(count=count, method="random", validation=validation, test=test, seed=seed)
    assert whole(parts, count) and len(parts[0])
    for part, fraction in zip(parts[1:], (validation, test), strict=True):
        assert (
            len(part) == 0
            if fraction == 0
            else abs(len(part) - fraction * count) < 1 or (len(part) == 1)
        )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 12), min_size=3, max_size=30), FRACTION, FRACTION, SEED, st.booleans()
)
def test_no_group_is_in_two_splits_and_sizes_are_near(
    sizes: list[int], validation: float, test: float, seed: int, labelled: bool
) -> None:
    chance = np.random.default_rng(len(sizes))
    groups = chance.permutation(np.repeat(np.arange(len(sizes)), sizes))
    count = len(groups)
    labels = np.zeros(count, np.int64) if labelled else None
    named = [f"person {group}" for group in groups]
    parts = parted(
        count=count, groups=named, labels=labels, validation=validation, test=test, seed=seed
    )
    assert whole(parts, count)
    held = [set(groups[part]) for part in parts]
    assert sum(map(len, held)) == len(sizes)
    for part, fraction in zip(parts[1:], (validation, test), strict=True):
        assert bool(len(part)) == (fraction > 0)
        # One group too many or too few, and no split is left empty.
        assert abs(len(part) - fraction * count) <= max(sizes)
    again = parted(
        count=count, groups=named, labels=labels, validation=validation, test=test, seed=seed
    )
    assert all(np.array_equal(a, b) for a, b in zip(parts, again, strict=True))


def test_groups_keep_the_shares_of_classes_where_they_can() -> None:
    chance = np.random.default_rng(0)
    # Each group has one class: split without looking at it, shares would be off by far.
    groups = np.repeat(np.arange(120), chance.integers(3, 9, 120))
    of_group = np.repeat(np.arange(3), (60, 40, 20))
    labels = chance.permutation(of_group)[groups].astype(np.int64)
    off = {}
    for known in (True, False):
        parts = parted(count=len(groups), groups=list(groups), labels=labels if known else None)
        shares = [np.bincount(labels[part], minlength=3) / len(part) for part in parts]
        off[known] = max(
            np.abs(share - np.bincount(labels) / len(labels)).max() for share in shares
        )
        assert abs(len(parts[1]) / len(groups) - 0.1) < 0.02
    assert off[True] < 0.02 < off[False]
    several = np.eye(3, dtype=np.int64)[labels]
    parts = parted(count=len(groups), groups=list(groups), labels=several)
    assert np.abs(several[parts[2]].mean(0) - several.mean(0)).max() < 0.02


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 20), min_size=8, max_size=80).filter(lambda t: len(set(t)) > 3),
    FRACTION,
    FRACTION,
    st.booleans(),
)
def test_no_time_is_in_two_splits_and_the_newest_test(
    times: list[int], validation: float, test: float, dates: bool
) -> None:
    when: np.ndarray = np.array(times)
    if dates:
        when = np.datetime64("2024-02-28") + when
    parts = parted(count=len(times), times=when, validation=validation, test=test)
    assert whole(parts, len(times))
    ordered = [when[part] for part in parts if len(part)]
    assert len(ordered) == 1 + (validation > 0) + (test > 0)
    for older, newer in pairwise(ordered):
        assert older.max() < newer.min()
    largest = max(times.count(time) for time in times)
    if test:
        # A cut is at most half a block of equal times away, or one time had to be kept.
        assert abs(len(parts[2]) - test * len(times)) <= largest + 1


def test_a_hash_keeps_each_sample_where_it_is() -> None:
    names = [f"folder/é{number}.jpg" for number in range(3000)]
    few = parted(count=2000, method="hash", names=names[:2000])
    more = parted(count=3000, method="hash", names=names)
    for part, larger in zip(few, more, strict=True):
        assert set(part) <= set(larger)
    assert whole(more, 3000)
    assert abs(len(more[2]) / 3000 - 0.2) < 0.03 and abs(len(more[1]) / 3000 - 0.1) < 0.03
    moved = parted(count=3000, method="hash", names=names[::-1])
    assert set(2999 - moved[2]) == set(more[2])
    other = parted(count=3000, method="hash", names=names, seed=1)
    assert not np.array_equal(other[2], more[2])
    # What these samples got must never change: splits would be shuffled by an update.
    assert [name in {names[i] for i in more[2]} for name in names[:8]] == HASHED


HASHED = [False, True, False, True, True, False, False, False]


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 6), st.integers(40, 300), SEED)
def test_labels_keep_their_shares(num_labels: int, count: int, seed: int) -> None:
    chance = np.random.default_rng(count)
    labels = (chance.random((count, num_labels)) < chance.random(num_labels)).astype(np.int64)
    parts = parted(count=count, method="stratified", labels=labels, seed=seed)
    assert whole(parts, count)
    for part, fraction in zip(parts, (0.7, 0.1, 0.2), strict=True):
        assert abs(len(part) - count * fraction) <= 2
        # Iterative stratification is greedy: a few samples off, where chance is off by more.
        assert (np.abs(labels[part].sum(0) - fraction * labels.sum(0)) <= 3).all()


def test_rare_labels_are_spread_where_chance_would_miss() -> None:
    chance = np.random.default_rng(0)
    labels = np.zeros((5000, 20), dtype=np.int64)
    for column in range(20):
        labels[chance.choice(5000, 10 + column, replace=False), column] = 1
    parts = parted(count=5000, method="stratified", labels=labels)
    assert (labels[parts[1]].sum(0) >= 1).all() and (labels[parts[2]].sum(0) >= 2).all()
    by_chance = parted(count=5000, method="random", labels=labels)
    assert (labels[by_chance[1]].sum(0) == 0).any()


def test_a_column_says_it_and_what_it_leaves_open_is_split() -> None:
    words = ["train"] * 10 + ["Dev"] * 4 + ["testing "] * 6
    parts = parted(count=20, given=words)
    assert [part.tolist() for part in parts] == [
        list(range(10)),
        list(range(10, 14)),
        list(range(14, 20)),
    ]
    labels = np.array([0, 1] * 20)
    parts = parted(count=40, given=["test"] * 4 + [""] * 36, labels=labels)
    assert parts[2].tolist() == [0, 1, 2, 3] and whole(parts, 40)
    assert np.bincount(labels[parts[1]]).tolist() == [2, 2]
    # Without open samples a validation is taken from the training samples.
    parts = parted(count=40, given=["test"] * 10 + ["train"] * 30)
    assert (len(parts[1]), len(parts[2])) == (3, 10)


@pytest.mark.parametrize("method", ["random", "group", "hash", "column", "stratified", "labels"])
def test_in_folds_each_sample_but_the_tests_validates_once(method: str) -> None:
    chance = np.random.default_rng(5)
    groups = chance.integers(0, 40, 300)
    names = [f"s{number}" for number in range(300)]
    labels = chance.integers(0, 3, 300) if method != "labels" else chance.integers(0, 2, (300, 4))
    options: dict[str, Any] = {
        "method": "stratified" if method == "labels" else method,
        "labels": None if method == "random" else labels,
        "groups": groups.tolist(),
        "names": names,
        "given": ["test"] * 60 + [""] * 240,
    }
    found = [parted(count=300, folds=5, fold=fold, **options) for fold in range(5)]
    tests = {tuple(parts[2]) for parts in found}
    assert len(tests) == 1
    seen = np.concatenate([parts[1] for parts in found])
    assert np.array_equal(np.sort([*seen, *tests.pop()]), np.arange(300))
    assert all(whole(parts, 300) for parts in found)
    sizes = [len(parts[1]) for parts in found]
    assert max(sizes) - min(sizes) < {"hash": 30, "group": 12}.get(method, 3)
    # The test is the same with folds and without, and `validation` has no effect on folds.
    assert third(parted(count=300, **options)) == third(found[0])
    other = parted(count=300, folds=5, fold=4, **options, validation=0.3)
    assert all(np.array_equal(a, b) for a, b in zip(other, found[4], strict=True))
    if method == "group":
        for parts in found:
            assert not set(groups[parts[1]]) & set(groups[parts[0]])


def third(parts: Parts) -> list[int]:
    tests: list[int] = parts[2].tolist()
    return tests


def test_the_way_of_splitting_follows_from_what_there_is() -> None:
    assert method_for([]) == method_for(["names"]) == "random"
    assert method_for(["labels", "names"]) == "stratified"
    assert method_for(["labels", "times"]) == "time"
    assert method_for(["labels", "times", "groups"]) == "group"
    assert method_for(["labels", "groups", "given"]) == "column"
    assert set(METHODS) == {"stratified", "random", "group", "time", "hash", "column"}


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        ({"method": "folder", "validation": 1.5}, ["split ('folder')", "validation (1.5)"]),
        ({"method": "group", "test": -1}, ["has no groups; name their column", "test (-1)"]),
        ({"method": "stratified"}, ["no classes to keep the shares of; choose data.split=random"]),
        ({"method": "time", "times": range(9), "folds": 3, "fold": 0}, ["train on what comes"]),
        ({"method": "random", "count": 2}, ["2 samples, too few for 3 splits"]),
        ({"method": "random", "count": 0}, ["no samples (0)"]),
        ({"method": "random", "folds": 9}, ["data.fold=0 to 8"]),
        ({"groups": ["a", "b"] * 4 + ["a"]}, ["2 groups in data.group, too few for 3 splits"]),
        ({"groups": ["a", "b", "", "d", None, "f", "g", "h", float("nan")]}, ["3 samples have no"]),
        ({"times": np.array([1.0, float("nan"), *range(7)])}, ["1 sample has no time (1)"]),
        ({"times": np.array(["2024-01-01", *["NaT"] * 8], "M8[D]")}, ["8 samples have no time"]),
        ({"times": np.zeros(9)}, ["1 different times in data.time, too few for 3"]),
        ({"given": ["train", "tran", "holdout", *["tran"] * 6]}, ["'tran' (7 x, first at 1)"]),
        ({"given": ["test"] * 9}, ["no samples (0) to split"]),
        (
            {"method": "hash", "names": list("abcdefghi"), "test": 1e-9},
            ["leaves no sample of 9 for the test"],
        ),
        ({"splits": "splits.csv"}, ["these samples have none"]),
    ],
)
def test_what_can_not_be_split_is_told_with_the_remedy(
    options: dict[str, Any], texts: list[str]
) -> None:
    with pytest.raises(DataError) as error:
        parted(**({"count": 9} | options))
    assert error.value.exit_code == 2
    assert len(error.value.problems) == len(texts)
    for text in texts:
        assert text in str(error.value)


def test_classes_that_training_lacks_are_told(caplog: pytest.LogCaptureFixture) -> None:
    labels = np.array([0] * 16 + [1] * 4)
    parted(count=20, times=np.arange(20), labels=labels, classes=["cat", "dog"])
    assert "1 class of the test split not in training, and so not learned: 'dog'" in caplog.text
    caplog.clear()
    parted(count=20, labels=labels, classes=["cat", "dog"])
    assert not caplog.text


def test_cells_of_pandas_are_understood() -> None:
    import pandas

    frame = pandas.DataFrame(
        {
            "part": pandas.array(["train", None, "test", "train"], dtype="string"),
            "who": pandas.array(["a", pandas.NA, "b", "c"], dtype="string"),
            "when": pandas.to_datetime(["2024-01-03", "2024-01-01", None, "2024-01-02"]),
        }
    )
    parts = parted(count=4, given=list(frame["part"]), validation=0)
    assert [part.tolist() for part in parts] == [[0, 1, 3], [], [2]]
    with pytest.raises(DataError, match=r"1 sample has no group \(1\)"):
        parted(count=4, groups=list(frame["who"]))
    for times in (frame["when"].to_numpy(), frame["when"].to_numpy().astype(object)):
        with pytest.raises(DataError, match=r"1 sample has no time \(2\)"):
            parted(count=4, times=times)
    known = frame["when"].dropna()
    parts = parted(count=3, times=np.array(list(known), dtype=object))
    assert [part.tolist() for part in parts] == [[1], [2], [0]]


def test_splits_need_no_torch(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = "import sys, data.splitting; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, timeout=60)
