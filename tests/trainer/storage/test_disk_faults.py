"""Disks that are full, read-only, over quota or broken: at once, and in the background."""

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
import torch
from torch import nn

from trainer.errors import CannotWrite
from trainer.storage import atomic, snapshot
from trainer.storage.checkpoint import Checkpoints

BOTH = pytest.mark.parametrize("background", [False, True], ids=["at-once", "background"])
TOLD = (
    r"cannot write {}: .* \({}; [\d.]+ [kMG]?B(ytes)? needed, [\d.]+ ([kMGT]B|bytes) free there\)"
)


def save(checkpoints: Checkpoints, step: int, size: int = 30) -> Path:
    net = nn.Linear(size, size)
    nn.init.constant_(net.weight, step)
    training = {"moments": torch.full((size, size), float(step))}
    return checkpoints.save(step, modules={"model": net}, training=training, state={"step": step})


def refused(checkpoints: Checkpoints, step: int, name: str, size: int = 30) -> str:
    """The message with which saving a step fails."""
    with pytest.raises(CannotWrite) as caught:
        save(checkpoints, step, size)
        checkpoints.finish()
    assert caught.value.exit_code == 4
    assert re.match(TOLD.format(re.escape(str(checkpoints.folder)), name), str(caught.value))
    return str(caught.value)


def intact(checkpoints: Checkpoints, step: int, size: int = 30) -> None:
    """The newest is of this step and right in every part; nothing half built is left."""
    found = checkpoints.newest()
    assert found is not None and found.step == step and checkpoints.warnings == []
    found.load_into({"model": (net := nn.Linear(size, size))})
    assert (net.weight == step).all() and (found.training()["moments"] == step).all()
    assert not list(checkpoints.folder.glob(".tmp-*"))


def contents(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for four megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode:
        pytest.skip("only root may mount a file system; the other tests inject the same errors")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@BOTH
def test_a_full_disk(disk: Path, background: bool) -> None:
    checkpoints = Checkpoints(disk / "checkpoints", background=background)
    save(checkpoints, 1, size=300)  # 0.7 MB
    checkpoints.finish()
    before = contents(disk)
    (disk / "other").write_bytes(b"x" * 3_000_000)  # of somebody else
    assert "free some space" in refused(checkpoints, 2, "ENOSPC", size=300)
    (disk / "other").unlink()
    assert contents(disk) == before
    intact(checkpoints, 1, size=300)
    save(checkpoints, 3, size=300)  # the space is free again
    intact(checkpoints, 3, size=300)
    assert checkpoints.steps() == [1, 3]


@BOTH
def test_a_full_disk_wherever_it_becomes_full(disk: Path, background: bool) -> None:
    checkpoints = Checkpoints(disk / "checkpoints", background=background)
    save(checkpoints, 1, size=100)
    checkpoints.finish()
    filler, failed = disk / "filler", list[bool]()
    for step, left in enumerate(range(0, 160_000, 12_288), 2):  # too little for this or that file
        filler.write_bytes(b"")
        space = os.statvfs(disk)
        filler.write_bytes(b"x" * (space.f_bavail * space.f_frsize - left))
        newest = checkpoints.steps()[-1]
        try:
            save(checkpoints, step, size=100)
            checkpoints.finish()
            failed.append(False)
        except CannotWrite:
            failed.append(True)
        filler.unlink()
        # Where it was for a hint that the room was lacking, the new one is there, and whole.
        assert checkpoints.steps()[-1] in ((newest, step) if failed[-1] else (step,))
        intact(checkpoints, checkpoints.steps()[-1], size=100)
    assert failed.count(True) > 3 and failed[-1] is False  # there were both


@BOTH
def test_a_disk_that_turns_read_only(disk: Path, background: bool) -> None:
    checkpoints = Checkpoints(disk / "checkpoints", background=background)
    save(checkpoints, 1)
    checkpoints.finish()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert "mounted read-only" in refused(checkpoints, 2, "EROFS")
    intact(checkpoints, 1)
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    save(checkpoints, 3)
    intact(checkpoints, 3)


LIMITED = """
import resource, sys
from pathlib import Path
import torch
from torch import nn
from trainer.storage.checkpoint import Checkpoints
from trainer.errors import CannotWrite
checkpoints = Checkpoints(Path(sys.argv[1]), background=True)
def save(step, size):
    training = {"a": torch.zeros(size)}
    checkpoints.save(step, modules={"model": nn.Linear(2, 2)}, training=training, state={})
    checkpoints.finish()
save(1, 1)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
try:
    save(2, 200_000)
except CannotWrite as error:
    print(error.exit_code, error)
print(*checkpoints.steps())
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
save(3, 200_000)
print(*checkpoints.steps())
"""


def test_past_the_limit_on_file_sizes_in_the_background(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    told, *steps = done.stdout.splitlines()
    assert re.match(r"4 cannot write .*EFBIG; .* needed, .* free there.*ulimit -f", told)
    assert steps == ["1", "1 3"] and not list(tmp_path.glob(".tmp-*"))


@BOTH
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_what_fails_to_reach_the_disk_is_never_promoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, background: bool, number: int
) -> None:
    checkpoints = Checkpoints(tmp_path, background=background)
    save(checkpoints, 1)
    checkpoints.finish()
    before, real, synced = contents(tmp_path), os.fsync, list[str]()

    def fsync(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        if len(synced) == failing:
            raise OSError(number, os.strerror(number))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    # Four files and their folder: all of it before the renaming.
    for failing in range(1, 6):
        synced.clear()
        refused(checkpoints, 2, errno.errorcode[number])
        assert len(synced) == failing and contents(tmp_path) == before
        intact(checkpoints, 1)
    names = ["model.safetensors", "training.pt", "state.json", "manifest.json"]
    assert synced[:4] == names and synced[4].startswith(".tmp-step_00000002-")
    # The sixth is that of the folder into which it was renamed: it is whole by then.
    failing = 6
    synced.clear()
    refused(checkpoints, 2, errno.errorcode[number])
    assert synced[5] == tmp_path.name
    intact(checkpoints, 2)
    monkeypatch.undo()
    save(checkpoints, 3)
    intact(checkpoints, 3)


def fail_weights(monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    def save_file(_: object, path: Path, **__: object) -> None:
        path.write_bytes(b"half")
        raise error

    monkeypatch.setattr(snapshot, "save_file", save_file)


def fail_training(monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    class Full:
        """A handle that takes a little, as torch.save meets it: its own error hides the reason."""

        def __init__(self, file: IO[bytes]) -> None:
            self.file, self.room = file, 1000

        def write(self, data: bytes) -> int:
            self.room -= len(data)
            if self.room < 0:
                raise error
            return self.file.write(data)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

    real = torch.save
    monkeypatch.setattr(torch, "save", lambda value, file: real(value, Full(file)))


def fail_folder(monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    real = Path.mkdir

    def mkdir(path: Path, *arguments: Any, **more: Any) -> None:
        if path.name.startswith(".tmp-"):
            raise error
        real(path, *arguments, **more)

    monkeypatch.setattr(Path, "mkdir", mkdir)


def fail_renaming(monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    real = Path.rename

    def rename(path: Path, target: Path) -> Path:
        if path.name.startswith(".tmp-step"):
            raise error
        return real(path, target)

    monkeypatch.setattr(Path, "rename", rename)


@BOTH
@pytest.mark.parametrize("fault", [fail_weights, fail_training, fail_folder, fail_renaming])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_errors_at_every_part_of_a_save(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    background: bool,
    fault: Callable[[pytest.MonkeyPatch, OSError], None],
    number: int,
) -> None:
    checkpoints = Checkpoints(tmp_path, background=background)
    for step in (1, 2, 3):
        save(checkpoints, step, size=100)
    checkpoints.finish()
    before = contents(tmp_path)
    fault(monkeypatch, OSError(number, os.strerror(number)))
    refused(checkpoints, 4, errno.errorcode[number], size=100)
    monkeypatch.undo()
    assert contents(tmp_path) == before  # nothing pruned either
    intact(checkpoints, 3, size=100)
    save(checkpoints, 4, size=100)
    intact(checkpoints, 4, size=100)


def test_a_remainder_that_could_not_be_deleted_goes_with_the_next_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1)
    fail_weights(monkeypatch, OSError(errno.EIO, "broken"))
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)
    with pytest.raises(CannotWrite, match="EIO"):
        save(checkpoints, 2)
    monkeypatch.undo()
    (left,) = tmp_path.glob(".tmp-*")
    found = Checkpoints(tmp_path).newest()
    assert found is not None and found.step == 1
    monkeypatch.setattr(atomic, "_alive", lambda _: False)
    save(Checkpoints(tmp_path), 2)
    assert not left.exists()
    intact(Checkpoints(tmp_path), 2)
