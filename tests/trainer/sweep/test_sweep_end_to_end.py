"""Real trials: a sweep that is killed, goes on, and comes to what it would have come to."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from trainer.cli import main
from trainer.cpus import available_cpus
from trainer.errors import FolderInUse
from trainer.storage.lock import Lock
from trainer.sweep.trials import read_trials

SHORT = [
    *("model=mlp", "trainer.epochs=30", "loader.limit_batches=8", "recorder=silent"),
    *("evaluation.baselines=false", "evaluation.mistakes=0", "export=none"),
]
SWEEP = ["-m", *SHORT, "optimizer=sgd", "optimizer.lr=0.1,1e30,0.05", "sweep.jobs=2"]
CALL = "import sys; from trainer.cli import main; sys.exit(main(sys.argv[1:]))"


def wait_for(condition: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_free(folder: Path) -> bool:
    try:
        Lock(folder).release()
    except FolderInUse:
        return False
    return True


def test_a_killed_sweep_goes_on_to_the_same_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "sweep"
    command = [sys.executable, "-c", CALL, "train", *SWEEP, "run.dir=sweep"]
    parent = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    wait_for(lambda: list((folder / "000/checkpoints").glob("step_*")))
    assert os.getsid(parent.pid) == parent.pid
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    # No orphans: what ran saves and goes by itself.
    wait_for(lambda: is_free(folder / "000"))
    status = json.loads((folder / "000/status.json").read_text())
    assert status["state"] == "preempted" and status["exit_code"] == 143
    assert 0 < status["step"] < 240

    assert main(["train", *SWEEP, "run.dir=sweep", "sweep.resume=sweep"]) == 7
    shown = capsys.readouterr()
    trials = read_trials(folder)
    assert [trial.state for trial in trials] == ["finished", "failed", "finished"]
    assert (trials[1].exit_code, trials[1].reason[:18]) == (3, "the loss is nan at")
    log = (folder / "logs/000.log").read_text()
    assert f"Continuing from step {status['step']}" in log and log.count("folder  ") == 2
    assert "1 of 3 trials failed" in shown.err
    with (folder / "leaderboard.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == ["1", "2", ""]
    assert float(rows[0]["validation/accuracy"]) >= float(rows[1]["validation/accuracy"])

    # The same run by hand, in one go: bit for bit what the killed trial came to.
    share = f"trainer.threads={max(1, available_cpus() // 2)}"
    words = [*SHORT, "optimizer=sgd", "optimizer.lr=0.1", share, "run.dir=alone"]
    assert main(["train", *words]) == 0
    alone = json.loads((tmp_path / "alone/status.json").read_text())
    assert trials[0].metrics == alone["metrics"]
    environment = json.loads((folder / "000/environment.json").read_text())
    assert environment["command"][:2] == ["train", "model=mlp"]
