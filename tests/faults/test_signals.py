"""Signals: the step is finished and saved, and the run that goes on ends as if nothing had been."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from forkserver import Ended, ForkServer
from log_runs import SHORT, WORKERS, goes_on, saved, status, tidy
from mistakes import contents
from reference_runs import whole_run
from signal_patches import JUDGED
from surviving import Whole
from watching import STEPS

INT, TERM, USR1 = signal.SIGINT, signal.SIGTERM, signal.SIGUSR1
NAMES = {INT: "Ctrl-C", TERM: "SIGTERM", USR1: "SIGUSR1"}
CODES = {INT: 130, TERM: 143, USR1: 143}
STEP = "trainer.loop:Trainer.step"


@pytest.fixture(scope="module")
def whole(server: ForkServer) -> Whole:
    return whole_run(server, SHORT)


def start(server: ForkServer, folder: Path, patch: str, *arguments: object) -> Ended:
    """Run the task with a patch that sends signals."""
    patch = f"signal_patches:{patch}"
    return server.run(SHORT.argv(), folder, patch=patch, arguments=arguments)


def stopped_at(ended: Ended, folder: Path, number: signal.Signals, step: int) -> None:
    """It said so, saved the step, and says how to go on."""
    assert ended.code == CODES[number], ended.err
    name = NAMES[number]
    told = f"error: stopped by {name}, saved at step {step}; continue with: "
    assert ended.err.startswith(told) and ended.err.endswith("/run\n"), ended.err
    assert ended.err.count("\n") == 1
    said = status(folder)
    assert (said["state"], said["step"], said["exit_code"]) == ("preempted", step, ended.code)
    assert said["checkpoint"] == f"checkpoints/step_{step:08d}"
    assert saved(folder)[-1] == step and tidy(folder)


@pytest.mark.parametrize(("number", "group"), [(INT, True), (TERM, False), (USR1, False)])
def test_while_training(
    number: signal.Signals, group: bool, server: ForkServer, tmp_path: Path, whole: Whole
) -> None:
    ended = start(server, tmp_path, "sent", STEP, 13, [number], group)
    stopped_at(ended, tmp_path, number, 13)
    goes_on(server, tmp_path, whole)


def test_to_the_whole_group_with_workers(server: ForkServer, tmp_path: Path, whole: Whole) -> None:
    """They ignore it: the batches that are on their way still come."""
    patch, arguments = "signal_patches:sent", [STEP, 13, [USR1, INT, TERM], True, True]
    ended = server.run(WORKERS.argv(), tmp_path, patch=patch, arguments=arguments)
    stopped_at(ended, tmp_path, USR1, 13)
    goes_on(server, tmp_path, whole, WORKERS)


def test_to_the_whole_group_with_workers_of_a_fork_server(
    server: ForkServer, tmp_path: Path, whole: Whole
) -> None:
    """The server that forks the workers, and Python's resource tracker, live on, too."""
    arguments = [STEP, 13, [USR1, TERM], True]
    patch = "signal_patches:sent"
    ended = server.run(WORKERS.argv(), tmp_path, patch=patch, arguments=arguments)
    stopped_at(ended, tmp_path, USR1, 13)
    goes_on(server, tmp_path, whole, WORKERS)


@pytest.mark.parametrize("numbers", [(TERM, TERM, USR1, INT), (INT, TERM, USR1)], ids=str)
def test_several_signals_at_once(
    numbers: tuple[signal.Signals, ...], server: ForkServer, tmp_path: Path, whole: Whole
) -> None:
    """The first says what the exit code is; the others change nothing."""
    ended = start(server, tmp_path, "sent", STEP, 13, [*numbers])
    stopped_at(ended, tmp_path, numbers[0], 13)
    goes_on(server, tmp_path, whole)


def test_a_second_ctrl_c_does_not_wait(server: ForkServer, tmp_path: Path, whole: Whole) -> None:
    ended = start(server, tmp_path, "sent", STEP, 13, [TERM, INT, INT])
    assert ended.code == 130
    assert ended.err.startswith("interrupted\nsaved up to step 10; go on with: ")
    assert status(tmp_path)["state"] == "preempted" and saved(tmp_path)[-1] == 10
    goes_on(server, tmp_path, whole)


def test_within_a_save(server: ForkServer, tmp_path: Path, whole: Whole) -> None:
    """Nothing tears it off but a second Ctrl-C."""
    ended = start(server, tmp_path, "sent_within_a_save", 2, [USR1, TERM, USR1, INT])
    stopped_at(ended, tmp_path, USR1, saved(tmp_path)[-1])
    goes_on(server, tmp_path, whole)


def test_a_second_ctrl_c_within_a_save(server: ForkServer, tmp_path: Path, whole: Whole) -> None:
    ended = start(server, tmp_path, "sent_within_a_save", 3, [INT, INT])
    assert ended.code == 130 and ended.err.startswith("interrupted\nsaved up to step ")
    goes_on(server, tmp_path, whole)


@pytest.mark.parametrize(("number", "group"), [(TERM, False), (INT, True)])
def test_within_validation(
    number: signal.Signals, group: bool, server: ForkServer, tmp_path: Path
) -> None:
    """It is given up within a batch, and made up for when the run goes on."""
    words = ("loader.batch_size=2", "checkpoint.every=70", "trainer.epochs=2")
    argv = SHORT.argv(*words)
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
    assert server.run(argv, tmp_path / "whole", patch=SHORT.patch).code == 0
    # The first call is that of the preflight; then come 15 batches for each epoch.
    patch, folder = "signal_patches:sent_within_validation", tmp_path / "stopped"
    ended = server.run(argv, folder, patch=patch, arguments=[1 + 15 + 3, [number], group])
    stopped_at(ended, folder, number, 140)
    assert len((folder / JUDGED).read_text().splitlines()) <= 2
    ended = server.run(["train", "resume=run"], folder, patch=SHORT.patch)
    assert ended.code == 0, ended.err
    from comparing import differences, state_of

    assert differences(state_of(folder / "run"), state_of(tmp_path / "whole" / "run")) == []


@pytest.mark.parametrize(
    ("where", "number"),
    [
        ("trainer.config.compose:compose", USR1),
        ("trainer.config.check:check", INT),
        ("trainer.storage.folder:RunFolder.claim", TERM),
        ("trainer.storage.lock:Lock.__init__", INT),
        ("trainer.run:make_loaders", TERM),
        ("trainer.stages:preflight", USR1),
        ("trainer.storage.folder:RunFolder.check_room", INT),
        ("trainer.preflight:trial_problems", TERM),
    ],
)
def test_before_the_first_step_nothing_is_left(
    where: str, number: signal.Signals, server: ForkServer, tmp_path: Path
) -> None:
    ended = start(server, tmp_path, "sent", where, 1, [number])
    told = "interrupted" if number == INT else f"stopped by {NAMES[number]}"
    assert (ended.code, ended.err) == (CODES[number], f"{told}\n")
    assert [path.name for path in tmp_path.iterdir()] == [STEPS]


@pytest.mark.parametrize("stride", [4, pytest.param(1, marks=pytest.mark.long)])
def test_at_any_operation_on_a_file_before_the_first_step(
    stride: int, server: ForkServer, tmp_path: Path, whole: Whole
) -> None:
    """Nothing is left, or a run that begins anew in place; never a folder that nobody can use."""
    left = 0
    for number in range(0, 200, stride):
        folder = tmp_path / str(number)
        folder.mkdir()
        ended = start(server, folder, "sent_at_operation", number, f"{number}/run", [TERM])
        assert ended.code == 143, ended.err
        if saved(folder):
            break
        if (folder / "run").exists():
            left += 1
            assert status(folder)["state"] == "preempted" and tidy(folder), number
            if left % 5 == 1:
                goes_on(server, folder, whole)
    assert 20 < number < 150 and left


@pytest.mark.parametrize(
    ("number", "where"),
    [(INT, "trainer.evaluation.report:write"), (USR1, "trainer.journal:Journal.finish")],
)
def test_after_the_last_step(
    number: signal.Signals, where: str, server: ForkServer, tmp_path: Path, whole: Whole
) -> None:
    ended = start(server, tmp_path, "sent", where, 1, [number, TERM, USR1])
    assert ended.code == CODES[number] and "saved up to step 32; go on with: " in ended.err
    assert ended.err.startswith("interrupted" if number == INT else f"stopped by {NAMES[number]}")
    assert status(tmp_path)["state"] == "preempted" and tidy(tmp_path)
    goes_on(server, tmp_path, whole)


@pytest.mark.parametrize(
    ("where", "number"),
    [("trainer.cli:run", USR1), ("trainer.cli:parse", TERM), ("trainer.config.build:build", USR1)],
)
def test_between_the_parts_of_a_command(
    where: str, number: signal.Signals, server: ForkServer, tmp_path: Path
) -> None:
    """Nobody is without a handler from the first line of a command on, and no folder either."""
    ended = start(server, tmp_path, "sent", where, 1, [number])
    assert (ended.code, ended.err) == (143, f"stopped by {NAMES[number]}\n")
    assert [path.name for path in tmp_path.iterdir()] == [STEPS]


def test_while_the_end_is_told(server: ForkServer, tmp_path: Path, whole: Whole) -> None:
    """All is saved, and what is left is a line on the screen: it comes whatever comes."""
    ended = start(server, tmp_path, "told_twice", 13, [USR1], [TERM, USR1, INT])
    stopped_at(ended, tmp_path, USR1, 13)
    goes_on(server, tmp_path, whole)


@pytest.mark.parametrize("number", [TERM, USR1], ids=NAMES.get)
def test_another_command(number: signal.Signals, server: ForkServer, tmp_path: Path) -> None:
    assert server.run(SHORT.argv("trainer.epochs=1"), tmp_path, patch=SHORT.patch).code == 0
    before = contents(tmp_path / "run")
    patch, arguments = "signal_patches:sent", ["trainer.evaluation.counts:Counts.update", 1]
    words = ["evaluate", "run"]
    ended = server.run(words, tmp_path, patch=patch, arguments=[*arguments, [number]])
    assert (ended.code, ended.err) == (143, f"stopped by {NAMES[number]}\n")
    assert contents(tmp_path / "run") == before


def test_a_process_of_its_own_to_its_end(tmp_path: Path, home: Path) -> None:
    """As installed: from the first line of the command to the last of the process."""
    program = """
import atexit, os, signal, sys
from trainer import cli
@atexit.register
def late():
    os.kill(os.getpid(), signal.SIGUSR1)
    os.kill(os.getpid(), signal.SIGTERM)
sys.argv = ["train", "--version"]
cli.train_command()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("fivestep ")


def test_a_sweep(server: ForkServer, tmp_path: Path) -> None:
    """Its trials save and go, and it says how to go on with them."""
    words = ["-m", "seed=1,2", "sweep.jobs=2", "trainer.epochs=1000", "evaluation.patience=null"]
    process = server.start(SHORT.argv(*words), tmp_path, patch=SHORT.patch)
    trials = [tmp_path / "run" / "000", tmp_path / "run" / "001"]
    end = time.monotonic() + 120
    while not all(any(t.glob("checkpoints/step_*/manifest.json")) for t in trials):
        assert time.monotonic() < end and process.poll(0.05) is None, process.said()
    process.kill(USR1)
    ended = process.wait()
    assert ended.code == 143, ended.err
    assert "the sweep was stopped" in ended.err and "sweep.resume=" in ended.err
    for trial in trials:
        said = json.loads((trial / "status.json").read_text())
        assert (said["state"], said["exit_code"]) == ("preempted", 143)
