"""Rates are moved in proportion, whatever a schedule has made of them."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import LinearLR, OneCycleLR

from trainer.errors import Refused
from trainer.finding.rates import Rates
from trainer.schedule import Schedule

Sgd = partial(torch.optim.SGD, lr=0.1, momentum=0.9)


def groups() -> list[dict[str, object]]:
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    return [{"params": list(first.parameters())}, {"params": list(second.parameters()), "lr": 1.0}]


def rates_of(optimizer: torch.optim.Optimizer) -> list[float]:
    return [float(group["lr"]) for group in optimizer.param_groups]


def test_groups_keep_their_proportion() -> None:
    optimizer = Sgd(groups())
    Rates({"model": optimizer}).set(0.02)
    assert rates_of(optimizer) == pytest.approx([0.02, 0.2])


def test_a_warm_up_and_a_cycle_are_left_out() -> None:
    warm = Sgd(groups())
    Schedule(warm, partial(LinearLR, start_factor=0.5), warmup=10, steps=100)
    cycled = Sgd(groups())
    Schedule(cycled, partial(OneCycleLR, max_lr=0.1, total_steps=100))
    assert cycled.param_groups[0]["momentum"] == 0.95
    for optimizer in (warm, cycled):
        Rates({"model": optimizer}).set(0.3)
        assert rates_of(optimizer) == pytest.approx([0.3, 3.0])
        assert [group["momentum"] for group in optimizer.param_groups] == [0.9, 0.9]


def test_betas_moved_by_a_cycle_go_back() -> None:
    optimizer = torch.optim.AdamW(groups(), lr=0.1)
    Schedule(optimizer, partial(OneCycleLR, max_lr=0.1, total_steps=100))
    assert optimizer.param_groups[0]["betas"] == (0.95, 0.999)
    Rates({"model": optimizer})
    assert optimizer.param_groups[0]["betas"] == (0.9, 0.999)


def test_several_optimizers_move_together_or_one_alone() -> None:
    first, second = Sgd(groups()), Sgd(groups(), lr=0.05)
    both = Rates({"g": first, "d": second})
    both.set(0.4)
    assert rates_of(first) == pytest.approx([0.4, 4.0])
    assert rates_of(second) == pytest.approx([0.2, 4.0])
    assert both.factors == {"g": 1.0, "d": 0.5}
    first, second = Sgd(groups()), Sgd(groups(), lr=0.05)
    one = Rates({"g": first, "d": second}, ["d"])
    one.set(0.4)
    assert rates_of(first) == [0.1, 1.0] and rates_of(second) == pytest.approx([0.4, 8.0])
    assert one.factors == {"d": 1.0}


def test_a_rate_that_is_a_tensor_is_filled_in_place() -> None:
    optimizer = torch.optim.Adam(nn.Linear(2, 2).parameters(), lr=torch.tensor(0.1))
    rate = optimizer.param_groups[0]["lr"]
    Rates({"model": optimizer}).set(0.25)
    assert optimizer.param_groups[0]["lr"] is rate and rate.item() == 0.25


def test_an_unknown_optimizer_and_one_without_a_rate_are_refused() -> None:
    with pytest.raises(Refused, match="there is no optimizer x; the task has g"):
        Rates({"g": Sgd(groups())}, ["x"])
    odd = Sgd(groups())
    for group in odd.param_groups:
        del group["lr"]
    with pytest.raises(Refused, match="no learning rate"):
        Rates({"g": odd})
