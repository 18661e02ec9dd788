"""Schedules move as torch's own schedulers do, after a warm-up, by step or by epoch."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from trainer.errors import Refused
from trainer.schedule import Schedule, warmup_steps


def optimizer(lr: float = 0.1) -> torch.optim.SGD:
    return torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=lr)


def rates(schedule: Schedule, steps: int) -> list[float]:
    seen = []
    for _ in range(steps):
        seen.append(schedule.optimizer.param_groups[0]["lr"])
        schedule.optimizer.step()
        schedule.step()
    return seen


def test_one_cycle_is_torchs() -> None:
    ours, theirs = optimizer(), optimizer()
    make = partial(lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=20)
    reference = make(theirs)
    expected = []
    for _ in range(20):
        expected.append(theirs.param_groups[0]["lr"])
        theirs.step()
        if len(expected) < 20:
            reference.step()
    schedule = Schedule(ours, make, steps=20)
    seen = [*rates(schedule, 19), ours.param_groups[0]["lr"]]
    assert seen == expected


def test_one_cycle_keeps_the_proportion_of_the_groups() -> None:
    groups = [{"params": [nn.Parameter(torch.ones(1))], "lr": lr} for lr in (0.1, 0.001)]
    made = torch.optim.SGD(groups, lr=0.1)
    make = partial(lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=10, cycle_momentum=False)
    schedule = Schedule(made, make, steps=10)
    for _ in range(9):
        large, small = (group["lr"] for group in made.param_groups)
        assert small == pytest.approx(large / 100)
        made.step()
        schedule.step()


def test_warm_up_grows_linearly_and_then_the_schedule_begins() -> None:
    make = partial(lr_scheduler.CosineAnnealingLR, T_max=16)
    seen = rates(Schedule(optimizer(), make, warmup=4, steps=20), 20)
    assert seen[:5] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])
    assert seen[4:] == sorted(seen[4:], reverse=True)
    assert seen[12] == pytest.approx(0.05)  # half of the cosine


@pytest.mark.parametrize(("warmup", "steps"), [(0, 0), (0.05, 5), (7, 7), (1, 1), (0.5, 50)])
def test_warm_up_is_a_number_or_a_share(warmup: float, steps: int) -> None:
    assert warmup_steps(warmup, 100) == steps


def test_by_epoch_it_moves_only_at_the_end_of_one() -> None:
    made = optimizer()
    schedule = Schedule(made, partial(lr_scheduler.StepLR, step_size=1, gamma=0.5), "epoch")
    assert not schedule.moves_by_step
    assert rates(schedule, 3) == [0.1, 0.1, 0.1]
    schedule.end_epoch({})
    assert made.param_groups[0]["lr"] == 0.05


def test_plateau_watches_its_metric() -> None:
    made = optimizer()
    make = partial(lr_scheduler.ReduceLROnPlateau, mode="max", patience=1, factor=0.1)
    schedule = Schedule(made, make, "epoch", metric="accuracy")
    for accuracy in (0.5, 0.6, 0.6, 0.6):
        made.step()
        schedule.end_epoch({"accuracy": accuracy, "loss": 1.0})
    assert made.param_groups[0]["lr"] == pytest.approx(0.01)


def test_a_plateau_by_step_is_refused() -> None:
    with pytest.raises(Refused, match=r"scheduler\.interval is step"):
        Schedule(optimizer(), lr_scheduler.ReduceLROnPlateau, "step")


@pytest.mark.parametrize("stop", [3, 9])
def test_it_goes_on_from_its_state(stop: int) -> None:
    make = partial(lr_scheduler.CosineAnnealingLR, T_max=10)
    whole = rates(Schedule(optimizer(), make, warmup=5, steps=15), 15)
    first_optimizer = optimizer()
    first = Schedule(first_optimizer, make, warmup=5, steps=15)
    begun = rates(first, stop)
    second_optimizer = optimizer()
    second = Schedule(second_optimizer, make, warmup=5, steps=15)
    second_optimizer.load_state_dict(first_optimizer.state_dict())
    second.load_state_dict(first.state_dict())
    assert begun + rates(second, 15 - stop) == whole
