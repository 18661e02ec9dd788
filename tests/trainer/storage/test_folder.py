import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.errors import CannotWrite, FolderInUse, Refused
from trainer.storage.environment import masked
from trainer.storage.folder import RunFolder
from trainer.storage.stored_config import read_stored, write_yaml


@pytest.fixture(autouse=True, scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIVESTEP_HOME", str(tmp_path_factory.mktemp("home")))
        yield


def finished(path: Path) -> Path:
    folder = RunFolder.claim(path)
    folder.write_config({"seed": 1}, ["seed=1"])
    folder.status("finished", step=5, exit_code=0)
    folder.release()
    return path


def names(path: Path) -> set[str]:
    return {entry.name for entry in path.iterdir()}


def snapshot(path: Path) -> dict[str, bytes | None]:
    return {
        str(p.relative_to(path)): p.read_bytes() if p.is_file() else None for p in path.rglob("*")
    }


def test_eight_processes_in_one_second_get_a_folder_each(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from trainer.storage.folder import RunFolder
sys.stdin.readline()
print(*[RunFolder.create(Path(sys.argv[1]), "same").path for _ in range(5)], sep="\\n")
"""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    paths = [line for process in started for line in process.communicate()[0].splitlines()]
    assert len(paths) == len(set(paths)) == 40
    assert len(names(tmp_path / "same")) == 40


def test_a_name_that_is_taken_is_drawn_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter(["aaaaaa", "aaaaaa", "bbbbbb"])
    monkeypatch.setattr(
        "trainer.storage.folder.secrets", SimpleNamespace(token_hex=lambda _: next(drawn))
    )
    monkeypatch.setattr("trainer.storage.folder.datetime", Still)
    first, second = (RunFolder.create(tmp_path, "x").path.name for _ in range(2))
    assert (first[-6:], second[-6:]) == ("aaaaaa", "bbbbbb")


class Still:
    @staticmethod
    def now() -> "Still":
        return Still()

    def astimezone(self) -> "Still":
        return self

    def strftime(self, _: str) -> str:
        return "2026-01-01_00-00-00"

    def isoformat(self, **_: object) -> str:
        return "2026-01-01T00:00:00"


def test_paths_and_first_status(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "my rün")
    assert folder.path.parent == tmp_path / "my rün"
    assert folder.state == "fresh" and folder.read_status()["state"] == "running"
    places = {"checkpoints", "tensorboard", "evaluation", "export"}
    assert {getattr(folder, name).name for name in places} == places
    assert (folder.metrics.name, folder.log.name) == ("metrics.jsonl", "train.log")
    assert folder.config == folder.path / "config.yaml"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/abs"])
def test_a_name_that_is_no_folder_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused, match=r"run\.name"):
        RunFolder.create(tmp_path, name)
    assert names(tmp_path) == set()


def test_places_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite, match=f"{tmp_path}/file/a.*ENOTDIR"):
        RunFolder.create(tmp_path / "file", "a")
    with pytest.raises(CannotWrite, match=r"ENAMETOOLONG.*shorter run\.name"):
        RunFolder.create(tmp_path, "x" * 300)
    with pytest.raises(CannotWrite, match="ENAMETOOLONG"):
        RunFolder.claim(tmp_path / ("x" * 300))
    with pytest.raises(CannotWrite, match="ENOTDIR"):
        RunFolder.claim(tmp_path / "file" / "run")
    with pytest.raises(Refused, match="is a file"):
        RunFolder.claim(tmp_path / "file")
    assert names(tmp_path) == {"file"}


def test_a_read_only_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(CannotWrite, match=r"EROFS.*mounted read-only") as caught:
        RunFolder.create(tmp_path, "a")
    assert caught.value.exit_code == 4


def test_claim_absent_and_empty(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "absent/deep"):
        folder = RunFolder.claim(tmp_path / name)
        assert folder.state == "fresh"
        folder.release()
        # Killed before its settings were written: there is nothing to go on with.
        again = RunFolder.claim(tmp_path / name)
        assert again.state == "fresh"
        again.write_config({"seed": 1})
        again.release()
        later = RunFolder.claim(tmp_path / name)
        assert later.state == "running"
        later.release()


def test_claim_a_run_of_ours(tmp_path: Path) -> None:
    finished(tmp_path / "run")
    folder = RunFolder.claim(tmp_path / "run")
    assert folder.state == "finished"
    started = folder.read_status()["started"]
    folder.status("running", step=6)
    assert folder.read_status()["started"] == started
    assert folder.read_config().config == {"seed": 1}


def test_claim_after_death_in_the_first_moments(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").write_text("")
    (tmp_path / "run" / ".tmp-status.json-host-1-0123abcd").write_text("{")
    assert RunFolder.claim(tmp_path / "run").state == "fresh"


def test_claim_touches_nothing_of_a_strangers(tmp_path: Path) -> None:
    for name, content in (("config.yaml", "a: 1"), ("status.json", '{"state": "on"}')):
        path = tmp_path / name
        path.mkdir()
        (path / name).write_text(content)
        before = snapshot(path)
        with pytest.raises(Refused, match=f"holds {name}; nothing in it was touched"):
            RunFolder.claim(path)
        assert snapshot(path) == before


HOLD = """
import subprocess, sys, time
from pathlib import Path
from trainer.storage.folder import RunFolder
folder = RunFolder.claim(Path(sys.argv[1]))
child = subprocess.Popen(["sleep", "60"])
import os
reader, writer = os.pipe()
if (fork := os.fork()) == 0:
    os.write(writer, b"x")  # only a child that runs has given the lock up
    time.sleep(60)
    os._exit(0)
os.read(reader, 1)
print(child.pid, fork, flush=True)
time.sleep(60)
"""


def test_the_lock_names_its_holder_and_dies_with_it(tmp_path: Path) -> None:
    path = tmp_path / "run"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    with holder.stdout:
        children = [int(pid) for pid in holder.stdout.readline().split()]
    try:
        with pytest.raises(FolderInUse, match=f"process {holder.pid} on .* since 20") as caught:
            RunFolder.claim(path)
        assert caught.value.exit_code == 6
        with pytest.raises(FolderInUse):
            RunFolder.open(path, write=True)
        assert RunFolder.open(path).read_status()["state"] == "running"  # readers may
        holder.kill()
        holder.wait()
        # Its children still live, started and forked, but hold no lock.
        RunFolder.claim(path).release()
    finally:
        holder.kill()
        for pid in children:
            os.kill(pid, signal.SIGKILL)


def test_the_lock_is_exclusive_within_a_process_too(tmp_path: Path) -> None:
    folder = RunFolder.claim(tmp_path / "run")
    with pytest.raises(FolderInUse):
        RunFolder.claim(tmp_path / "run")
    folder.release()
    folder.release()
    RunFolder.claim(tmp_path / "run").release()


def test_open_something_else_suggests_the_nearest_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = finished(tmp_path / "runs" / "digits" / "2026-01-01_00-00-00_abcdef")
    finished(tmp_path / "runs" / "other" / "2026-01-02_00-00-00_abcdef")
    for wrong in (
        run.with_name("2026-01-01_00-00-00_abcdee"),
        run.parent,
        run / "config.yaml",
        run / "checkpoints" / "step_00000001",
        Path("runs/digit"),
        Path("run/digits/2026-01-01_00-00-00_abcdef"),
    ):
        with pytest.raises(Refused, match=f"did you mean {run}") as caught:
            RunFolder.open(wrong)
        assert caught.value.exit_code == 2
    shutil.rmtree(tmp_path / "runs")
    with pytest.raises(Refused, match="there is no run nearby"):
        RunFolder.open(tmp_path / "runs" / "x")


def test_open_reads_and_never_writes(tmp_path: Path) -> None:
    path = finished(tmp_path / "run")
    before = snapshot(path)
    folder = RunFolder.open(path)
    assert folder.state == "finished"
    assert folder.read_config().origin == "own"
    assert folder.discard() is False
    assert snapshot(path) == before
    with pytest.raises(AssertionError):
        folder.status("running")


def test_status_keeps_what_is_not_given(tmp_path: Path) -> None:
    folder = RunFolder.claim(tmp_path / "run")
    folder.status("running", step=3, epoch=1, metrics={"validation/loss": float("nan")})
    (folder.checkpoints / "step_00000003").mkdir(parents=True)
    (folder.checkpoints / "step_00000002").mkdir()
    folder.status("failed", reason="diverged", exit_code=3)
    told = json.loads((folder.path / "status.json").read_text())
    assert set(told) == {
        *("state", "reason", "step", "epoch", "exit_code", "metrics"),
        *("started", "updated", "checkpoint"),
    }
    assert (told["state"], told["reason"], told["exit_code"]) == ("failed", "diverged", 3)
    assert (told["step"], told["epoch"], told["metrics"]) == (3, 1, {"validation/loss": "nan"})
    assert told["checkpoint"] == "checkpoints/step_00000003"
    assert told["started"] <= told["updated"]
    folder.status("running", step=4)
    assert folder.read_status()["reason"] is None and folder.read_status()["exit_code"] is None


def test_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder.claim(tmp_path / "run")
    before = snapshot(folder.path)
    folder.check_room(1_000)
    with pytest.raises(CannotWrite, match=rf"{folder.path}.*ENOSPC; 1000.0 TB needed, .* free"):
        folder.check_room(10**15)
    assert snapshot(folder.path) == before

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CannotWrite):
        folder.check_room(1)
    monkeypatch.undo()
    assert snapshot(folder.path) == before


def test_config_round_trip_masked_and_signed(tmp_path: Path) -> None:
    folder = RunFolder.claim(tmp_path / "run")
    config = {
        "optimizer": {"lr": 1e-5, "betas": [0.9, 0.999], "text": "1e-3", "when": "2026-01-01"},
        "data": {"path": Path("/data/ü"), "keypoints": 3},
        "recorder": {"api_key": "hunter2", "off": "no"},
        "none": None,
    }
    folder.write_config(config, ["recorder.api_key=hunter2", "seed=1"])
    stored = folder.read_config()
    assert stored.config == masked(config)
    assert stored.overrides == ["recorder.api_key=***", "seed=1"]
    assert stored.origin == "own"
    assert "hunter2" not in folder.config.read_text() + folder.overrides.read_text()
    assert yaml.safe_load(folder.config.read_text()) == stored.config
    text = folder.config.read_text()
    folder.config.write_text(text.replace("keypoints: 3", "keypoints: 4"))
    assert folder.read_config().origin == "tampered"
    folder.config.write_text("a: 1\n")
    assert folder.read_config().origin == "stranger"
    folder.config.write_text(text)
    folder.overrides.write_text("- seed=1\n")
    assert folder.read_config().origin == "stranger"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("!!python/object/apply:os.system ['touch ran']", "tags"),
        ("a: !!pairs [b: {_target_: os.system}]", "tags"),
        ("a: &a [1]\nb: *a\n", "aliases"),
        ("- 1", "no settings"),
        ("a: [", "damaged"),
        ("[" * 5000, "nests"),
        ("a: " + "x" * 1_100_000, "longer than the 1.0 MB"),
        ("\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "damaged"),
    ],
)
def test_configs_that_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = RunFolder.claim(tmp_path / "run")
    folder.write_config({})
    folder.config.write_text(text, encoding="latin-1")
    with pytest.raises(Refused, match=reason) as caught:
        folder.read_config()
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_a_config_that_is_a_link_or_missing_is_refused(tmp_path: Path) -> None:
    folder = RunFolder.claim(tmp_path / "run")
    folder.write_config({})
    folder.config.rename(tmp_path / "elsewhere")
    with pytest.raises(Refused, match="restore it"):
        folder.read_config()
    folder.config.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused, match="can't be read"):
        folder.read_config()


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
PLAIN = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(), PLAIN, max_size=3), st.lists(st.text(), max_size=3))
def test_any_plain_config_comes_back(
    tmp_path_factory: pytest.TempPathFactory, config: dict[str, object], texts: list[str]
) -> None:
    place = tmp_path_factory.getbasetemp()
    write_yaml(place / "config.yaml", "A title.", config)
    write_yaml(place / "overrides.yaml", "A title.", texts)
    stored = read_stored(place / "config.yaml", place / "overrides.yaml")
    assert stored == (config, texts, "own")


def test_info_and_environment(tmp_path: Path) -> None:
    folder = RunFolder.claim(tmp_path / "run")
    folder.write_info({"classes": ("a", "b")})
    folder.write_environment({"python": "3"})
    assert folder.read_info() == ({"classes": ["a", "b"]}, "own")
    assert json.loads((folder.path / "environment.json").read_text()) == {"python": "3"}


def test_whose_info_it_is(tmp_path: Path) -> None:
    folder = RunFolder.claim(tmp_path / "run")
    folder.write_info({"reader": {"_target_": "data.images.reader.ImageReader"}})
    file = folder.path / "info.json"
    file.write_text(file.read_text().replace("ImageReader", "Other"))
    assert folder.read_info() == ({"reader": {"_target_": "data.images.reader.Other"}}, "tampered")
    file.write_text('{"classes": []}')
    assert folder.read_info() == ({"classes": []}, "stranger")
    for text in ("{", "[]", "[" * 100_000):
        file.write_text(text)
        with pytest.raises(Refused, match=r"info\.json .*restore it from a copy"):
            folder.read_info()
    file.unlink()
    with pytest.raises(Refused, match="No such file"):
        folder.read_info()


def test_discard_leaves_no_trace(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "runs", "digits")
    folder.write_config({"a": 1})
    folder.write_info({})
    folder.log.write_text("refused")
    folder.checkpoints.mkdir()
    assert folder.discard() is True
    assert names(tmp_path) == set()


def test_discard_keeps_parents_that_were_there_or_are_used(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    first = RunFolder.create(tmp_path / "runs", "digits")
    second = RunFolder.create(tmp_path / "runs", "digits")
    assert first.discard() is True
    assert names(tmp_path / "runs" / "digits") == {second.path.name}
    assert second.discard() is True
    assert (tmp_path / "runs").is_dir()


@pytest.mark.parametrize("what", ["file", "checkpoint", "link", "old run"])
def test_discard_keeps_whatever_else_there_is(tmp_path: Path, what: str) -> None:
    if what == "old run":
        finished(tmp_path / "run")
    folder = RunFolder.claim(tmp_path / "run")
    if what == "file":
        (folder.path / "notes.txt").write_text("mine")
    elif what == "checkpoint":
        (folder.checkpoints / "step_00000001").mkdir(parents=True)
    elif what == "link":
        (folder.path / "data").symlink_to(tmp_path)
    before = snapshot(folder.path)
    assert folder.discard() is False
    assert snapshot(folder.path) == before
    RunFolder.claim(tmp_path / "run").release()  # the lock is free all the same


@pytest.mark.parametrize("when", ["mkdir", "lock", "told", "status"])
@pytest.mark.parametrize("claimed", [True, False])
def test_a_folder_that_is_not_finished_is_not_left(
    when: str, claimed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal, or a disk that is full, while it is being made."""

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    make = Path.mkdir

    def make_and_stop(*arguments: Any, **named: Any) -> None:
        make(*arguments, **named)
        stop()

    if when == "mkdir":
        monkeypatch.setattr(Path, "mkdir", make_and_stop)
    elif when == "status":
        monkeypatch.setattr("trainer.storage.atomic.write_json", stop)
    else:
        monkeypatch.setattr(os, "open" if when == "lock" else "pwrite", stop)
    with pytest.raises(KeyboardInterrupt):
        if claimed:
            RunFolder.claim(tmp_path / "a" / "run")
        else:
            RunFolder.create(tmp_path / "a", "run")
    assert names(tmp_path) == set()


def test_what_was_there_stays_when_a_folder_can_not_be_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "mine").mkdir()
    held = RunFolder.claim(tmp_path / "held")
    before = snapshot(held.path)
    with pytest.raises(FolderInUse):
        RunFolder.claim(held.path)
    assert snapshot(held.path) == before
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CannotWrite):
        RunFolder.claim(tmp_path / "mine")
    assert names(tmp_path / "mine") == set()


def test_a_status_that_says_the_same_ends_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder = RunFolder.claim(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.warns(RuntimeWarning, match="status.json.*ENOSPC.*; training goes on$"):
            folder.status("running", step=1)
        folder.status("running", step=2)  # told once
        with pytest.raises(CannotWrite):
            folder.status("finished", step=3)
    assert folder.read_status()["step"] == 0
    folder.status("preempted", exit_code=143)
    assert folder.read_status()["step"] == 3


def test_what_is_half_written_goes_with_the_folder(tmp_path: Path) -> None:
    folder = RunFolder.claim(tmp_path / "run")
    (folder.path / ".tmp-config.yaml-here-1-0123abcd").touch()
    assert folder.discard() is True
    assert names(tmp_path) == set()
