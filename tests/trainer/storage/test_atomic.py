import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.errors import CannotWrite, UserError
from trainer.storage import atomic


def names(path: Path) -> set[str]:
    return {entry.name for entry in path.iterdir()}


def test_write_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "ü b.json"
    atomic.write_json(path, {"a": 1})
    atomic.write_json(path, {"a": [float("nan"), float("-inf"), 0.1, "ü"]})
    assert json.loads(path.read_text()) == {"a": ["nan", "-inf", 0.1, "ü"]}
    assert names(tmp_path) == {path.name}


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "status.json"
    atomic.write_text(path, "old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if call == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(CannotWrite, match=r"ENOSPC; 3 bytes needed, .* free there\); free some"):
        atomic.write_text(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert names(tmp_path) == {"status.json"}


@pytest.mark.parametrize(
    "number",
    [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO],
)
def test_each_refusal_of_a_disk_has_exit_code_and_remedy(tmp_path: Path, number: int) -> None:
    with pytest.raises(CannotWrite) as caught, atomic.writing(tmp_path):
        raise OSError(number, os.strerror(number))
    assert caught.value.exit_code == 4
    text = str(caught.value)
    assert errno.errorcode[number] in text and str(tmp_path) in text and "run.dir" in text
    assert "\n" not in text


def test_a_number_hidden_by_torch_or_safetensors_is_found(tmp_path: Path) -> None:
    class SafetensorError(Exception):
        pass

    with pytest.raises(CannotWrite, match="EFBIG"), atomic.writing(tmp_path):
        raise SafetensorError("Error while serializing: I/O error: File too large (os error 27)")
    with pytest.raises(CannotWrite, match="EDQUOT"), atomic.writing(tmp_path):
        try:
            raise OSError(errno.EDQUOT, "quota")
        except OSError:
            raise RuntimeError("unexpected pos 576 vs 534")  # noqa: B904
    with pytest.raises(CannotWrite, match="ENOSPC"), atomic.writing(tmp_path, 10**18):
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534")


def test_other_errors_pass_unchanged(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="shape"), atomic.writing(tmp_path):
        raise RuntimeError("shape mismatch")
    with pytest.raises(UserError, match="mine"), atomic.writing(tmp_path):
        raise UserError("mine")
    with pytest.raises(KeyError), atomic.writing(tmp_path):
        try:
            raise OSError(errno.ENOSPC, "an earlier one that has nothing to do with it")
        except OSError:
            raise KeyError("x")  # noqa: B904


def test_torch_save_to_a_handle_past_the_file_size_limit(tmp_path: Path) -> None:
    program = """
import resource, sys
from pathlib import Path
import torch
from trainer.storage import atomic
from trainer.errors import CannotWrite
path = Path(sys.argv[1]) / "x.pt"
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with atomic.writing(path), path.open("wb") as file:
        torch.save(torch.zeros(200_000), file)
except CannotWrite as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "EFBIG" in done.stdout and "ulimit -f" in done.stdout


def test_a_parent_that_is_a_file_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite, match="ENOTDIR"):
        atomic.write_text(tmp_path / "file" / "x.json", "x")


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    assert atomic.read_regular(tmp_path / "file", 5) == b"12345"
    for name, number in (("link", errno.ELOOP), ("pipe", errno.EINVAL), (".", errno.EISDIR)):
        with pytest.raises(OSError) as caught:
            atomic.read_regular(tmp_path / name, 5)
        assert caught.value.errno == number
    with pytest.raises(OSError) as caught:
        atomic.read_regular(tmp_path / "file", 4)
    assert caught.value.errno == errno.EFBIG


def test_sweep_takes_only_what_dead_processes_of_this_machine_left(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    host = atomic.temporary(tmp_path / "x").name.split("-")[2]
    left = f".tmp-step_00000003-{host}-{dead.pid}-0123abcd"
    stay = {
        f".tmp-step_00000003-{host}-{os.getppid()}-0123abcd",
        f".tmp-step_00000003-elsewhere-{dead.pid}-0123abcd",
        f".tmp-step_00000003-{host}-{dead.pid}",
        "step_00000003",
    }
    for name in (left, *stay):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_text("x")
    own = atomic.temporary(tmp_path / "status.json")
    own.write_text("of an earlier process with this id")
    atomic.sweep(tmp_path)
    assert names(tmp_path) == stay


def test_human_sizes() -> None:
    assert [atomic.human(n) for n in (0, 999, 1500, 2_000_000_000)] == [
        "0 bytes",
        "999 bytes",
        "1.5 kB",
        "2.0 GB",
    ]
