"""What is found in a step, and what it is found from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from trainer.diagnosis.operations import Event
from trainer.diagnosis.watching import Watch
from trainer.run import Run

Kind = Literal["batch", "state", "forward", "loss", "backward", "update", "buffer"]


@dataclass(frozen=True)
class Finding:
    """Where something that isn't finite arose first in a step."""

    kind: Kind
    headline: str
    where: str  # a field of the batch, a module, a parameter or a buffer, by its name in the task
    turn: str
    value: str  # nan, inf or -inf
    facts: dict[str, Any] = field(default_factory=dict)  # what else is known, in words
    operation: str = ""  # such as torch.log, or SqrtBackward0
    largest: float = 0.0  # the largest magnitude that went in


@dataclass(frozen=True)
class Evidence:
    """What is known of a step: what was seen in it, and what had been so in the step before.

    `before` and `after` name the parameters and buffers that weren't finite, those left out that
    hold infinities since they were made. `samples` are the indices of the step's samples.
    """

    run: Run
    watch: Watch
    usual: Watch | None
    before: set[str]
    after: set[str]
    samples: Sequence[int]

    def new(self, events: Iterable[Event]) -> list[Event]:
        """Without those that had their like in the step before, which was finite in the end."""
        usual = set()
        if self.usual is not None:
            seen = [e for turn in self.usual.turns for e in (*turn.modules, *turn.backward)]
            usual = {e.key for e in (*seen, *self.usual.operations.events)}
            usual |= {e.key for e in self.usual.operations.weaker}
        return [event for event in events if event.key not in usual]
