"""How the learning rate changes: a torch scheduler, a warm-up, and when each of them moves."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LinearLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from trainer.errors import Refused


@dataclass(frozen=True)
class Plan:
    """How long a run will be, as far as it is known before it begins.

    Config files read it: `total_steps: ${plan.steps}`.
    """

    steps: int  # optimizer steps in all
    steps_after_warmup: int  # what is left of them after the scheduler's warm-up
    steps_per_epoch: int
    epochs: int  # passes over the training split, the last perhaps not complete
    has_momentum: bool  # whether the optimizer has a momentum that a cycle can move


def warmup_steps(warmup: float, steps: int) -> int:
    """Steps of a warm-up that is given as their number, or below 1 as a share of all steps."""
    return int(warmup * steps) if 0 < warmup < 1 else int(warmup)


class Schedule:
    """Moves the learning rate of one optimizer.

    `schedule` makes a torch scheduler from the optimizer (a partial), or is None for a constant
    rate. `interval` says when it moves: each "step" or each "epoch". `warmup` is a number of steps
    (below 1: a share of `steps`) in which the rate grows linearly from nearly nothing; a schedule
    by steps begins after it. `metric` names the validation metric that a plateau watches.
    Steps that a gradient scaler skipped do not count: the loop does not call `step` for them.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedule: Callable[[Optimizer], LRScheduler | ReduceLROnPlateau] | None = None,
        interval: Literal["step", "epoch"] = "step",
        warmup: float = 0,
        metric: str | None = None,
        steps: int = 0,
    ) -> None:
        if interval not in ("step", "epoch"):
            raise Refused(f"scheduler.interval is {interval!r}; it has to be step or epoch")
        if warmup < 0:
            raise Refused(f"scheduler.warmup is {warmup}; it has to be 0 or more")
        self.optimizer = optimizer
        self.interval = interval
        self.warmup = warmup_steps(warmup, steps)
        self.count = 0
        self.main = per_group(schedule, optimizer)(optimizer) if schedule else None
        self.metric = (metric or "loss") if isinstance(self.main, ReduceLROnPlateau) else None
        if self.metric and interval != "epoch":
            raise Refused("scheduler.interval is step, but a plateau moves by epoch; set epoch")
        # Built second: it multiplies the rate that the main schedule begins with.
        self.ramp = (
            LinearLR(optimizer, start_factor=1 / (self.warmup + 1), total_iters=self.warmup)
            if self.warmup
            else None
        )

    @property
    def moves_by_step(self) -> bool:
        """Whether `step` ever does anything; the loop leaves out schedules that stand still."""
        return self.ramp is not None or (self.main is not None and self.interval == "step")

    def step(self) -> None:
        """Move on after one optimizer step."""
        self.count += 1
        if self.ramp is not None and self.count <= self.warmup:
            self.ramp.step()
        elif self.main is not None and self.interval == "step":
            self.main.step()

    def end_epoch(self, values: dict[str, float]) -> None:
        """Move on after an epoch and its evaluation; `values` are the validation metrics."""
        if self.main is None or self.interval != "epoch":
            return
        if isinstance(self.main, ReduceLROnPlateau):
            if self.metric in values:
                self.main.step(values[self.metric])
        else:
            self.main.step()

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs to go on, in plain containers."""
        return {
            "count": self.count,
            "main": plain_state(self.main),
            "ramp": plain_state(self.ramp),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the state was taken."""
        self.count = state["count"]
        for scheduler, part in ((self.main, state["main"]), (self.ramp, state["ramp"])):
            if scheduler is not None:
                scheduler.load_state_dict(part)


Make = Callable[[Optimizer], LRScheduler | ReduceLROnPlateau]


def per_group(schedule: Make, optimizer: Optimizer) -> Make:
    """One cycle with a peak for each parameter group, in the proportion of their own rates.

    Every other scheduler of torch scales the rates that the groups have; this one sets them, so
    that a single `max_lr` would undo `parameters.groups`.
    """
    if not isinstance(schedule, partial) or schedule.func is not OneCycleLR:
        return schedule
    peak = schedule.keywords.get("max_lr")
    if not isinstance(peak, int | float):
        return schedule  # the user's own list
    shares = [group["lr"] / optimizer.defaults["lr"] for group in optimizer.param_groups]
    return partial(schedule, max_lr=[peak * share for share in shares])


def plain_state(scheduler: LRScheduler | ReduceLROnPlateau | None) -> dict[str, Any]:
    """A scheduler's state without the functions that some of them keep in it."""
    if scheduler is None:
        return {}
    plain = (int, float, str, bool, list, tuple, dict, type(None))
    return {name: v for name, v in scheduler.state_dict().items() if isinstance(v, plain)}
