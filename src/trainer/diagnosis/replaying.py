"""A run gone through again, from a checkpoint up to one step, bit for bit; nothing is written."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from trainer.diagnosis.extent import unsound
from trainer.diagnosis.finding import Evidence, Finding
from trainer.diagnosis.judging import judge
from trainer.diagnosis.standing import ROWS, close, end_epoch, stand
from trainer.diagnosis.watching import Watch
from trainer.errors import Refused, nothing_started
from trainer.explanation import explained
from trainer.finding.preserving import preserved
from trainer.run import Run
from trainer.storage.restore import Checkpoint


@dataclass(frozen=True)
class Look:
    """What came out of looking at a step."""

    step: int
    epoch: int
    batch: int  # the first of the step, within its epoch
    samples: list[int]  # of the training split
    names: list[str] | None  # what they are called
    began: int  # step from which the run was gone through again
    checkpoint: str | None  # its name, None for the start of the run
    rows: list[dict[str, float]]  # step, losses, gradient norms and rate, of the last steps
    finding: Finding | None  # None where all is finite
    since: int | None  # the step that left a parameter or buffer not finite
    in_fp32: bool | None  # whether the step is finite in fp32; None where it was in fp32
    warnings: list[str]


def look_at(make: Callable[[], Run], step: int, advance: Callable[[int], None]) -> Look:
    """Go through a run up to `step` and look at that.

    `make` builds the run as it was before its first step; `advance` is told how many steps there
    are to go. Raises Refused where the run never gets there.
    """
    warnings: list[str] = []
    with nothing_started():
        run, checkpoint, born = stand(make, step, warnings)
        try:
            with explained(run):
                return Replay(run, step, born).look(checkpoint, advance, warnings)
        finally:
            close(run)


class Replay:
    """The steps from where a run stands up to the one that is looked at."""

    def __init__(self, run: Run, step: int, born: set[str]) -> None:
        assert isinstance(run.task, nn.Module)
        self.run, self.step, self.born, self.task = run, step, born, run.task
        self.rows: deque[dict[str, float]] = deque(maxlen=ROWS + 1)
        self.since: int | None = None
        self.before: set[str] = set()
        self.usual: Watch | None = None
        options, kind = run.options, run.device.type
        self.compiled = options.compile is True or (options.compile == "auto" and kind == "cuda")

    def look(
        self, checkpoint: Checkpoint | None, advance: Callable[[int], None], warnings: list[str]
    ) -> Look:
        """Take the steps, and look at the last one."""
        trainer = self.run.trainer
        began = trainer.steps
        fit = trainer.fit(self.run.loaders.train, self.run.options.epochs)
        while True:
            advance(self.step - trainer.steps)
            if trainer.precision.scaler is None and trainer.steps + 1 >= self.step - ROWS:
                trainer.norm_every = 1  # measuring changes no bit
            if trainer.steps + 1 == self.step:
                found = self.last(fit)
                if found is not None:
                    finding, in_fp32 = found
                    break
            else:
                self.plain(fit)
            if trainer.batch == 0:
                end_epoch(self.run)
        samples = self.samples()
        names = getattr(self.run.splits.train, "names", None)
        return Look(
            step=self.step,
            epoch=trainer.place[0],
            batch=trainer.place[1],
            samples=samples,
            names=None if names is None else [str(names[index]) for index in samples],
            began=began,
            checkpoint=checkpoint.path.name if checkpoint else None,
            rows=list(self.rows),
            finding=finding,
            since=self.since,
            in_fp32=in_fp32,
            warnings=warnings,
        )

    def plain(self, fit: Iterator[Any]) -> None:
        """Take a step as the run did; one before the last is watched, for comparison."""
        trainer = self.run.trainer
        watched = trainer.steps + 1 >= self.step - ROWS and not self.compiled
        watch = Watch(self.run, compiled=False) if watched else None
        rate = self.rate()
        with watch.entered() if watch else nullcontext():
            report = self.next(fit)
        if not report:
            return
        if watch is not None and watch.finite:
            self.usual = watch
        self.row(report, rate)
        self.before = unsound(self.task) - self.born
        if self.before and self.since is None:
            self.since = trainer.steps

    def last(self, fit: Iterator[Any]) -> tuple[Finding | None, bool | None] | None:
        """Take the step that is looked at; None where its batches were empty."""
        run = self.run
        half = run.trainer.precision.name != "fp32"
        watch, rate = Watch(run, compiled=self.compiled), self.rate()
        with ExitStack() as stack:
            if half:
                # Afterwards all is as before the step: it can be taken again in another precision.
                stack.enter_context(preserved(run))
            with watch.entered():
                report = self.next(fit)
            if not report:
                return None
            for seen in watch.turns:
                name = f"grad_norm/{seen.turn}" if len(run.trainer.turns) > 1 else "grad_norm"
                if name not in report and (norm := watch.norm(seen)) is not None:
                    report[name] = torch.tensor(norm)
            self.row(report, rate)
            after = unsound(self.task) - self.born
            evidence = Evidence(run, watch, self.usual, self.before, after, self.samples())
            finding = judge(evidence)
        return finding, finite_in_fp32(run, watch) if finding and half else None

    def next(self, fit: Iterator[Any]) -> dict[str, Any]:
        """The report of the next step; raises Refused where the run is at its end."""
        report = next(fit, None)
        if report is None:
            raise Refused(
                f"the run is at its end after {self.run.trainer.steps} steps; there is no step "
                f"{self.step}"
            )
        return dict(report)

    def row(self, report: dict[str, Any], rate: float) -> None:
        """Keep what a step reported."""
        told = {n: float(v) for n, v in report.items() if not n.startswith("nonfinite")}
        self.rows.append({"step": self.run.trainer.steps} | told | {"lr": rate})

    def rate(self) -> float:
        """The learning rate of the next step."""
        return float(next(iter(self.run.trainer.optimizers.values())).param_groups[0]["lr"])

    def samples(self) -> list[int]:
        """Which samples the last step held."""
        epoch, first = self.run.trainer.place
        loader, number = self.run.loaders.train, self.run.options.accumulate
        batches = range(first, min(first + number, len(loader)))
        return [index for batch in batches for index in loader.indices(epoch, batch)]


def finite_in_fp32(run: Run, watch: Watch) -> bool:
    """Whether loss and gradients of a step are finite without autocast."""
    trainer = run.trainer
    for turn, _, parameters in trainer.turns:
        seen = next((seen for seen in watch.turns if seen.turn == turn.optimizer), None)
        for batch in seen.batches if seen else ():
            found = turn.loss(turn.forward(trainer.modules, batch), batch)
            loss = found[0] / found[1] if isinstance(found, tuple) else found
            loss.backward()
            gradients = [p.grad for p in parameters if p.grad is not None]
            if not all(bool(value.isfinite().all()) for value in (loss, *gradients)):
                return False
        for optimizer in trainer.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
    return True
