"""Baselines against scikit-learn called by hand, and their caps."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from trainer.errors import Failed, Refused
from trainer.evaluation import baselines as module
from trainer.evaluation.baselines import baselines, draw

Batches = list[tuple[Tensor, Tensor]]


def batches(inputs: Tensor, target: Tensor, size: int = 100) -> Batches:
    starts = range(0, len(inputs), size)
    return [(inputs[start : start + size], target[start : start + size]) for start in starts]


def digits() -> tuple[Batches, Batches, Tensor, Tensor]:
    data = load_digits()
    inputs = torch.tensor(data.images / 16, dtype=torch.float32).unsqueeze(1)
    target = torch.tensor(data.target, dtype=torch.int64)
    return (
        batches(inputs[:1400], target[:1400]),
        batches(inputs[1400:], target[1400:]),
        inputs,
        target,
    )


def test_digits() -> None:
    train, test, inputs, target = digits()
    result = baselines(train, test)
    flat = inputs.flatten(1).numpy()
    nearest = KNeighborsClassifier(1).fit(flat[:1400], target[:1400])
    assert result["nearest_neighbour"] == pytest.approx(nearest.score(flat[1400:], target[1400:]))
    common = int(np.bincount(target[:1400]).argmax())
    assert result["majority_class"] == pytest.approx(
        (target[1400:] == common).float().mean().item()
    )
    assert 0.88 < result["logistic_regression"] < 0.97
    assert (result["num_train"], result["num_test"], result["num_features"]) == (1400, 397, 64)
    assert result == baselines(train, test), "the same twice"
    shuffled = [(inputs, target.roll(1)) for inputs, target in train]
    assert baselines(shuffled, test)["logistic_regression"] < 0.5, "negative control"


def test_the_caps_draw_a_seeded_uniform_sample() -> None:
    def stream(num: int, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        rows = torch.arange(num)
        yield from batches(rows.float()[:, None], rows % 2, size)

    hits = np.zeros(40)
    for seed in range(400):
        rows, labels = module.reservoir(stream(40, 7), 10, seed, "test")
        chosen = rows[:, 0].astype(int)
        assert len(set(chosen)) == 10
        assert (chosen % 2 == labels).all()
        hits[chosen] += 1
    # Each is drawn with p = 1/4: 100 of 400 times, standard deviation 8.7.
    assert hits.min() > 60 and hits.max() < 140
    again, _ = module.reservoir(stream(40, 7), 10, 3, "test")
    once, _ = module.reservoir(stream(40, 7), 10, 3, "test")
    assert (again == once).all()
    whole, _ = module.reservoir(stream(40, 7), 40, 3, "test")
    assert (whole[:, 0] == np.arange(40)).all()


def test_the_numbers_of_samples_used_are_told() -> None:
    train, test, *_ = digits()
    result = baselines(train, test, max_train=300, max_test=50)
    assert (result["num_train"], result["num_test"]) == (300, 50)
    assert result["nearest_neighbour"] > 0.8


def test_large_pictures_are_averaged_down() -> None:
    pictures = torch.rand(6, 3, 64, 40)
    small = module._features(pictures)
    assert small.shape == (6, 3 * 32 * 32)
    by_hand = pictures[..., :].reshape(6, 3, 32, 2, 40).mean(3)
    assert torch.allclose(small.reshape(6, 3, 32, 32).mean((2, 3)), by_hand.mean((2, 3)), atol=1e-2)
    assert module._features(torch.rand(6, 1, 8, 8)).shape == (6, 64)
    assert module._features(torch.rand(6)).shape == (6, 1)


def test_draw_names_the_samples_to_read() -> None:
    assert draw(5, 10, 0) == [0, 1, 2, 3, 4]
    chosen = draw(1000, 10, 0)
    assert len(set(chosen)) == 10 and chosen == sorted(chosen) and chosen == draw(1000, 10, 0)
    assert chosen != draw(1000, 10, 1)


def test_a_single_class_and_a_constant_input_are_no_trouble() -> None:
    one = [(torch.zeros(4, 3), torch.full((4,), 2))]
    both = [(torch.zeros(4, 3), torch.tensor([0, 2, 2, 2]))]
    assert baselines(one, both)["logistic_regression"] == 0.75
    assert baselines(both, both)["majority_class"] == 0.75


def test_what_can_not_be_measured_is_told() -> None:
    good = [(torch.rand(4, 3), torch.tensor([0, 1, 0, 1]))]
    bad = [(torch.full((4, 3), float("nan")), torch.tensor([0, 1, 0, 1]))]
    with pytest.raises(Failed, match="training input is not finite"):
        baselines(bad, good)
    with pytest.raises(Failed, match="test split has no samples"):
        baselines(good, [])
    with pytest.raises(Refused, match="3 values and test inputs 5"):
        baselines(good, [(torch.rand(4, 5), torch.tensor([0, 1, 0, 1]))])
    with pytest.raises(Refused, match="of 3 and of 2"):
        baselines([*good, (torch.rand(4, 2), good[0][1])], good)
