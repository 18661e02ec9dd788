"""Two processes and one folder: the second is told who is there, and changes nothing."""

import json
import re
import signal
import socket
import time
from pathlib import Path

import pytest
from forkserver import ForkServer, Process
from log_patches import GO, PAUSED
from log_runs import SHORT, WORKERS, goes_on, one_line, same, saved, status
from reference_runs import whole_run
from surviving import Whole


@pytest.fixture(scope="module")
def whole(server: ForkServer) -> Whole:
    return whole_run(server, SHORT)


def running(server: ForkServer, folder: Path) -> Process:
    """A run that waits before its seventh step, when one checkpoint is there."""
    process = server.start(SHORT.argv(), folder, patch="log_patches:paused", arguments=[7])
    end = time.monotonic() + 120
    while not (folder / PAUSED).exists():
        assert time.monotonic() < end, process.said()
        time.sleep(0.01)
    return process


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_second_is_told_who_is_there(server: ForkServer, tmp_path: Path, whole: Whole) -> None:
    """Whoever would write is refused; whoever reads is not. The first doesn't notice."""
    process = running(server, tmp_path)
    run = tmp_path / "run"
    before = files(run)
    for argv in (SHORT.argv(), ["train", "resume=run"], ["export", "run"]):
        ended = server.run(argv, tmp_path)
        told = one_line(ended)
        assert ended.code == 6, told
        pattern = r"is in use by process (\d+) on (\S+) since (\S+); wait for it, stop it, or"
        who = re.search(pattern, told)
        assert who is not None, told
        assert (int(who[1]), who[2]) == (process.pid, socket.gethostname())
        assert who[3] == json.loads((run / ".lock").read_bytes())["since"]
    for argv in (["evaluate", "run"], ["runs", "."]):
        ended = server.run(argv, tmp_path)
        assert ended.code == 0, ended.err
    assert files(run) == before
    (tmp_path / GO).touch()
    ended = process.wait()
    assert ended.code == 0, ended.err
    assert same(tmp_path, whole) == []


def test_the_lock_is_free_when_its_holder_is_killed(
    server: ForkServer, tmp_path: Path, whole: Whole
) -> None:
    process = running(server, tmp_path)
    process.kill(signal.SIGKILL)
    process.wait()
    assert status(tmp_path)["state"] == "running" and saved(tmp_path) == [5]
    goes_on(server, tmp_path, whole)


@pytest.mark.parametrize("patch", [WORKERS.patch, SHORT.patch], ids=["forked", "fork server"])
def test_workers_that_outlive_their_parent_hold_no_lock(
    patch: str, server: ForkServer, tmp_path: Path, whole: Whole
) -> None:
    """Only the parent is killed; the same command goes on at once."""
    words = ("trainer.epochs=1000", "trainer.steps=1000000", "scheduler=none")
    process = server.start(WORKERS.argv(*words), tmp_path, patch=patch)
    end = time.monotonic() + 120
    while not saved(tmp_path):
        assert time.monotonic() < end, process.said()
        time.sleep(0.01)
    process.kill(signal.SIGKILL, group=False)
    arguments = ["trainer.stages:preflight", 1, [signal.SIGTERM]]
    again = server.start(
        WORKERS.argv(*words), tmp_path, patch="signal_patches:sent", arguments=arguments
    )
    process.wait()
    ended = again.wait()
    assert ended.code == 143, ended.err  # and not 6


def test_two_runs_of_the_same_second(server: ForkServer, tmp_path: Path) -> None:
    argv = SHORT.argv("run.dir=null", "run.name=same", "trainer.epochs=1")
    pair = [server.start(argv, tmp_path, patch=SHORT.patch) for _ in range(2)]
    ended = [process.wait() for process in pair]
    assert [each.code for each in ended] == [0, 0], ended
    runs = [*(tmp_path / "runs" / "same").iterdir()]
    assert len(runs) == 2
    for run in runs:
        assert json.loads((run / "status.json").read_text())["state"] == "finished"
