"""Keyed random numbers: functions of their key, even, and never the same twice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import keyed


def test_hashes_are_splitmix64() -> None:
    # First outputs of SplitMix64 with seed 0 (reference implementation by Sebastiano Vigna).
    expected = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert keyed.hashes(0, np.array([1, 2, 3])).tolist() == expected


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**64 - 1), st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_values_depend_on_row_alone(stream: int, rows: list[int]) -> None:
    together = keyed.uniform(stream, np.array(rows), 8)
    alone = np.concatenate([keyed.uniform(stream, np.array([row]), 8) for row in rows])
    assert np.array_equal(together, alone)
    assert ((together >= 0) & (together < 1)).all()


def test_values_are_uniform_and_columns_uncorrelated() -> None:
    table = keyed.uniform(keyed.key(3, 1), np.arange(20000), 8)
    assert np.abs(table.mean(axis=0) - 0.5).max() < 0.01
    assert np.abs(table.std(axis=0) - 12**-0.5).max() < 0.01
    correlations = np.corrcoef(table, rowvar=False) - np.eye(8)
    assert np.abs(correlations).max() < 0.03


def test_keys_differ_by_every_part() -> None:
    seeds = [0, 1, 2, -1, 2**31, 2**32, 2**62, 2**63 - 1, 2**63]
    keys = {
        keyed.key(seed, use, epoch) for seed in seeds for use in range(5) for epoch in range(50)
    }
    assert len(keys) == len(seeds) * 5 * 50


def test_permutation_is_one() -> None:
    for count in (0, 1, 2, 1000):
        assert sorted(keyed.permutation(7, count).tolist()) == list(range(count))


def test_a_permutation_is_the_order_of_the_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    for count in (0, 1, 2, 3, 1000, 65536, 65537):
        order = np.argsort(keyed.hashes(7, np.arange(count)))
        assert np.array_equal(keyed.permutation(7, count), order)
    # Hashes that differ in their last bits alone.
    marks = np.array([5, 3, 4, 0, 1 << 60], dtype=np.uint64)
    monkeypatch.setattr(keyed, "hashes", lambda stream, counters: marks)
    assert keyed.permutation(7, 5).tolist() == [3, 1, 2, 0, 4]
