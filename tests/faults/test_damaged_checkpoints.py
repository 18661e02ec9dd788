"""FI-05: a damaged checkpoint is told, set aside, and made up for by the one before it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from comparing import manifest_of
from forkserver import ForkServer
from mistakes import contents
from reference_runs import whole_run
from reference_tasks import SUPERVISED
from surviving import KILLED, Survivor, saved_steps

NEWEST, BEFORE = "step_00000087", "step_00000084"
MEMBERS = ("model.safetensors", "ema.safetensors", "training.pt", "state.json", "manifest.json")


def cut(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])


def flip(path: Path, place: float) -> None:
    """Turn one bit over."""
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1
    path.write_bytes(data)


def become_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def become_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def lose(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def become_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("")


def from_another_step(folder: Path) -> None:
    """What was saved as the step before, under the name of this one."""
    shutil.rmtree(folder)
    shutil.copytree(folder.with_name(BEFORE), folder)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "no bytes": lambda folder: (folder / "training.pt").write_bytes(b""),
    "cut at a tenth": lambda folder: cut(folder / "model.safetensors", 0.1),
    "cut in the middle": lambda folder: cut(folder / "training.pt", 0.5),
    "cut at the end": lambda folder: cut(folder / "ema.safetensors", 0.999),
    "a bit of the weights": lambda folder: flip(folder / "model.safetensors", 0.9),
    "a bit of the state": lambda folder: flip(folder / "state.json", 0.5),
    "a bit of the manifest": lambda folder: flip(folder / "manifest.json", 0.5),
    **{f"no {name}": lose(name) for name in MEMBERS},
    "of another step": from_another_step,
    "a folder for a file": lambda folder: become_folder(folder / "training.pt"),
    "a link for a file": lambda folder: become_link(folder / "model.safetensors"),
    "a file for the folder": become_file,
}


@pytest.fixture(scope="module")
def killed(server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Survivor:
    """A run that died shortly before its end."""
    survivor = Survivor(server, SUPERVISED, tmp_path_factory.mktemp("killed") / "run")
    assert survivor.live("crash_points:crash", "before a step", 88).code == KILLED
    assert [f"step_{step:08d}" for step in saved_steps(survivor.run)][-2:] == [BEFORE, NEWEST]
    return survivor


@pytest.mark.parametrize("name", list(DAMAGE))
def test_the_one_before_is_used_and_the_run_ends_as_if_nothing_had_been(
    killed: Survivor, server: ForkServer, tmp_path: Path, name: str
) -> None:
    run = killed.copy(tmp_path / "run")
    newest = run.run / "checkpoints" / NEWEST
    DAMAGE[name](newest)
    damaged = contents(newest)
    ended = server.run(run.task.argv(), run.folder, patch=run.task.patch)
    assert ended.code == 0, ended.err
    assert f"{NEWEST}.corrupt: " in ended.out and "Continuing from step 84," in ended.out
    aside = newest.with_name(f"{NEWEST}.corrupt")
    assert contents(aside) == damaged
    if aside.is_dir():
        shutil.rmtree(aside)
    else:
        aside.unlink()
    assert run.differences(whole_run(server, SUPERVISED)) == []


def test_a_best_checkpoint_that_was_damaged_is_made_anew(
    server: ForkServer, tmp_path: Path
) -> None:
    run = Survivor(server, SUPERVISED, tmp_path / "run")
    assert run.live("crash_points:crash", "before a step", 89).code == KILLED
    newest = run.run / "checkpoints/step_00000088"
    assert manifest_of(newest).best
    DAMAGE["a bit of the weights"](newest)
    assert server.run(run.task.argv(), run.folder, patch=run.task.patch).code == 0
    shutil.rmtree(newest.with_name("step_00000088.corrupt"))
    wrong = run.differences(whole_run(server, SUPERVISED))
    assert wrong == []


@pytest.mark.parametrize("resume", [False, True])
def test_when_all_are_damaged_nothing_is_started_and_nothing_is_lost(
    killed: Survivor, server: ForkServer, tmp_path: Path, resume: bool
) -> None:
    run = killed.copy(tmp_path / "run")
    folders = sorted(run.run.glob("checkpoints/step_*"))
    for folder, name in zip(
        folders, ("no training.pt", "a bit of the weights", "no bytes"), strict=False
    ):
        DAMAGE[name](folder)
    before = files_of(run.run)
    argv = ["train", "resume=run"] if resume else run.task.argv()
    for _ in range(2):  # the second time they are all set aside already
        ended = server.run(argv, run.folder, patch=run.task.patch)
        assert ended.code == 5 and "Traceback" not in ended.err, ended.err
        assert all(folder.name in ended.err for folder in folders), ended.err
        assert files_of(run.run) == before
    assert "Continuing" not in ended.out


def files_of(run: Path) -> list[str]:
    """The hashes of all files but the log and the status, wherever they have been moved."""
    told = ("train.log", "status.json")
    return sorted(
        value
        for name, value in contents(run).items()
        if value and name not in told and not name.startswith("tensorboard")
    )
