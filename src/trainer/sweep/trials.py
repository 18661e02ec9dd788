"""What is known of the trials of a sweep, in `trials.jsonl`: a line a trial, in order."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from trainer.errors import Refused
from trainer.storage.atomic import read_regular, write_bytes

State = Literal["running", "finished", "failed", "pruned", "preempted"]
FILE = "trials.jsonl"
LARGEST = 200_000_000  # bytes
DIVERGED = 3


@dataclass(frozen=True)
class Trial:
    """One trial: what it was, how far it came, and why it ended there.

    `running` in the file of a sweep that nobody runs means that its parent was killed; `preempted`
    that it was asked to stop, and goes on with the sweep.
    """

    number: int
    overrides: tuple[str, ...]
    state: State = "running"
    reason: str = ""
    exit_code: int | None = None
    seconds: float = 0.0  # over all starts
    metrics: Mapping[str, float] = field(default_factory=dict)  # validation/accuracy, test/...

    @property
    def name(self) -> str:
        """The name of its run folder within the sweep's, and of its log."""
        return f"{self.number:03d}"

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to do for it.

        A failed one is tried again, for the disk may have room by now; one that diverged, or came
        to its end with a metric that is no number, would do so again.
        """
        return self.state in ("finished", "pruned") or self.exit_code in (0, DIVERGED)

    @property
    def told(self) -> str:
        """Its overrides as one line."""
        return briefly(self.overrides)


def briefly(overrides: Sequence[str]) -> str:
    """Overrides as one line, numbers of many digits with four of them."""
    return " ".join(
        re.sub(r"(?<==)-?\d+\.\d{5,}(e[+-]?\d+)?$", rounded, text) for text in overrides
    )


def rounded(match: re.Match[str]) -> str:
    """A number with four digits."""
    return f"{float(match[0]):.4g}"


def read_trials(folder: Path) -> list[Trial]:
    """The trials of the sweep in `folder`, by number; raises Refused where the file is damaged."""
    path = folder / FILE
    try:
        lines = read_regular(path, LARGEST).decode().splitlines()
        found = [of_json(json.loads(line)) for line in lines]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Refused(f"{path} is damaged ({reason}); restore it from a copy") from error
    return sorted(found, key=lambda trial: trial.number)


def of_json(line: Mapping[str, Any]) -> Trial:
    """A trial from a line of the file; ValueError, TypeError or KeyError where it is none."""
    if line["state"] not in get_args(State):
        raise ValueError(f"state {line['state']!r}")
    texts = tuple(str(text) for text in line["overrides"])
    metrics = {str(name): float(value) for name, value in line["metrics"].items()}
    return Trial(**{**line, "number": int(line["number"]), "overrides": texts, "metrics": metrics})


def to_json(trial: Trial) -> str:
    """A trial as one line; strict JSON, in which NaN and infinity are strings."""
    plain = asdict(trial)
    plain["metrics"] = {
        name: value if abs(value) < float("inf") else str(float(value))
        for name, value in trial.metrics.items()
    }
    return json.dumps(plain, ensure_ascii=False, allow_nan=False)


class Book:
    """The trials of the sweep in `folder`, written down at each change.

    For the one process that holds the lock of the sweep. Raises CannotWrite.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trials = {trial.number: trial for trial in read_trials(folder)}

    def put(self, trial: Trial) -> None:
        """Write down what a trial is now."""
        self.trials[trial.number] = trial
        text = "".join(f"{to_json(self.trials[number])}\n" for number in sorted(self.trials))
        # Unflushed: what a crash of the machine takes is found in the trials' own folders.
        write_bytes(self.folder / FILE, text.encode(), flush=False)
