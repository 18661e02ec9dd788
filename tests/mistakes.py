"""A folder of a user's, `train` in it, and what every refusal has in common."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from trainer.cli import main
from trainer.loop import Trainer

QUICK = (
    "trainer.epochs=1", "trainer.threads=1", "recorder=silent", "evaluation.baselines=false",
    "export=none",
)  # fmt: skip
THREE = ("run.dir=run", "trainer.epochs=3", "model.width=4", "data.augment=null", "export=none")
HALF_WAY = 50  # of their 120 steps, 40 an epoch
# A model of the user's own in the place of the default one.
NET = (
    "model._target_=usernet.Net",
    *(f"~model.{key}" for key in ("input_shape", "num_classes", "width", "stages", "dropout")),
)
LINEAR = ("model._target_=usernet.linear", *(key for key in NET[1:] if "num_classes" not in key))
# Data of the user's own, with that model.
DATA = (
    "data._target_=userdata.make",
    *(f"~data.{key}" for key in ("validation", "test", "split_seed", "augment", "transform")),
    *(f"~data.{key}" for key in ("folds", "fold")),
    "loader.batch_size=4",
    *LINEAR,
)


@dataclass(frozen=True)
class Outcome:
    """What a command left on the screen, and its exit code."""

    code: int
    out: str
    err: str


@contextmanager
def folder_of_a_user(place: Path) -> Iterator[Path]:
    """Make it the current folder, with the user's modules in it; they are forgotten afterwards."""
    for file in (Path(__file__).parent / "users").glob("*.py"):
        shutil.copy(file, place)
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setattr(sys, "path", list(sys.path))
        patch.setattr(sys, "dont_write_bytecode", True)
        yield place
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(place)):
            del sys.modules[name]


def train(capsys: pytest.CaptureFixture[str], *words: str, quick: Sequence[str] = QUICK) -> Outcome:
    """Run `train` in the current folder."""
    capsys.readouterr()
    code = main(["train", *quick, *words])
    captured = capsys.readouterr()
    return Outcome(code, captured.out, captured.err)


def contents(place: Path) -> dict[str, str]:
    """Every file below a folder with its SHA-256, and every folder."""
    return {
        str(path.relative_to(place)): sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else ""
        for path in sorted(place.rglob("*"))
        if path.name != ".lock"
    }


def refused(
    capsys: pytest.CaptureFixture[str], *words: str, code: int = 2, quick: Sequence[str] = QUICK
) -> str:
    """Run `train`, which has to refuse without a traceback and change nothing; what it said."""
    before = contents(Path.cwd())
    outcome = train(capsys, *words, quick=quick)
    assert outcome.code == code, outcome
    assert "Traceback" not in outcome.err and "unexpected" not in outcome.err
    assert outcome.err.startswith("error: ")
    assert contents(Path.cwd()) == before
    return outcome.err


def before_call(
    patch: pytest.MonkeyPatch, holder: Any, name: str, number: int, act: Callable[[], object]
) -> None:
    """Do something just before the `number`-th call of a function."""
    function, calls = getattr(holder, name), 0

    def counting(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            act()
        return function(*arguments, **named)

    patch.setattr(holder, name, counting)


def send(number: signal.Signals) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def stop_half_way(place: Path) -> Path:
    """A run that Ctrl-C has stopped half way, in a folder of its own."""
    with folder_of_a_user(place), pytest.MonkeyPatch.context() as patch:
        before_call(patch, Trainer, "step", HALF_WAY, send(signal.SIGINT))
        words = ("trainer.threads=1", "recorder=silent", "evaluation.baselines=false")
        assert main(["train", *words, *THREE]) == 130
    return place / "run"


def status(folder: Path) -> Any:
    return json.loads((folder / "status.json").read_text())


def goes_on(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """The run can be continued to its end."""
    outcome = train(capsys, f"resume={folder}", quick=())
    assert outcome.code == 0, outcome.err
    assert status(folder)["state"] == "finished" and status(folder)["step"] == 120
