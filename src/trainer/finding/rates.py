"""The learning rates of a task's optimizers, moved together and in proportion."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.optim import Optimizer

from trainer.errors import Refused


class Rates:
    """Sets one rate for several optimizers; groups and optimizers keep their proportions.

    The rate is that of the first optimizer's `lr`: a group with `lr_scale: 10` gets ten times as
    much, and a second optimizer with half the `lr` gets half. `names` are the optimizers that are
    moved (all of them by default), `factors` their shares; the others keep the rates that they were
    built with, as if there were no schedule. Momentum that a cycle has moved goes back, too.
    Raises Refused for an unknown name, and for an optimizer without a rate.
    """

    def __init__(self, optimizers: Mapping[str, Optimizer], names: Sequence[str] = ()) -> None:
        self.names = list(names or optimizers)
        if unknown := [name for name in self.names if name not in optimizers]:
            raise Refused(
                f"there is no optimizer {unknown[0]}; the task has {', '.join(optimizers)}"
            )
        if without := [name for name, o in optimizers.items() if not has_rate(o)]:
            raise Refused(
                f"the optimizer of {without[0]} has no learning rate (lr) that could be searched; "
                "choose another, such as optimizer=adamw"
            )
        reference = base(optimizers[self.names[0]])
        self.factors = {name: base(optimizers[name]) / reference for name in self.names}
        self.moved: list[tuple[dict[str, Any], float]] = []
        for name, optimizer in optimizers.items():
            for group in optimizer.param_groups:
                own = own_rate(group)
                settle_momentum(group, optimizer.defaults)
                set_rate(group, own)
                if name in self.names:
                    self.moved.append((group, own / reference))

    def set(self, rate: float) -> None:
        """Give every group its share of a rate."""
        for group, factor in self.moved:
            set_rate(group, rate * factor)


def has_rate(optimizer: Optimizer) -> bool:
    """Whether an optimizer and all its groups have a rate."""
    return "lr" in optimizer.defaults and all("lr" in group for group in optimizer.param_groups)


def base(optimizer: Optimizer) -> float:
    """The rate that an optimizer was built with."""
    return float(optimizer.defaults["lr"]) or 1.0


def own_rate(group: Mapping[str, Any]) -> float:
    """What a group was built with, or its peak under one cycle: not where a warm-up stands."""
    return float(group.get("max_lr", group.get("initial_lr", group["lr"])))


def settle_momentum(group: dict[str, Any], defaults: Mapping[str, Any]) -> None:
    """Undo what OneCycleLR has done to a group's momentum when it was built."""
    if "max_momentum" in group:
        for name in ("momentum", "betas"):
            if name in group:
                group[name] = defaults[name]


def set_rate(group: dict[str, Any], rate: float) -> None:
    """Set a group's rate, in place where it is a tensor (capturable optimizers)."""
    if isinstance(group["lr"], torch.Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate
