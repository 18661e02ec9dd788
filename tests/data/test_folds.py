"""Folds: each sample but the test's validates exactly once, evenly, and the test never changes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_images import fill
from test_torchvision_sets import mnist_files

from data.digits import digits
from data.errors import DataError
from data.folds import folded
from data.images import images
from data.splits import stratified
from data.torchvision.sets import mnist

LABELS = st.lists(st.integers(9, 40), min_size=1, max_size=6).map(
    lambda counts: np.repeat(np.arange(len(counts)), counts)
)
FRACTION = st.sampled_from([0.0, 0.1, 0.3])


@settings(max_examples=150, deadline=None)
@given(LABELS, FRACTION, FRACTION, st.integers(2, 5), st.integers(-5, 2**63))
def test_folds_are_disjoint_complete_even_and_leave_the_test(
    labels: np.ndarray, validation: float, test: float, folds: int, seed: int
) -> None:
    labels = labels[np.argsort(np.random.default_rng(len(labels)).random(len(labels)))]
    parts = stratified(labels, validation=validation, test=test, seed=seed)
    rest = np.sort(np.concatenate(parts[:2]))
    found = [folded(parts, labels, folds=folds, fold=f, seed=seed) for f in range(folds)]
    again = [folded(parts, labels, folds=folds, fold=f, seed=seed) for f in range(folds)]
    assert all(
        np.array_equal(a, b)
        for x, y in zip(found, again, strict=True)
        for a, b in zip(x, y, strict=True)
    )
    assert np.array_equal(np.sort(np.concatenate([held for _, held, _ in found])), rest)
    for train, held, tested in found:
        assert tested is parts[2]
        assert np.array_equal(np.sort(np.concatenate([train, held])), rest)
        assert (np.diff(train) > 0).all() and (np.diff(held) > 0).all()
    sizes = [len(held) for _, held, _ in found]
    assert max(sizes) - min(sizes) <= 1
    for label in np.unique(labels):
        counts = [int((labels[held] == label).sum()) for _, held, _ in found]
        assert max(counts) - min(counts) <= 1 and min(counts) >= 1


def test_the_fraction_for_validation_has_no_effect_and_the_seed_has() -> None:
    labels = np.repeat(np.arange(3), 30)
    held = [
        folded(
            stratified(labels, validation=fraction, test=0.2, seed=0),
            labels,
            folds=4,
            fold=1,
            seed=seed,
        )[1]
        for fraction, seed in ((0.1, 0), (0.3, 0), (0.1, 1))
    ]
    assert np.array_equal(held[0], held[1]) and not np.array_equal(held[0], held[2])


def test_folds_of_digits() -> None:
    whole = digits()
    names: set[str] = set()
    for fold in range(5):
        splits = digits(folds=5, fold=fold)
        assert splits.test.names == whole.test.names
        assert splits.info.num_train + splits.info.num_validation == 1438
        assert not names & set(splits.validation.names)
        names |= set(splits.validation.names)
        assert splits.info.fingerprint != whole.info.fingerprint
    assert names == {*whole.train.names, *whole.validation.names}


def test_without_folds_the_fingerprint_is_what_it_always_was() -> None:
    mark = "8e78ec0e85f3c4a85e9181ad501bcb255566473fae6bf24b6d26b0a0e56e7336"
    assert digits().info.fingerprint == mark


@pytest.mark.parametrize("cache", [True, False])
def test_folds_of_images_divide_their_own_validation_too(tmp_path: Path, cache: bool) -> None:
    for part, count in (("train", 10), ("val", 5), ("test", 4)):
        fill(tmp_path / part, count=count)
    seen: list[str] = []
    for fold in range(3):
        splits = images(tmp_path, folds=3, fold=fold, cache=cache)
        assert (splits.info.num_train, splits.info.num_validation) == (20, 10)
        assert all(name.startswith("test/") for name in splits.test.names)
        seen += splits.validation.names
    assert len(set(seen)) == 30 and {name.split("/")[0] for name in seen} == {"train", "val"}


def test_folds_of_torchvision_sets(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in mnist_files()[0].items():
        (raw / name).write_bytes(content)
    whole, part = mnist(tmp_path), mnist(tmp_path, folds=6, fold=5)
    assert part.test.names == whole.test.names
    assert (part.info.num_train, part.info.num_validation) == (50, 10)
    assert part.info.reader["fit"] == "ink_centred"


@pytest.mark.parametrize(
    ("folds", "fold", "text"),
    [
        (5, None, r"folds \(5\) in data\.folds run as a sweep, .* add data\.fold=0 to 4"),
        (None, 1, r"fold \(1\) in data\.fold without data\.folds; give both"),
        (1, 0, r"folds \(1\) in data\.folds; give a number of parts, 2 or more"),
        (True, 0, r"folds \(True\)"),
        (5, 5, r"fold \(5\) in data\.fold; give a number from 0 to 4"),
        (5, -1, r"fold \(-1\) in data\.fold"),
        (2000, 0, r"10 problems .*\n.*class '0' has 142 samples besides the test, too few for"),
    ],
)
def test_numbers_that_do_not_go_together(folds: Any, fold: Any, text: str) -> None:
    with pytest.raises(DataError, match=text) as error:
        digits(folds=folds, fold=fold)
    assert error.value.exit_code == 2


def test_images_tells_it_with_the_other_arguments(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        images(tmp_path, size=0, folds=3)
    assert len(error.value.problems) == 2
