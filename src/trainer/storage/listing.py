"""Runs as a list: what their folders say of them, read without torch and without changing them."""

import fcntl
import json
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from trainer.storage import lock
from trainer.storage.atomic import read_regular
from trainer.storage.runs import STATES, STATUS

RUNNING, DIED, DAMAGED = "running", "died", "damaged"
# What a folder may be in: what status.json says, with two more that it can't say.
SHOWN_STATES = (*STATES, DIED, DAMAGED)
SWEEP = "sweep.yaml"
_OWN = (lock.NAME, "overrides.yaml", "config.yaml", "train.log")  # beside a status.json of ours
_LIMIT = 1_000_000
_SELECT = re.compile(r"^evaluation:\n(?:[ ].*\n)*?  select: (.+)$", re.MULTILINE)
_EPOCHS = re.compile(r"^trainer:\n(?:[ ].*\n)*?  epochs: (\d{1,18})$", re.MULTILINE)


@dataclass(frozen=True)
class Record:
    """What a run folder says of its run; what can't be read is None or empty, and in `damaged`."""

    folder: Path
    state: str  # one of SHOWN_STATES; "died": it says running, but nobody holds its lock
    reason: str | None = None
    exit_code: int | None = None
    step: int | None = None
    epoch: int | None = None
    epochs: int | None = None  # as chosen
    select: str = "accuracy"  # the metric that chooses the best
    metrics: dict[str, float] = field(default_factory=dict)  # validation/accuracy, test/loss ...
    started: datetime | None = None
    updated: datetime | None = None
    checkpoint: str | None = None
    overrides: list[str] = field(default_factory=list)
    sweep: Path | None = None  # the sweep that it is a trial of
    damaged: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float | None:
        """From its start to its last word; until now for a run that goes on."""
        if self.started is None:
            return None
        until = datetime.now().astimezone() if self.state == RUNNING else self.updated
        return None if until is None else max(0.0, (until - self.started).total_seconds())

    def metric(self, name: str) -> float | None:
        """A metric by its name, `validation/` being understood where no split is named."""
        full = name if name.startswith(("validation/", "test/")) else f"validation/{name}"
        return self.metrics.get(full)

    def plain(self) -> dict[str, Any]:
        """Everything as it can stand in JSON; NaN and infinity as null."""
        return {
            "folder": str(self.folder),
            "state": self.state,
            "reason": self.reason,
            "exit_code": self.exit_code,
            "step": self.step,
            "epoch": self.epoch,
            "epochs": self.epochs,
            "select": self.select,
            "metrics": {n: v if math.isfinite(v) else None for n, v in self.metrics.items()},
            "started": self.started and self.started.isoformat(timespec="milliseconds"),
            "updated": self.updated and self.updated.isoformat(timespec="milliseconds"),
            "seconds": self.seconds,
            "checkpoint": self.checkpoint,
            "overrides": self.overrides,
            "sweep": self.sweep and str(self.sweep),
            "damaged": self.damaged,
        }


def records(top: Path, depth: int = 4) -> Iterator[Record]:
    """Yield what lies at or under `top`, by path, not deeper than `depth` and not within runs.

    Folders that go meanwhile, or that may not be read, are left out.
    """
    yield from _below(top, depth, None)


def _below(folder: Path, depth: int, sweep: Path | None) -> Iterator[Record]:
    found = record(folder, sweep)
    if found is not None:
        yield found
        return
    try:
        with os.scandir(folder) as entries:
            # A link could lead in a circle, or show a run twice.
            inner = {e.name: e.is_dir(follow_symlinks=False) for e in entries}
    except OSError:
        return
    here = folder if inner.get(SWEEP) is False else sweep
    for name in sorted(name for name, is_folder in inner.items() if is_folder):
        if depth and not name.startswith("."):
            yield from _below(folder / name, depth - 1, here)


def record(folder: Path, sweep: Path | None = None) -> Record | None:
    """What one folder says of its run; None where it is none."""
    damaged: list[str] = []
    status = _status(folder, damaged)
    if status is None:
        return None
    overrides = _overrides(folder, damaged)
    config = _text(folder / "config.yaml") or ""
    state = status.get("state", DAMAGED)
    if state == RUNNING and not held(folder):
        state = DIED
    select, epochs = _SELECT.search(config), _EPOCHS.search(config)
    return Record(
        folder=folder,
        state=state,
        reason=_as(status, "reason", str),
        exit_code=_as(status, "exit_code", int),
        step=_as(status, "step", int),
        epoch=_as(status, "epoch", int),
        epochs=int(epochs[1]) if epochs else None,
        select=_unprefixed(select[1]) if select else "accuracy",
        metrics=_metrics(status.get("metrics")),
        started=_moment(status.get("started")),
        updated=_moment(status.get("updated")),
        checkpoint=_as(status, "checkpoint", str),
        overrides=overrides,
        sweep=sweep,
        damaged=damaged,
    )


def held(folder: Path) -> bool:
    """Whether a process holds the folder's lock; True as well where it may not be looked at."""
    # Opening a pipe that nobody writes to would wait for ever.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        handle = os.open(folder / lock.NAME, flags)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        # Shared, and for an instant: two who look don't see each other.
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return True  # No locks on this file system: what status.json says has to do.
    finally:
        os.close(handle)
    return False


def _status(folder: Path, damaged: list[str]) -> dict[str, Any] | None:
    """The content of status.json, empty where it is damaged; None where the folder is no run."""
    try:
        status = json.loads(read_regular(folder / STATUS, _LIMIT))
        if isinstance(status, dict) and status.get("state") in STATES:
            return status
    except OSError as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            return None
    except (ValueError, RecursionError):
        pass  # Half a file, or somebody else's: the other files tell which.
    if not any((folder / name).exists() for name in _OWN):
        return None
    damaged.append(STATUS)
    return {}


def _overrides(folder: Path, damaged: list[str]) -> list[str]:
    path = folder / "overrides.yaml"
    text = _text(path)
    if text is None:
        if path.exists() or path.is_symlink():
            damaged.append(path.name)
        return []
    try:
        return list(_words(text))
    except (yaml.YAMLError, ValueError, RecursionError):
        damaged.append(path.name)
        return []


def _words(text: str) -> Iterator[str]:
    """Yield the texts of a YAML list of texts; raises ValueError for anything else.

    Its events alone are looked at: what is nested without end is never built, which the parser in C
    does not survive. With that one, 200 files take 30 ms instead of 300.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    depth = 0
    for event in yaml.parse(text, Loader=loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.ScalarEvent) and depth == 1 and event.tag is None:
            yield event.value
        elif isinstance(event, yaml.NodeEvent) and not (
            isinstance(event, yaml.SequenceStartEvent) and depth == 1
        ):
            raise ValueError("not a list of texts")


def _text(path: Path) -> str | None:
    try:
        return read_regular(path, _LIMIT).decode()
    except (OSError, ValueError):
        return None  # Gone, not ours to read, too long, or no text: the caller says which matters.


def _as(status: dict[str, Any], name: str, kind: type[Any]) -> Any:
    value = status.get(name)
    return value if type(value) is kind else None


def _metrics(found: Any) -> dict[str, float]:
    """Each metric with its split; while a run trains, its status has those of the validation."""
    numbers: dict[str, float] = {}
    for name, value in found.items() if isinstance(found, dict) else ():
        try:
            number = float(value)  # "nan" and "inf" are text in JSON
        except (TypeError, ValueError, OverflowError):
            continue
        full = name if name.startswith(("validation/", "test/")) else f"validation/{name}"
        numbers[full] = number
    return numbers


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone()
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _unprefixed(select: str) -> str:
    return select.strip().strip("'\"").removeprefix("validation/")
