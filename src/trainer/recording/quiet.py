"""The console without output; the one with output builds on it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from time import monotonic
from types import TracebackType
from typing import Self

from trainer.recording.layout import WIDEST, EvaluationTable, Styled, duration, number, plain, short
from trainer.recording.log import Log

NEVER = float("inf")


class Quiet:
    """The console switched off: prints nothing; what would be said still goes to the log file."""

    def __init__(self, log: str | os.PathLike[str] | None = None) -> None:
        self._log = Log()
        if log is not None:
            self.log_to(log)
        self._next = NEVER
        self._metric = ""
        self._best = ""
        self._table: EvaluationTable | None = None
        self._start = self._since = monotonic()
        self._first_step = self._step = 0
        self._epochs: int | None = None
        self._steps: int | None = None

    def log_to(self, path: str | os.PathLike[str]) -> None:
        """From here on write all that is said to a file too, with what was said before."""
        self._log.open(path, self._show_problem)

    def say(self, text: str) -> None:
        """Print a line that stays (or several), above the bar."""
        self._put([(text, "")])

    def warn(self, text: str) -> None:
        """Print a line that stays and stands out."""
        self._put([("warning: ", "bold magenta"), (text, "")])

    def start(
        self,
        total_steps: int | None,
        total_epochs: int | None,
        steps_per_epoch: int | None,
        metric_name: str | None,
        step: int = 0,
    ) -> None:
        """Begin to show progress.

        Totals are None where only time ends the run; an epoch count that is None is taken from the
        steps. `metric_name` is the one that names the best (`validation/accuracy`); `step` counts
        the steps that an earlier process has done.
        """
        if total_epochs is None and total_steps and steps_per_epoch:
            total_epochs = -(-total_steps // steps_per_epoch)
        self._metric, self._epochs, self._steps = metric_name or "", total_epochs, total_steps
        self._start = self._since = monotonic()
        self._first_step = self._step = step
        self._table = None
        self._best = ""

    def due(self) -> bool:
        """Whether it is time to draw; only then read the device and call `progress`."""
        return monotonic() >= self._next

    def progress(
        self,
        step: int,
        epoch: int,
        loss: float,
        lr: float,
        samples_per_second: float,
        waiting: float,
        memory: float,
    ) -> None:
        """Draw the bar: steps done, the epoch (from 0), share of time waiting (0 to 1), bytes."""
        self._step = step

    def evaluated(
        self, epoch: int, step: int, values: Mapping[str, float], best: bool = False
    ) -> None:
        """Print the permanent line of an evaluation; the first one prints the titles too.

        values: `train/loss`, `validation/loss`, `validation/<metric>`; epoch counts from 0.
        """
        now = monotonic()
        self._step = step
        if self._table is None:
            self._table = EvaluationTable(self._width(), self._metric, self._epochs, self._steps)
            self._put(self._table.header(values))
        if best and self._metric in values:
            value = number(values[self._metric])
            self._best = f"; best {short(self._metric)} {value} in epoch {epoch + 1}"
        self._put(self._table.row(epoch, step, values, now - self._since, best))
        self._since = now

    def finish(self, text: str | None = None) -> None:
        """Take the bar away and print what the run came to, or `text` in its place."""
        self._next = NEVER
        if text is None:
            steps = self._step - self._first_step
            seconds = monotonic() - self._start
            text = f"{steps:,} steps in {duration(seconds)}{self._best}"
        self.say(text)

    def close(self) -> None:
        """Give back the terminal and the log file; a second call does nothing."""
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _put(self, line: Styled) -> None:
        self._log.write(plain(line))

    def _show_problem(self, text: str) -> None:
        """Where the log file can't be written, there is nobody to tell."""

    def _width(self) -> int:
        return WIDEST
