"""Drawing by weight: as torch's sampler and scikit-learn's weights, and the same at each resume."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from torch.utils.data import TensorDataset

from data.errors import DataError
from data.loading.loaders import loader
from data.loading.sampling import WeightedOrder, balanced_weights, class_weights, weights_of

RARE = np.repeat(np.arange(3), (900, 90, 10)).astype(np.int64)


class Labelled(TensorDataset):
    """What any dataset with labels looks like."""

    def __init__(self, labels: np.ndarray) -> None:
        self.labels = torch.from_numpy(labels)
        super().__init__(torch.arange(len(labels)).float().unsqueeze(1), self.labels)


def make(**options: Any) -> Any:
    chosen: dict[str, Any] = {"batch_size": 64, "shuffle": True, "seed": 0, "device": "cpu"}
    return loader(Labelled(RARE), **(chosen | options))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=6))
def test_weights_are_those_of_scikit_learn(counts: list[int]) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    expected = compute_class_weight("balanced", classes=np.arange(len(counts)), y=labels)
    assert np.allclose(class_weights(counts), expected, rtol=1e-12)
    each = compute_sample_weight("balanced", labels)
    assert np.allclose(weights_of(labels, len(counts)), each, rtol=1e-12)


def test_a_class_without_samples_weighs_nothing_and_changes_no_other() -> None:
    assert class_weights((6, 0, 2)) == (*class_weights((6, 2))[:1], 0.0, *class_weights((6, 2))[1:])
    assert class_weights(()) == ()


def test_classes_come_equally_often_and_each_epoch_anew() -> None:
    source = make(balance="sampler")
    assert source.num_samples == 1000 and len(source) == 16
    epochs = [torch.cat([y for _, y in source.epoch(epoch)]) for epoch in range(4)]
    assert all(len(labels) == 1000 for labels in epochs)
    shares = torch.bincount(torch.cat(epochs), minlength=3) / 4000
    # Four standard deviations of 4,000 draws.
    assert (shares - 1 / 3).abs().max() < 0.03
    assert not torch.equal(epochs[0], epochs[1])
    plain = torch.bincount(torch.cat([y for _, y in make().epoch(0)]), minlength=3)
    assert plain.tolist() == [900, 90, 10]


@pytest.mark.parametrize("way", [{}, {"num_workers": 0}, {"num_workers": 1}])
def test_an_epoch_entered_in_the_middle_goes_on_as_it_would_have(way: dict[str, Any]) -> None:
    source, other = make(balance="sampler"), make(balance="sampler", **way)
    expected = [x for x, _ in source.epoch(3)]
    list(other.epoch(1, start=14))
    found = [x for x, _ in other.epoch(3, start=5)]
    assert all(torch.equal(a, b) for a, b in zip(found, expected[5:], strict=True))
    assert other.indices(3, 5) == expected[5][:, 0].long().tolist()
    other.close()


def test_draws_are_in_proportion_to_any_weights() -> None:
    weights = np.array([0.0, 1.0, 3.0, 0.0, 4.0, 0.0])
    order = WeightedOrder(np.tile(weights, 1000), batch_size=10, seed=1)
    counts = np.bincount(order.epoch(0) % 6, minlength=6) / 6000
    assert np.abs(counts - weights / 8).max() < 0.03
    assert counts[[0, 3, 5]].sum() == 0
    # Without a key of its own the shuffled order would have come.
    assert not np.array_equal(order.epoch(0), WeightedOrder(weights, batch_size=1, seed=1).epoch(0))


def test_with_a_limit_the_same_samples_are_drawn_in_every_epoch() -> None:
    order = WeightedOrder(weights_of(RARE, 3), batch_size=8, seed=0, limit_batches=4)
    assert order.num_samples == 32
    first, second = order.epoch(0).copy(), order.epoch(1)
    assert np.array_equal(np.sort(first), np.sort(second)) and not np.array_equal(first, second)


def test_what_was_drawn_of_shards_is_read_nearly_as_it_is_stored() -> None:
    starts = np.arange(0, 1000, 100)
    options: dict[str, Any] = {"batch_size": 10, "seed": 2}
    order = WeightedOrder(weights_of(RARE, 3), locality=(starts, 5), **options)
    plain = WeightedOrder(weights_of(RARE, 3), **options)
    samples = order.epoch(4)
    assert np.array_equal(np.sort(samples), np.sort(plain.epoch(4)))
    shard = samples // 100
    # Ten shards one after the other, mixed only where one ends and the next begins.
    assert (np.diff(shard) != 0).sum() < 10 * 5 < (np.diff(plain.epoch(4) // 100) != 0).sum()
    assert not np.array_equal(order.epoch(5), samples)


def test_validation_is_not_balanced() -> None:
    labels = torch.cat([y for _, y in make(balance="sampler", shuffle=False).epoch(0)])
    assert labels.tolist() == RARE.tolist()


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (None, "has no labels; set loader.balance=null"),
        (np.zeros((4, 3), np.int64), r"the labels are int64 \[4, 3\]; set loader.balance=null and"),
        (np.zeros(4), r"the labels are float64 \[4\]"),
        (np.zeros(3, np.int64), r"one class for each of 4 samples"),
        (np.array([0, 1, -1, 0]), "a label is -1"),
    ],
)
def test_data_without_classes_is_refused(labels: Any, text: str) -> None:
    class Data(SimpleNamespace):
        def __len__(self) -> int:
            return 4

    with pytest.raises(DataError, match=text):
        balanced_weights(Data(labels=labels))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"balance": "weights"}, r"balance \('weights'\) in loader.balance; choose sampler"),
        ({"weights": np.ones(9)}, "9 weights for 1000 samples"),
        ({"weights": np.ones(1000), "balance": "sampler"}, "give one of them"),
        ({"weights": np.ones(1000), "shuffle": False}, "without shuffle"),
        ({"weights": np.zeros(1000)}, "all weights of samples are 0"),
        ({"weights": np.append(np.ones(999), -1)}, r"1 weights .* \(sample 999: -1.0\)"),
        ({"weights": np.full(1000, np.nan)}, r"1000 weights .* \(sample 0: nan\)"),
        ({"balance": "sampler", "batch_size": 0}, r"batch_size \(0\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(DataError, match=text):
        make(**options)
