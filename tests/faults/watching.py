"""What a child does beside the command: note each step that is begun, and draw no figures."""

import hashlib
import multiprocessing
import os
import warnings
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

STEPS = "steps.txt"


class Begun(NamedTuple):
    """A step that a process began, and the SHA-256 of what it was given."""

    pid: int
    step: int
    batches: str


def watched() -> None:
    """Note every step in steps.txt, in the current folder."""
    note_steps()


def watched_with_forked_workers() -> None:
    """As `watched`; workers are forked, in a hundredth of the time that a fork server takes."""
    watched()
    forked = multiprocessing.get_context("fork")
    multiprocessing.get_context = lambda method=None: forked  # type: ignore
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)


def note_steps() -> None:
    """Append process, step and a hash of the batches to steps.txt, before the step is taken."""
    from trainer.loop import Trainer

    step = Trainer.step
    file = os.open(STEPS, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def noting(self: Trainer, micro: list[Any], *arguments: Any, **named: Any) -> Any:
        digest = hashlib.sha256()
        for batch in micro:
            for field in batch:
                digest.update(field.contiguous().numpy().tobytes())
        os.write(file, f"{os.getpid()} {self.steps + 1} {digest.hexdigest()}\n".encode())
        return step(self, micro, *arguments, **named)

    Trainer.step = noting  # type: ignore[method-assign]


def blank_figures() -> None:
    """Drawing takes most of a short run's time, and is not what is looked at here."""
    from trainer.evaluation import figures, gallery, style

    def blank(*_: Any, **__: Any) -> Any:
        return style.figure(0.1, 0.1, "")

    figures.confusion_matrix = figures.per_class_bars = gallery.mistakes = blank


def steps_begun(folder: Path) -> list[Begun]:
    """All that was noted, in order; a line that a kill has torn is left out."""
    file = folder / STEPS
    lines = file.read_text().splitlines() if file.exists() else []
    found = [line.split() for line in lines]
    return [Begun(int(p[0]), int(p[1]), p[2]) for p in found if len(p) == 3 and len(p[2]) == 64]


def steps_repeated(begun: list[Begun]) -> int:
    """How many steps were begun more than once, each counted as often as it was done again."""
    return sum(count - 1 for count in Counter(b.step for b in begun).values())
