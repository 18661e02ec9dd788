"""Sweeps of stand-ins for trials, and what they have left."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainer.sweep.axes import Choices
from trainer.sweep.plan import Plan
from trainer.sweep.request import Request
from trainer.sweep.sweep import Sweep

FAKE = (sys.executable, "-P", str(Path(__file__).with_name("fake_trial.py")))


def make(folder: Path, space: dict[str, list[str]], *words: str, **plan: Any) -> Sweep:
    """A grid over `space` in `folder`; `plan` changes the plan."""
    folder.mkdir(exist_ok=True)
    axes = {key: Choices(tuple(values)) for key, values in space.items()}
    base = Plan(folder=folder, words=words, select="accuracy", direction="max", command=FAKE)
    return Sweep(replace(base, **plan), Request((), "grid", axes, "accuracy", "max"))


def starts(folder: Path) -> list[Any]:
    """What each start of a trial in a sweep was given, in order."""
    file = folder / "starts.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def started(folder: Path) -> list[str]:
    """The names of the trials in the order of their starts."""
    return [start["name"] for start in starts(folder)]
