"""Differences are counted as they are, and nothing that differs passes for equal."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from trainer.export.parity import Parity, softmax

LOGITS = arrays(np.float32, (4, 3), elements=st.floats(-50, 50, width=32))


@given(LOGITS, LOGITS)
def test_the_figures_are_those_of_numpy(expected: np.ndarray, found: np.ndarray) -> None:
    parity = Parity(1e-5, 1e-4)
    assert parity.add(expected, found)
    largest = np.abs(expected.astype(np.float64) - found).max()
    scale = float(np.abs(expected).max())
    figures = parity.figures()
    assert figures["largest_absolute_difference"] == largest
    assert figures["tolerance"] == max(1e-5, 1e-4 * scale)
    same = (expected.argmax(1) == found.argmax(1)).mean()
    assert figures["equal_decisions"] == same
    if largest > figures["tolerance"]:
        assert parity.failure()
    else:  # within the tolerance only near ties can be decided otherwise
        assert not parity.failure() and figures["near_ties"] == parity.differing


def test_batches_add_up() -> None:
    parity = Parity(1e-5, 0.0)
    first = np.array([[1.0, 2.0]], dtype=np.float32)
    for size, apart in ((1, 0.0), (3, 5e-6), (3, 0.0)):
        batch = first.repeat(size, 0)
        assert parity.add(batch, batch + np.float32(apart))
    figures = parity.figures()
    assert figures["samples"] == 7 and figures["batch_sizes"] == [1, 3]
    assert 4e-6 < figures["largest_absolute_difference"] < 6e-6
    assert figures["largest_probability_difference"] < 1e-6
    assert parity.failure() is None and figures["equal_decisions"] == 1.0


def test_what_is_beyond_the_tolerance_fails_with_a_remedy() -> None:
    parity = Parity(1e-5, 1e-4)
    batch = np.array([[1.0, 2.0], [4.0, 3.0]], dtype=np.float32)
    parity.add(batch, batch[:, ::-1].copy())
    told = parity.failure()
    assert told is not None and "an output differs by 1, and 0.0004 is allowed" in told
    assert "2 of 2 decisions are others" in told and "export.rtol=1e+00" in told


def test_a_near_tie_may_be_decided_otherwise_and_is_counted() -> None:
    parity = Parity(1e-5, 0.0)
    expected = np.array([[1.0, 1.000005], [1.0, 3.0]], dtype=np.float32)
    found = np.array([[1.000006, 1.0], [1.0, 3.0]], dtype=np.float32)
    parity.add(expected, found)
    assert parity.failure() is None
    assert parity.figures()["near_ties"] == 1 and parity.figures()["equal_decisions"] == 0.5


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_no_number(bad: float) -> None:
    expected = np.array([[1.0, 2.0]], dtype=np.float32)
    for one, other in ((expected, expected * bad), (expected * bad, expected)):
        parity = Parity(1e-5, 1.0)
        assert not parity.add(one, other) and parity.failure()


def test_the_same_infinity_is_equal() -> None:
    parity = Parity(1e-5, 1e-4)
    masked = np.array([[1.0, -np.inf]], dtype=np.float32)
    assert parity.add(masked, masked.copy()) and parity.failure() is None
    assert parity.figures()["largest_probability_difference"] == 0


def test_another_shape_is_no_broadcast() -> None:
    parity = Parity(1e-5, 1.0)
    assert not parity.add(np.ones((2, 3), np.float32), np.ones((1, 3), np.float32))
    assert parity.failure() == "it gives [1, 3] where the model gives [2, 3]"


@given(LOGITS)
def test_softmax_is_a_distribution(logits: np.ndarray) -> None:
    assert np.allclose(softmax(logits).sum(1), 1) and (softmax(logits) >= 0).all()
