"""The range test walks through the rates with the steps of the training."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from trials import Pair, network, run_of, unchanged

from trainer.errors import Diverged, Refused
from trainer.finding.learning_rate import find


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_rate_is_found_that_beats_a_tenth_and_ten_times(name: str, tmp_path: Path) -> None:
    makers = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}

    def trained(lr: float, folder: str) -> float:
        run = run_of(
            tmp_path / folder, optimizer=lambda g: makers[name](g, lr=lr), schedule=None, steps=60
        )
        torch.manual_seed(0)
        reports = run.trainer.fit(run.loaders.train)
        losses = [next(reports)["loss"].item() for _ in range(60)]
        return sum(losses[-20:]) / 20

    run = run_of(tmp_path / "search", optimizer=lambda g: makers[name](g, lr=0.01))
    with unchanged(run):
        test = find(run)
    assert test.chosen is not None
    best = trained(test.chosen, "found")
    assert best < trained(test.chosen / 10, "lower")
    assert not best > trained(test.chosen * 10, "higher")


def test_losses_are_those_of_a_loop_written_by_hand(tmp_path: Path) -> None:
    torch.manual_seed(0)
    run = run_of(tmp_path, nn.Linear(12, 4), schedule=None)
    test = find(run, low=1e-3, high=1, steps=20)
    torch.manual_seed(0)
    model = nn.Linear(12, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    expected = []
    for rate, batch in zip(test.rates, run.loaders.train.epoch(0), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = rate
        assert isinstance(batch, tuple)
        loss = nn.functional.cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        expected.append(loss.item())
    assert list(test.losses) == expected
    assert test.rates[0] == pytest.approx(1e-3) and test.rates[-1] == pytest.approx(1)


def test_the_search_gives_the_same_whatever_was_drawn_before(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    first = find(run, steps=30)
    torch.rand(7)
    assert find(run, steps=30).losses == first.losses


def test_groups_and_accumulation_are_those_of_the_training(tmp_path: Path) -> None:
    run = run_of(tmp_path, groups=[{"match": "4.*", "lr_scale": 10.0}], accumulate=2)
    with unchanged(run):
        test = find(run, steps=40)
    assert len(test.losses) <= 40 and all(map(math.isfinite, test.losses))
    alone = find(run_of(tmp_path / "alone", accumulate=2), steps=40)
    assert test.losses[0] == alone.losses[0] and test.losses[20:] != alone.losses[20:]


def test_it_stops_where_the_loss_has_gone(tmp_path: Path) -> None:
    test = find(run_of(tmp_path), high=1e6)
    assert len(test.losses) < 100 and ("far behind" in test.ended or "became" in test.ended)
    assert all(map(math.isfinite, test.losses))


def test_several_optimizers_are_moved_together_or_one_alone(tmp_path: Path) -> None:
    makers = {
        "first": lambda groups: torch.optim.SGD(groups, lr=0.1),
        "second": lambda groups: torch.optim.SGD(groups, lr=0.2),
    }
    run = run_of(tmp_path, task=Pair(), optimizer=makers, schedule=None)
    with unchanged(run):
        both = find(run, steps=40)
        one = find(run, steps=40, optimizer="second")
    assert both.factors == {"first": 1.0, "second": 2.0} and one.factors == {"second": 1.0}
    assert len(both.losses) == 39  # at its first step, the second hadn't had a turn
    assert both.losses[0] > 1.5 * one.losses[0]  # the sum of two losses
    with pytest.raises(Refused, match="no optimizer third; the task has first, second"):
        find(run, optimizer="third")


class Broken(nn.Module):
    """Gives NaN from a given call on."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.layer, self.left = nn.Linear(12, 4), calls

    def forward(self, inputs: torch.Tensor) -> Any:
        self.left -= 1
        return self.layer(inputs) * (math.nan if self.left < 0 else 1)


@pytest.mark.parametrize("calls", [0, 5])
def test_a_loss_that_is_not_finite_from_the_start_is_told(calls: int, tmp_path: Path) -> None:
    run = run_of(tmp_path, Broken(calls))
    with unchanged(run), pytest.raises(Diverged, match="became nan at step") as caught:
        find(run)
    assert caught.value.exit_code == 3


def test_a_loss_that_never_falls_suggests_nothing(tmp_path: Path) -> None:
    class Deaf(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bias = nn.Parameter(torch.zeros(1))

        def forward(self, inputs: torch.Tensor) -> Any:
            # The same for every class: a softmax doesn't see it.
            return torch.zeros(len(inputs), 4) + self.bias

    assert find(run_of(tmp_path, Deaf())).chosen is None


def test_an_impossible_range_is_refused(tmp_path: Path) -> None:
    run = run_of(tmp_path, network())
    with pytest.raises(Refused, match="2 problems"):
        find(run, low=1, high=0.1, steps=2)
