"""Splits: disjoint, complete, even per class, and a pure function of the seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from data.splits import stratified

LABELS = st.lists(st.integers(3, 40), min_size=1, max_size=6).map(
    lambda counts: np.repeat(np.arange(len(counts)), counts)
)
FRACTION = st.sampled_from([0.0, 0.05, 0.1, 0.25, 0.4])


@settings(max_examples=150, deadline=None)
@given(LABELS, FRACTION, FRACTION, st.integers(-5, 2**63))
def test_parts_are_disjoint_complete_even_and_deterministic(
    labels: np.ndarray, validation: float, test: float, seed: int
) -> None:
    labels = labels[np.argsort(np.random.default_rng(len(labels)).random(len(labels)))]
    parts = stratified(labels, validation=validation, test=test, seed=seed)
    again = stratified(labels, validation=validation, test=test, seed=seed)
    assert all(np.array_equal(a, b) for a, b in zip(parts, again, strict=True))
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(labels)))
    for part, fraction in zip(parts[1:], (validation, test), strict=True):
        if fraction == 0:
            assert len(part) == 0
            continue
        for label in np.unique(labels):
            count = int((labels == label).sum())
            held = int((labels[part] == label).sum())
            # At least one, and otherwise the exact share rounded down or up.
            assert held == 1 or abs(held - count * fraction) < 1
    for label in np.unique(labels):
        assert (labels[parts[0]] == label).any()


def test_totals_are_the_fractions_where_classes_are_large() -> None:
    labels = np.repeat(np.arange(7), 33)
    train, validation, test = stratified(labels, validation=0.1, test=0.2, seed=0)
    assert (len(validation), len(test)) == (round(231 * 0.1), round(231 * 0.2))
    assert len(train) == 231 - len(validation) - len(test)


def test_another_seed_gives_another_split() -> None:
    labels = np.repeat(np.arange(4), 50)
    first = stratified(labels, validation=0.1, test=0.2, seed=0)
    other = stratified(labels, validation=0.1, test=0.2, seed=2**63)
    assert not np.array_equal(first[2], other[2])


def test_small_classes_are_named_with_the_remedy() -> None:
    with pytest.raises(DataError, match=r"class 'cat' has 2 samples, too few for 3") as error:
        stratified([0, 0, 1, 1, 1], validation=0.1, test=0.2, seed=0, classes=["cat", "dog"])
    assert error.value.exit_code == 2
    assert "data.validation=0" in str(error.value)


@pytest.mark.parametrize(
    ("validation", "test", "text"),
    [
        (1.0, 0.2, r"validation \(1\.0\)"),
        (-0.1, 2.0, "2 problems"),
        (float("nan"), 0.2, r"validation \(nan\)"),
        (0.5, 0.5, "leaves nothing to train on"),
    ],
)
def test_fractions_out_of_range(validation: float, test: float, text: str) -> None:
    with pytest.raises(DataError, match=text):
        stratified([0, 1] * 20, validation=validation, test=test, seed=0)


def test_no_samples() -> None:
    with pytest.raises(DataError, match="no samples"):
        stratified([], validation=0.1, test=0.2, seed=0)
