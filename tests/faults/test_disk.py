"""A disk that takes no more: exit 4 with the reason, and nothing lost that had been saved."""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from disk_patches import FILLER
from forkserver import ForkServer
from log_runs import SHORT, goes_on, one_line, same, saved, status, tidy
from reference_runs import whole_run
from surviving import Whole
from watching import STEPS

SAVE = "trainer.storage.checkpoint:Checkpoints.save"


@pytest.fixture(scope="module")
def whole(server: ForkServer) -> Whole:
    return whole_run(server, SHORT)


@pytest.fixture
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A disk of its own, of so many bytes; only root may have one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a file system can be mounted only by root")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("disk", [2_000_000], indirect=True)
def test_too_little_room_is_told_before_training(server: ForkServer, disk: Path) -> None:
    ended = server.run(SHORT.argv(), disk)
    told = one_line(ended)
    assert ended.code == 4 and "ENOSPC; 50.0 MB needed, 2.0 MB free there" in told
    assert not list(disk.iterdir())


@pytest.mark.parametrize("disk", [64_000_000], indirect=True)
@pytest.mark.parametrize(
    ("where", "call", "last"),
    [
        (SAVE, 3, 8),
        ("trainer.evaluation.report:write", 2, 32),
        ("trainer.stages:export", 1, 32),
    ],
)
def test_a_disk_that_is_full(
    where: str, call: int, last: int, server: ForkServer, disk: Path, whole: Whole
) -> None:
    """At the third save, in the reports of the second split, and before the export."""
    words = ["export=torch_export"] if where.endswith("export") else []
    arguments = [where, call, str(disk)]
    argv = SHORT.argv(*words)
    ended = server.run(argv, disk, patch="disk_patches:filled", arguments=arguments)
    told = one_line(ended)
    assert ended.code == 4, ended.err
    assert "ENOSPC" in told and "0 bytes free there" in told and "free some space" in told
    assert where != SAVE or " kB needed, " in told
    assert f"saved up to step {last}; go on with: " in ended.err
    assert saved(disk)[-1] == last and tidy(disk)
    assert not list(disk.glob("run/export/*")) and not list(disk.glob("core*"))
    (disk / FILLER).unlink()
    if not words:
        assert "running" in status(disk)["state"]  # there was no room to say more
        goes_on(server, disk, whole)
        return
    ended = server.run(argv, disk, patch=SHORT.patch)
    assert ended.code == 0, ended.err
    assert (disk / "run" / "export" / "manifest.json").exists() and tidy(disk)


@pytest.mark.parametrize("number", [errno.EIO, errno.EDQUOT], ids=errno.errorcode.get)
def test_what_could_not_be_flushed_is_no_checkpoint(
    number: int, server: ForkServer, tmp_path: Path, whole: Whole
) -> None:
    arguments = [number, ".tmp-step_00000010"]
    ended = server.run(SHORT.argv(), tmp_path, patch="disk_patches:refused", arguments=arguments)
    told = one_line(ended)
    assert ended.code == 4 and f"({errno.errorcode[number]}; " in told and " needed, " in told
    assert "saved up to step 8; go on with: " in ended.err
    assert saved(tmp_path)[-1] == 8 and tidy(tmp_path)
    assert (status(tmp_path)["state"], status(tmp_path)["exit_code"]) == ("failed", 4)
    goes_on(server, tmp_path, whole)


def test_a_limit_on_the_size_of_files(server: ForkServer, tmp_path: Path, whole: Whole) -> None:
    """From the third save on, a checkpoint is too large."""
    arguments = [3_000, SAVE, 3]
    ended = server.run(SHORT.argv(), tmp_path, patch="disk_patches:limited", arguments=arguments)
    told = one_line(ended)
    assert ended.code == 4 and "EFBIG" in told and "raise the limit on file sizes" in told
    assert saved(tmp_path)[-1] == 8 and tidy(tmp_path)
    goes_on(server, tmp_path, whole)


def test_logs_that_find_no_room_for_a_while_are_complete_in_the_end(
    server: ForkServer, tmp_path: Path, whole: Whole
) -> None:
    """Training goes on, and each is told once."""
    patch, arguments = "disk_patches:narrow_logs", [200, 5]
    ended = server.run(SHORT.argv(), tmp_path, patch=patch, arguments=arguments)
    assert ended.code == 0, ended.err
    told = [line for line in ended.err.splitlines() if "can't be written (File too large)" in line]
    assert len(told) == len(ended.err.splitlines()) == 2
    assert any("metrics.jsonl" in line for line in told)
    assert any("TensorBoard" in line for line in told)
    assert ended.out.count("train.log can't be written (File too large)") == 1
    log = (tmp_path / "run" / "train.log").read_text().splitlines()
    said = [line.partition("  ")[2] for line in log]
    assert said == [line for line in ended.out.splitlines() if "can't be written" not in line]
    assert same(tmp_path, whole) == []


def test_logs_that_never_find_room(server: ForkServer, tmp_path: Path, whole: Whole) -> None:
    ended = server.run(SHORT.argv(), tmp_path, patch="disk_patches:narrow_logs", arguments=[500])
    assert ended.code == 0, ended.err
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    lost = len([name for name in whole.state if name.startswith("metrics.jsonl[")]) - len(lines)
    assert lost > 0 and f"{lost} lines of " in ended.err
    assert "records of the TensorBoard file" in ended.err
    assert "lines of " in ended.out and "train.log could not be written" in ended.out
    assert (ended.err + ended.out).count("can't be written") == 3
    apart = [name for name in same(tmp_path, whole) if not name.startswith(("metrics", "tensorb"))]
    assert apart == []


def test_a_status_that_can_not_be_written_while_training(
    server: ForkServer, tmp_path: Path, whole: Whole
) -> None:
    """It says "running" already; how the run ended has to be written."""
    arguments = [errno.ENOSPC, "status.json"]
    patch = "disk_patches:refused"
    (tmp_path / "run").mkdir()
    ended = server.run(SHORT.argv(), tmp_path, patch=patch, arguments=arguments)
    assert ended.code == 4 and not list((tmp_path / "run").iterdir())
    arguments = ["trainer.stages:work", 1, errno.ENOSPC, "status.json"]
    patch = "disk_patches:refused_from"
    ended = server.run(SHORT.argv(), tmp_path, patch=patch, arguments=arguments)
    assert ended.code == 4 and ended.err.count("; training goes on\n") == 1
    assert one_line(ended).startswith("error: cannot write ")
    assert saved(tmp_path)[-1] == 32
    goes_on(server, tmp_path, whole)


@pytest.mark.parametrize("disk", [64_000_000], indirect=True)
def test_a_disk_that_is_read_only(server: ForkServer, disk: Path, whole: Whole) -> None:
    """Nothing is begun there; and a run that lies there can't go on, but is left as it is."""
    patch = "signal_patches:sent"
    arguments = ["trainer.loop:Trainer.step", 13, [15]]
    assert server.run(SHORT.argv(), disk, patch=patch, arguments=arguments).code == 143
    before = {path: path.stat().st_mtime_ns for path in disk.rglob("*")}
    remount = ["mount", "-o", "remount,ro", str(disk)]
    subprocess.run(remount, check=True)
    for argv in (SHORT.argv(), SHORT.argv("run.dir=other"), ["train", "resume=run"]):
        ended = server.run(argv, disk)
        told = one_line(ended)
        assert ended.code == 4 and "EROFS" in told and "mounted read-only" in told
    assert {path: path.stat().st_mtime_ns for path in disk.rglob("*")} == before
    ended = server.run(["evaluate", "run"], disk)
    assert ended.code == 0, ended.err
    subprocess.run([*remount[:2], "remount,rw", str(disk)], check=True)
    goes_on(server, disk, whole)


def test_a_folder_without_rights(server: ForkServer, tmp_path: Path) -> None:
    place = tmp_path / "mine"
    place.mkdir(mode=0o555)
    ended = server.run(SHORT.argv(), place, patch="disk_patches:without_rights")
    told = one_line(ended)
    assert ended.code == 4 and f"{place}/run: " in told and "EACCES" in told
    assert "you have no right to write there" in told and not list(place.iterdir())


@pytest.mark.parametrize(("folder", "name"), [("file/run", "ENOTDIR"), ("x" * 300, "ENAMETOOLONG")])
def test_a_place_that_can_not_be_one(
    folder: str, name: str, server: ForkServer, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    ended = server.run(SHORT.argv(f"run.dir={folder}"), tmp_path, patch=SHORT.patch)
    assert ended.code == 4 and f"({name}; " in one_line(ended)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", STEPS]
    ended = server.run(SHORT.argv("run.dir=file"), tmp_path, patch=SHORT.patch)
    assert ended.code == 2 and "is a file" in one_line(ended)


def test_a_name_with_spaces_quotes_and_letters_of_any_script(
    server: ForkServer, tmp_path: Path, whole: Whole
) -> None:
    """What is said can be pasted, and goes on."""
    name = "my run, 'grün' = 漢字"
    folder = tmp_path / name
    folder.mkdir()
    arguments = ["trainer.loop:Trainer.step", 13, [15]]
    argv = SHORT.argv(f'run.dir="{folder}/run"')
    ended = server.run(argv, tmp_path, patch="signal_patches:sent", arguments=arguments)
    assert ended.code == 143, ended.err
    import shlex

    command = shlex.split(ended.err.partition("continue with: ")[2])
    ended = server.run(["train", *command[1:]], tmp_path, patch=SHORT.patch)
    assert ended.code == 0, ended.err
    (tmp_path / STEPS).rename(folder / STEPS)
    apart = [line for line in same(folder, whole) if "config.yaml" not in line]
    assert [line for line in apart if "overrides.yaml" not in line] == []


def test_an_output_on_a_full_disk_ends_no_training(
    server: ForkServer, tmp_path: Path, whole: Whole
) -> None:
    """`train > log.txt`: the run is finished all the same, and its own log has what was said."""
    ended = server.run(SHORT.argv(), tmp_path, patch="disk_patches:broken_output")
    assert same(tmp_path, whole) == [] and status(tmp_path)["state"] == "finished"
    assert "the output is gone (No space" in (tmp_path / "run" / "train.log").read_text()
    assert (ended.code, ended.err) == (0, "")
