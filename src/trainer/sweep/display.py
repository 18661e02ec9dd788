"""What a sweep shows while it runs: a line for each event, and on a terminal what is running."""

from time import monotonic
from typing import TextIO

from trainer.pasting import nearest
from trainer.recording import Console
from trainer.recording.layout import Styled, clock, duration, number
from trainer.sweep.plan import Plan
from trainer.sweep.trials import Trial

SHOWN = 8  # running trials that are drawn; more would push the events off a small terminal


class Display(Console):
    """Tells of trials on the console; what is said also goes to `sweep.log` in the folder.

    `total` is the number of trials, None where that is not known.
    """

    def __init__(self, plan: Plan, total: int | None = None, stream: TextIO | None = None) -> None:
        super().__init__(stream, plan.folder / "sweep.log")
        self.plan, self.total = plan, total
        self.ended_trials = 0
        self.best: float | None = None
        self._rows: dict[int, tuple[Trial, float, str]] = {}  # with its start, and the last value

    @property
    def width(self) -> int:
        """Characters in a line."""
        return self._width()

    def introduce(self) -> None:
        """Say what is about to be run, and where."""
        plan, total = self.plan, self.total
        pieces = [f"{total} trials" if total != 1 else "1 trial"] if total is not None else []
        if plan.jobs > 1:
            pieces.append(f"{plan.jobs} at a time")
        if plan.threads is not None:
            pieces.append(f"{plan.threads} thread{'s' * (plan.threads != 1)} each")
        if len(plan.gpus) > 1:
            pieces.append(f"on {len(plan.gpus)} GPUs")
        if plan.unexported:
            pieces.append("none exported")
        self.say(f"sweep {nearest(plan.folder)}: {', '.join(pieces)}")

    def count(self, trials: int) -> None:
        """Count trials that an earlier start has brought to their end."""
        self.ended_trials += trials

    def started(self, trial: Trial) -> None:
        """A trial has been started."""
        self._rows[trial.number] = (trial, monotonic(), "")
        self.say(f"{trial.name}  started   {trial.told}")

    def measured(self, trial: Trial, epochs: int, value: float) -> None:
        """A running trial has measured its metric."""
        _, began, _ = self._rows[trial.number]
        told = f"{self.plan.select} {number(value)} after {epochs} epoch{'s' * (epochs != 1)}"
        self._rows[trial.number] = (trial, began, told)

    def ended(self, trial: Trial) -> None:
        """A trial has come to an end, a good one or a bad one."""
        self._rows.pop(trial.number, None)
        self.ended_trials += trial.state != "preempted"
        value = trial.metrics.get(self.plan.metric)
        pieces = [duration(trial.seconds)]
        if trial.state == "finished" and value is not None:
            pieces.insert(0, f"{self.plan.select} {number(value)}")
            if self.best is None or self.plan.better(value, self.best):
                self.best = value
                pieces.append("the best so far")
        if trial.state != "finished" or trial.exit_code != 0:
            pieces.insert(0, trial.reason)
        style = {"finished": "", "failed": "bold red"}.get(trial.state, "yellow")
        # `preempted` is a word of batch systems.
        state = "stopped" if trial.state == "preempted" else trial.state
        self._put([(trial.name, ""), (f"  {state:<10}", style), ("; ".join(pieces), "")])

    def draw(self) -> None:
        """Draw what is running, on a terminal only."""
        if self._rich is None or not self._rows:
            return
        of_all = f" of {self.total}" if self.total is not None else ""
        best = "" if self.best is None else f", best {self.plan.select} {number(self.best)}"
        width = self._width()
        line: Styled = [(f"\n{self.ended_trials}{of_all} trials are done{best}", "bold")]
        for trial, began, told in list(self._rows.values())[:SHOWN]:
            text = f"{trial.name}  {clock(monotonic() - began):>7}  {told or 'starting':<32}  "
            line.append((f"\n{(text + trial.told)[:width]}", ""))
        if len(self._rows) > SHOWN:
            line.append((f"\nand {len(self._rows) - SHOWN} more", "dim"))
        self._draw(line)
