"""What a run remembers beside its weights, its optimizers and its position."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trainer.protocols import Evaluation


@dataclass
class Progress:
    """The best so far, what early stopping counts, and what is not yet written down."""

    best: float | None = None  # best value of the selected metric so far
    best_loss: float | None = None  # the validation loss beside it; decides between equal values
    best_step: int = 0
    best_epoch: int = 0
    improved_to: float | None = None  # value at the last improvement that early stopping counted
    stale: int = 0  # evaluations since then
    seconds: float = 0.0  # spent training, over all starts
    pending: list[dict[str, float]] = field(default_factory=list)  # steps not yet recorded
    skipped: int = 0  # steps that were not taken, since something was not finite
    due: bool = False  # whether the evaluation after the last step has yet to be made
    lines: list[dict[str, float]] = field(default_factory=list)  # recorded of it, while that is due

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> "Progress":
        """What a checkpoint remembers; raises KeyError or TypeError for anything else."""
        found = {name: state[name] for name in cls.__dataclass_fields__}
        lists = {name for name, value in vars(cls()).items() if isinstance(value, list)}
        odd = [
            name
            for name, value in found.items()
            if not isinstance(value, list if name in lists else int | float | None)
        ]
        if odd:
            raise TypeError(f"{', '.join(odd)} in state.json is of another type")
        return cls(**found)

    def __post_init__(self) -> None:
        self.ticked = time.monotonic()

    def tick(self) -> None:
        """Add the time since the last call to `seconds`."""
        now = time.monotonic()
        self.seconds += now - self.ticked
        self.ticked = now

    def take(
        self, values: Mapping[str, float], evaluation: Evaluation, step: int, epoch: int
    ) -> bool:
        """Remember the values of an evaluation; returns whether they are the best so far.

        Small validation splits give equal accuracies again and again: then the lower loss is
        better. Outputs that are not finite still have an accuracy: their loss tells them, and they
        are never the best.
        """
        value = values[evaluation.select]
        if evaluation.improved(value, self.improved_to):
            self.improved_to, self.stale = value, 0
        else:
            self.stale += 1
        better = evaluation.better(value, self.best)
        if self.best_loss is not None and value == self.best:
            better = values["loss"] < self.best_loss
        better = better and math.isfinite(value) and math.isfinite(values["loss"])
        if better:
            self.best, self.best_loss = value, values["loss"]
            self.best_step, self.best_epoch = step, epoch
        return better

    def out_of_patience(self, evaluation: Evaluation) -> str:
        """Early stopping: too many evaluations without improvement; "" while there are not."""
        patience = evaluation.patience
        if patience is None or self.stale < patience or self.best is None:
            return ""
        return (
            f"{evaluation.select} has not improved for {self.stale} evaluations; "
            f"the best was {self.best:.4f} in epoch {self.best_epoch}"
        )
