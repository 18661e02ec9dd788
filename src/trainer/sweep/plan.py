"""What the trials of a sweep have in common; plain data, so that it can go to another process."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# -P: the current folder must not come before our own packages; -u: a log that is lost with the
# process would say nothing of how it ended.
PYTHON = (sys.executable, "-P", "-u", "-c")
# The words begin with `train`, which takes the place of `-c` in what a run notes as its command.
CALL = (
    "import sys; from trainer.sweep.watch import end_with_parent; end_with_parent(); "
    "from trainer.cli import train_command; del sys.argv[0]; train_command()"
)


@dataclass(frozen=True)
class Plan:
    """How a trial is started, and what it is judged by."""

    folder: Path  # the sweep's, absolute
    words: tuple[str, ...]  # what follows `train` in every trial, as typed
    select: str  # accuracy, f1 ...
    direction: Literal["max", "min"]
    every: int = 1  # epochs between two evaluations
    jobs: int = 1  # trials at once
    threads: int | None = None  # of each trial; None: as its config says
    gpus: tuple[str, ...] = ()  # to spread trials over; empty: nothing is said
    unexported: bool = False  # trials are not exported, though single runs are
    command: tuple[str, ...] = (*PYTHON, CALL, "train")

    @property
    def metric(self) -> str:
        """The metric that decides, as the trials record it."""
        return f"validation/{self.select}"

    @property
    def test_metric(self) -> str:
        """The same on the test split, which decides nothing."""
        return f"test/{self.select}"

    def trial_folder(self, name: str) -> Path:
        """The run folder of a trial."""
        return self.folder / name

    def log(self, name: str) -> Path:
        """What a trial printed."""
        return self.folder / "logs" / f"{name}.log"

    def better(self, one: float, other: float) -> bool:
        """Whether a value is better than another."""
        return one > other if self.direction == "max" else one < other
