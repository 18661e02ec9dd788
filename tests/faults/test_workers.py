"""Workers that are killed, end, hang, or lose their parent: named, and nothing is lost."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import worker_rows
from forkserver import ForkServer, Process
from safetensors.torch import load_file
from worker_rows import ROWS, STEPS

pytestmark = pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="looks into /proc")


def processes_in(place: Path) -> dict[int, str]:
    """The processes whose current folder this is: workers, their server, the resource tracker."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdecimal() and (folder / "cwd").readlink() == place:
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue  # it has just ended
    return found


def until(condition: Callable[[], object], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def status(place: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((place / "run/status.json").read_text())
    return loaded


def saved(place: Path) -> list[int]:
    return sorted(int(path.name[5:]) for path in (place / "run/checkpoints").glob("step_*"))


def weights(place: Path) -> dict[str, list[float]]:
    path = place / f"run/checkpoints/step_{saved(place)[-1]:08}/model.safetensors"
    return {name: tensor.flatten().tolist() for name, tensor in load_file(path).items()}


@pytest.fixture(scope="module")
def left_alone(server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run as it would have been, read in the process itself."""
    place = tmp_path_factory.mktemp("left_alone")
    words = [word for word in ROWS if "num_workers" not in word]
    ended = server.run([*words, "loader.num_workers=0"], place)
    assert ended.code == 0, ended.err
    assert saved(place)[-1] == 2 * STEPS
    return place


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("killed", ("was killed by SIGKILL", "often memory has run out: try fewer workers, or")),
        ("exits", ("exited with code 3", "see its last lines above")),
        ("hangs", ("gave no batch for 4 s", "it is at ", "worker_rows.py:", " in go_wrong")),
        ("spins", ("gave no batch for 4 s", "it is at ", "worker_rows.py:", " in go_wrong")),
    ],
)
def test_a_worker_that_is_lost(
    how: str, told: tuple[str, ...], left_alone: Path, server: ForkServer, tmp_path: Path
) -> None:
    process = server.start([*ROWS, f"+data.how={how}"], tmp_path)
    ended = process.wait(60)
    assert ended.code == 7 and "Traceback" not in ended.err, ended
    assert ended.err.startswith("error: a data worker (pid ")
    for text in (*told, "epoch 1, samples ", "loader.num_workers=0", "go on with: "):
        assert text in ended.err, ended.err
    assert until(lambda: not processes_in(tmp_path), 15), processes_in(tmp_path)
    # All that was done is saved, and the run goes on to where it would have come.
    state = status(tmp_path)
    assert state["state"] == "failed" and state["exit_code"] == 7
    assert STEPS <= saved(tmp_path)[-1] == state["step"] < 2 * STEPS
    (tmp_path / "mended").touch()
    again = server.run(["train", "resume=run"], tmp_path)
    assert again.code == 0, again.err
    assert f"Continuing from step {state['step']}, epoch 1." in again.out
    assert saved(tmp_path)[-1] == 2 * STEPS
    assert weights(tmp_path) == weights(left_alone)


def running(server: ForkServer, place: Path, how: str) -> Process:
    """A run in its second epoch, with its workers."""
    process = server.start([*ROWS, f"+data.how={how}", "loader.timeout=300"], place)
    assert until(lambda: (place / "run/checkpoints").is_dir() and saved(place), 60)
    return process


@pytest.mark.parametrize("how", ["slow", "spins"])
def test_a_parent_that_is_killed_alone(how: str, server: ForkServer, tmp_path: Path) -> None:
    process = running(server, tmp_path, how)
    if how == "spins":
        time.sleep(1)  # so that it does
    workers = processes_in(tmp_path)
    assert len(workers) >= 5, workers  # itself, the tracker, the fork server, the workers
    process.kill(signal.SIGKILL, group=False)
    assert process.wait(10).code == -signal.SIGKILL
    (tmp_path / "mended").touch()
    again = server.run([*ROWS, f"+data.how={how}", "loader.timeout=300"], tmp_path)
    assert again.code == 0, again.err
    assert until(lambda: not set(workers) & set(processes_in(tmp_path)), 10), processes_in(tmp_path)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGUSR1, 143)]
)
def test_a_signal_to_the_whole_group(
    number: signal.Signals, code: int, server: ForkServer, tmp_path: Path
) -> None:
    process = running(server, tmp_path, "slow")
    process.kill(number, group=True)
    ended = process.wait(60)
    assert ended.code == code and "Traceback" not in ended.err, ended
    assert "worker" not in ended.err
    assert status(tmp_path)["step"] == saved(tmp_path)[-1] >= STEPS
    assert until(lambda: not processes_in(tmp_path), 15), processes_in(tmp_path)


def test_shared_memory_that_runs_out() -> None:
    """In a namespace of its own, with a /dev/shm of one megabyte."""
    small = "mount -t tmpfs -o size=1m tmpfs /dev/shm"
    if subprocess.run(["unshare", "-rm", "sh", "-c", small], capture_output=True).returncode:
        pytest.skip("needs unshare and mount")
    program = f"{small} && exec {shlex.join([sys.executable, str(worker_rows.__file__)])}"
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": str(Path(worker_rows.__file__).parents[2] / "src")},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("a data worker (pid ")
    assert (
        "epoch 0, samples 0, 1, 2, 3, 4, ...) failed: shared memory (/dev/shm) has run out; "
        in (done.stdout)
    )
    assert "Traceback" not in done.stderr
