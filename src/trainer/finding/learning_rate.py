"""The learning rate range test: one short run in which the rate grows with every step.

Source: Smith 2017, "Cyclical Learning Rates for Training Neural Networks", arXiv:1506.01186, with
exponential growth as fastai has it.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from trainer.errors import Diverged, Refused
from trainer.finding.preserving import preserved
from trainer.finding.rates import Rates
from trainer.finding.suggestion import (
    FEWEST,
    Suggestion,
    diverges,
    range_problems,
    smoothed,
    suggest,
)
from trainer.loop import Trainer
from trainer.recording.memory import memory_used
from trainer.run import Run
from trainer.seeding import seed_all


@dataclass(frozen=True)
class RangeTest:
    """What a range test saw: rate and loss of each step, and what follows from them.

    `factors` has, for each optimizer that was moved, its rate as a share of the one that is found.
    `ended` says why the test ended.
    """

    rates: Sequence[float]
    losses: Sequence[float]
    suggestion: Suggestion
    factors: Mapping[str, float]
    ended: str

    @property
    def chosen(self) -> float | None:
        """The rate to use; None where the loss never fell."""
        return self.suggestion.chosen


def find(
    run: Run,
    *,
    low: float = 1e-7,
    high: float = 10.0,
    steps: int = 100,
    optimizer: str | None = None,
) -> RangeTest:
    """Train `steps` steps while the rate grows from `low` to `high`, and read a rate off the loss.

    The steps are those of the training: its batches, accumulation, precision and groups; of several
    optimizers all are moved in proportion, or the one that is named. The run is afterwards as it
    was, bit for bit. Raises Refused for a range or an optimizer that can't be, and Diverged when
    the loss isn't finite at rates too low to matter.
    """
    if problems := range_problems(low, high, steps):
        raise Refused(*problems)
    rates: list[float] = []
    losses: list[float] = []
    ended = f"all {steps} steps are done"
    run.console.start(steps, None, None, None)
    with preserved(run) as trainer:
        seed_all(run.seed, "training")
        moved = Rates(trainer.optimizers, [optimizer] if optimizer else [])
        watched = {name if len(trainer.turns) > 1 else "" for name in moved.names}
        newest: dict[str, float] = {}
        reports, began = trainer.fit(run.loaders.train), time.monotonic()
        for rate in map(float, np.geomspace(low, high, steps)):
            moved.set(rate)
            newest |= losses_of(next(reports), watched)
            if len(newest) < len(watched):
                continue  # an optimizer that moves every few steps hasn't had its first turn
            loss = math.fsum(newest.values())
            if not math.isfinite(loss):
                ended = f"the loss became {loss} at step {trainer.steps}"
                break
            rates.append(rate)
            losses.append(loss)
            show(run, trainer, rate, loss, began)
            if diverges(smoothed(losses, steps)):
                ended = f"the loss left its best value far behind at step {trainer.steps}"
                break
    run.console.finish(f"{len(losses)} steps; {ended}")
    if len(losses) < FEWEST:
        raise Diverged(
            f"{ended}, at a rate of {rate:.2g}; look for missing or huge values in the data, try "
            "trainer.precision=fp32, or a lower --low"
        )
    return RangeTest(rates, losses, suggest(rates, losses, steps), moved.factors, ended)


def show(run: Run, trainer: Trainer, rate: float, loss: float, began: float) -> None:
    """Redraw the progress display, if its time has come."""
    if run.console.due():
        samples = trainer.steps * trainer.accumulate * run.loaders.train.batch_size
        run.console.progress(
            step=trainer.steps,
            epoch=trainer.epoch,
            loss=loss,
            lr=rate,
            samples_per_second=samples / max(1e-9, time.monotonic() - began),
            waiting=0.0,
            memory=memory_used(run.device),
        )


def losses_of(report: Mapping[str, Tensor], watched: set[str]) -> dict[str, float]:
    """The losses of a step's report that are watched, by optimizer ("" where there is one)."""
    parts = ((name.partition("/"), value) for name, value in report.items())
    return {
        who: float(value) for (what, _, who), value in parts if what == "loss" and who in watched
    }
