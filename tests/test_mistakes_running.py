"""What goes wrong once a run has begun: the exit code, and nothing lost that was saved."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mistakes import (
    DATA,
    HALF_WAY,
    NET,
    QUICK,
    THREE,
    before_call,
    contents,
    folder_of_a_user,
    goes_on,
    refused,
    send,
    status,
    stop_half_way,
    train,
)
from safetensors.torch import load_file

from trainer import journal, stages
from trainer.cli import main
from trainer.config import build
from trainer.loop import Trainer

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder of a user's, in which every test stands."""
    with folder_of_a_user(tmp_path):
        yield tmp_path


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stop_half_way(tmp_path_factory.mktemp("stopped"))


@pytest.fixture
def half(stopped: Path, place: Path) -> Path:
    """A copy of it, here."""
    shutil.copytree(stopped, place / "run")
    return place / "run"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stage", ["compose", "assemble", "preflight"])
def test_stopped_before_the_first_step_nothing_is_left(
    stage: str, number: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    from trainer.config import compose

    holder = {"compose": compose, "assemble": build, "preflight": stages}[stage]
    before_call(monkeypatch, holder, stage, 1, send(number))
    before = contents(Path.cwd())
    outcome = train(capsys, *THREE)
    assert outcome.code == 128 + number and "Traceback" not in outcome.err
    assert contents(Path.cwd()) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_while_training(
    number: signal.Signals, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    with monkeypatch.context() as patch:
        before_call(patch, Trainer, "step", 3, send(number))
        outcome = train(capsys, *THREE)
    assert outcome.code == 128 + number
    assert "saved at step 3; continue with: " in outcome.err and "resume=" in outcome.err
    assert status(place / "run")["state"] == "preempted"


def test_stopped_twice_while_training(
    half: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    with monkeypatch.context() as patch:
        before_call(patch, Trainer, "step", 20, send(signal.SIGINT))
        before_call(patch, stages, "save", 1, send(signal.SIGINT))
        outcome = train(capsys, "resume=run", quick=())
    assert outcome.code == 130
    assert outcome.err.startswith(f"interrupted\nsaved up to step {HALF_WAY}; go on with: ")
    goes_on(capsys, half)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_while_evaluating(
    number: signal.Signals, half: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    with monkeypatch.context() as patch:
        before_call(patch, stages, "evaluate", 1, send(number))
        outcome = train(capsys, "resume=run", quick=())
    assert outcome.code == 128 + number and "saved up to step 120; go on with: " in outcome.err
    assert status(half)["state"] == "preempted" and status(half)["exit_code"] == 128 + number
    goes_on(capsys, half)


def test_a_run_that_diverges(place: Path, capsys: Capture) -> None:
    words = ("optimizer=sgd", "scheduler=none", "trainer.epochs=3", "run.dir=run")
    steps = ("+optimizer.maximize=false", "checkpoint.every=2", "optimizer.lr=1e9")
    outcome = train(capsys, *words, *steps)
    assert outcome.code == 3 and "Traceback" not in outcome.err
    assert "the loss is nan at step" in outcome.err and "try a lower optimizer.lr" in outcome.err
    assert status(place / "run")["exit_code"] == 3
    for file in (place / "run" / "checkpoints").glob("*/model.safetensors"):
        assert all(torch.isfinite(tensor.float()).all() for tensor in load_file(file).values())


def test_a_run_that_diverges_late_keeps_its_best(
    half: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    before = {k: v for k, v in contents(half).items() if k.startswith("checkpoints/")}
    whole, calls = journal.Journal.take, 0

    def poisoned(self: journal.Journal, report: dict[str, torch.Tensor]) -> None:
        nonlocal calls
        calls += 1
        whole(self, report if calls < 20 else {"loss": torch.tensor(float("inf"))})

    with monkeypatch.context() as patch:
        patch.setattr(journal.Journal, "take", poisoned)
        outcome = train(capsys, "resume=run", quick=())
    assert outcome.code == 3 and f"the last checkpoint is step {HALF_WAY}" in outcome.err
    after = {k: v for k, v in contents(half).items() if k.startswith("checkpoints/")}
    assert after == before
    goes_on(capsys, half)


@pytest.mark.parametrize(
    ("mode", "words", "code", "told"),
    [
        ("one_raises", [], 7, "sample 50 of Rows failed (OSError: file gone, at"),
        ("one_shape", [], 7, "can't be put in one batch"),
        ("one_label", [], 7, "label 9 of sample 50 in the train split is out of range"),
        ("late_validation", [], 7, "label 9 of sample 50 in the validation split is out of"),
        ("one_nan", [], 3, "sample 50 of the train split holds NaN or infinity: mend or remove"),
    ],
)
def test_data_that_fails_while_running(
    mode: str, words: list[str], code: int, told: str, place: Path, capsys: Capture
) -> None:
    outcome = train(capsys, *DATA, f"+data.mode={mode}", "run.dir=run", *words)
    assert outcome.code == code and told in outcome.err, outcome
    assert "Traceback" not in outcome.err and "unexpected" not in outcome.err
    assert status(place / "run")["state"] == "failed"
    assert status(place / "run")["exit_code"] == code


def test_samples_that_are_all_in_one_step(place: Path, capsys: Capture) -> None:
    (place / "few.csv").write_text("x,y\n" + "".join(f"{k},{'ab'[k % 2]}\n" for k in range(30)))
    words = ["data=table", "data.path=few.csv", "data.target=y", "run.dir=run", "trainer.epochs=3"]
    assert main(["train", *words, "export=none", "recorder=silent"]) == 0
    told = capsys.readouterr()
    line = "all 21 training samples are in one step, so that 3 epochs are 3 steps: "
    assert line + "loader.batch_size=2" in told.out + told.err
    again = [*words[:3], "run.dir=other", "trainer.epochs=3", "loader.batch_size=2"]
    assert main(["train", *again, "export=none", "recorder=silent"]) == 0
    told = capsys.readouterr()
    assert "are in one step" not in told.out + told.err


def test_data_that_ends_the_process(capsys: Capture) -> None:
    outcome = train(capsys, *DATA, "+data.mode=exits")
    assert outcome.code == 1 and "unexpected: SystemExit: 3" in outcome.err


def test_memory_that_runs_out(capsys: Capture) -> None:
    outcome = train(capsys, *NET, "+model.mode=memory", "run.dir=run")
    assert outcome.code == 7 and "with one sample at a time; try trainer.prec" in outcome.err
    assert "Traceback" not in outcome.err


def test_a_fault_in_a_model_of_ones_own_is_shown_where_it_is(capsys: Capture) -> None:
    outcome = train(capsys, *NET, "+model.mode=later", "run.dir=run")
    assert outcome.code == 1 and "your own code took part" in outcome.err
    assert "usernet.py" in outcome.err and "trouble later" in outcome.err


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_takes_no_more(
    reason: int, half: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """What had been saved is whole, and the run goes on when there is room again."""

    def full(*_: object) -> None:
        raise OSError(reason, os.strerror(reason))

    with monkeypatch.context() as patch:
        before_call(patch, Trainer, "step", 20, lambda: patch.setattr(os, "fsync", full))
        outcome = train(capsys, "resume=run", quick=())
    assert outcome.code == 4 and errno.errorcode[reason] in outcome.err, outcome
    assert "Traceback" not in outcome.err and "go on with: " in outcome.err
    assert not list(half.rglob(".tmp-*"))
    goes_on(capsys, half)


def test_nowhere_to_write(place: Path, capsys: Capture) -> None:
    (place / "runs").write_text("x")
    assert "ENOTDIR" in refused(capsys, code=4)
    assert "choose another folder with run.dir=FOLDER" in refused(capsys, "run.dir=runs/x", code=4)


def test_no_room(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    usage = shutil.disk_usage(".")._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert "1.0 MB free there); free some space" in refused(capsys, "run.dir=a/b", code=4)


def test_an_output_that_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under `train >&-`, and under some schedulers."""
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", None)
        code = main(["train", *QUICK, "model.width=4", "loader.limit_batches=2"])
        sys.stdout.close()
    assert code == 0


def test_a_pipe_that_closes_and_a_home_that_can_not_be_written(place: Path) -> None:
    """`train | head -1` trains to the end; that the run is not signed is said in one line."""
    (place / "home").write_text("x")
    words = [*QUICK, "model.width=4", "loader.limit_batches=2"]
    program = "import sys; from trainer.cli import main; sys.exit(main(['train', *sys.argv[1:]]))"
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"FIVESTEP_HOME": "home"},
    )
    os.close(writer)
    assert done.returncode == 0
    assert done.stderr.startswith("warning: files of this run are not signed (")
    assert done.stderr.count("\n") == 1
