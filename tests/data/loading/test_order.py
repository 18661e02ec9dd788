"""The order for shards: everything once, nearly as stored, anew in each epoch, entered anywhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from data.loading.order import BufferedOrder

SIZES = st.lists(st.integers(1, 30), min_size=1, max_size=8)


def made(sizes: list[int], buffer: int, **options: int) -> BufferedOrder:
    starts = np.cumsum([0, *sizes[:-1]])
    return BufferedOrder(
        sum(sizes), starts=starts, buffer=buffer, **({"batch_size": 4, "seed": 0} | options)
    )


def stored(order: np.ndarray, sizes: list[int]) -> np.ndarray:
    """Where each sample stands when its epoch's shards are read one after the other.

    Shards follow each other as their samples do on the whole.
    """
    shard = np.repeat(np.arange(len(sizes)), sizes)
    starts = np.cumsum([0, *sizes[:-1]])
    places = np.arange(len(order))
    middle = [places[shard[order] == number].mean() for number in range(len(sizes))]
    begin = dict.fromkeys(range(len(sizes)), 0)
    at = 0
    for number in np.argsort(middle, kind="stable").tolist():
        begin[number] = at
        at += sizes[number]
    return np.array([begin[shard[i]] + i - starts[shard[i]] for i in order.tolist()])


@settings(max_examples=60, deadline=None)
@given(SIZES, st.integers(1, 40), st.integers(-3, 2**63), st.integers(0, 5))
def test_each_sample_comes_once_in_each_epoch(
    sizes: list[int], buffer: int, seed: int, epoch: int
) -> None:
    order = made(sizes, buffer, seed=seed)
    samples = order.epoch(epoch)
    assert np.array_equal(np.sort(samples), np.arange(sum(sizes)))
    again = made(sizes, buffer, seed=seed)
    again.epoch(epoch + 1)
    assert np.array_equal(again.epoch(epoch), samples)
    assert again.members(epoch, 0) == samples[:4].tolist()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 50), st.integers(0, 3))
def test_no_sample_is_further_from_its_place_than_the_buffer_is_long(
    count: int, buffer: int, epoch: int
) -> None:
    samples = made([count], buffer).epoch(epoch)
    assert (np.abs(samples - np.arange(count)) < buffer).all()


def test_a_buffer_of_one_keeps_the_order_within_shards_and_shards_change_places() -> None:
    sizes = [5, 7, 3, 9, 2, 8]
    order = made(sizes, 1)
    seen = set()
    for epoch in range(6):
        samples = order.epoch(epoch).copy()
        assert np.array_equal(stored(samples, sizes), np.arange(34))
        seen.add(tuple(samples.tolist()))
    # Two of 720 orders may be the same by chance.
    assert len(seen) >= 5


def test_samples_are_mixed_within_the_buffer() -> None:
    samples = made([4000], 500).epoch(0)
    moved = np.abs(samples - np.arange(4000))
    # The delay is uniform: two of them differ by a third of the buffer on average.
    assert 100 < moved.mean() < 230 and (np.diff(samples) < 0).mean() > 0.3


def test_with_a_limit_it_is_always_the_same_samples_of_few_shards() -> None:
    order = made([50] * 10, 20, limit_batches=5)
    first, second = order.epoch(0).copy(), order.epoch(1).copy()
    assert len(first) == 20 and set(first) == set(second) and not np.array_equal(first, second)
    assert len(set(first // 50)) <= 2


def test_a_buffer_of_nothing_is_refused() -> None:
    with pytest.raises(DataError, match=r"buffer \(0\) in data\.buffer"):
        made([5], 0)
