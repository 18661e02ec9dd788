"""Runs that go on, or that can't: `resume=` and `run.dir=` of the wrong things."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from mistakes import (
    THREE,
    contents,
    folder_of_a_user,
    goes_on,
    refused,
    status,
    stop_half_way,
    train,
)

from trainer.storage.folder import RunFolder

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


@pytest.mark.parametrize(
    ("folder", "told"),
    [
        ("nothing", "does not exist; did you mean"),
        ("blank", "is not the folder of a run"),
        ("afile", "is a file, not the folder of a run"),
        ("run/checkpoints", "did you mean"),
    ],
)
def test_resume_of_what_is_no_run(
    folder: str, told: str, half: Path, place: Path, capsys: Capture
) -> None:
    (place / "blank").mkdir()
    (place / "afile").write_text("x")
    assert told in refused(capsys, f"resume={folder}", quick=())


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("optimizer.lr=0.1", "can't be changed when a run goes on"),
        ("trainer.epochs=9", "can't be changed when a run goes on"),
        ("trainer.device=gpu", "trainer.device is 'gpu'"),
        ("trainer.max_minutes=-1", "trainer.max_minutes is -1"),
        ("trainer.max_minutes=[1", "can't be read"),
        ("loader.num_workers=x", "loader.num_workers is 'x'"),
        ("mlp", "'mlp' is not an override"),
    ],
)
def test_resume_with_other_settings(word: str, told: str, half: Path, capsys: Capture) -> None:
    assert told in refused(capsys, "resume=run", word, quick=())


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("models.cnn.CNN", "os.system", "names os.system, which would be run"),
        ("lr: 0.003", "lr: -3", "optimizer.lr is -3"),
        ("split_seed", "split_sead", "did you mean data.split_seed?"),
        ("validation: 0.1", "validation: 0.2", "the data is no longer that with which"),
        ("seed: 0", "seed: [", "config.yaml is damaged (line"),
    ],
)
def test_resume_of_a_config_that_was_changed(
    before: str, after: str, told: str, half: Path, capsys: Capture
) -> None:
    text = (half / "config.yaml").read_text()
    assert before in text
    (half / "config.yaml").write_text(text.replace(before, after))
    assert told in refused(capsys, "resume=run", quick=())


def test_resume_with_another_width_is_refused(half: Path, capsys: Capture) -> None:
    text = (half / "config.yaml").read_text()
    (half / "config.yaml").write_text(text.replace("width: 4", "width: 8"))
    with pytest.warns(UserWarning, match="was changed"):
        assert "don't fit the model" in refused(capsys, "resume=run", quick=())


def test_resume_of_an_edited_config_says_so(half: Path, capsys: Capture) -> None:
    text = (half / "config.yaml").read_text()
    (half / "config.yaml").write_text(text.replace("weight_decay: 0.05", "weight_decay: 0.04"))
    with pytest.warns(UserWarning, match="was changed after the run was started"):
        outcome = train(capsys, "resume=run", quick=())
    assert outcome.code == 0, outcome.err


@pytest.mark.parametrize("all_of_them", [True, False])
def test_resume_of_damaged_checkpoints(all_of_them: bool, half: Path, capsys: Capture) -> None:
    files = sorted((half / "checkpoints").glob("step_*/model.safetensors"))
    for file in files if all_of_them else files[-1:]:
        file.write_bytes(file.read_bytes()[:-1])
    if not all_of_them:
        goes_on(capsys, half)
        return
    outcome = train(capsys, "resume=run", quick=())
    assert outcome.code == 5 and outcome.err.count("bytes instead of") == len(files)
    assert "Traceback" not in outcome.err
    assert len(list((half / "checkpoints").glob("*.corrupt/model.safetensors"))) == len(files)


def test_run_dir_of_other_things(half: Path, place: Path, capsys: Capture) -> None:
    (place / "thesis").mkdir()
    (place / "thesis" / "chapter.txt").write_text("x")
    assert "is no run but holds chapter.txt" in refused(capsys, "run.dir=thesis")
    assert "is a file" in refused(capsys, "run.dir=thesis/chapter.txt")
    assert "ENOTDIR" in refused(capsys, "run.dir=thesis/chapter.txt/x", code=4)
    assert "seed was 0 when run was started" in refused(capsys, *THREE, "seed=1")


def test_run_dir_of_a_run_that_is_finished_or_in_use(half: Path, capsys: Capture) -> None:
    held = RunFolder.open(half, write=True)
    assert "is in use by process" in refused(capsys, *THREE, code=6)
    assert "is in use by process" in refused(capsys, "resume=run", code=6, quick=())
    held.release()
    outcome = train(capsys, *THREE)
    assert outcome.code == 0, outcome.err
    after = contents(half)
    assert "already complete" in train(capsys, *THREE).out
    assert "seed was 0" in refused(capsys, *THREE, "seed=1")
    assert contents(half) == after


def test_a_finished_run_can_be_made_longer(place: Path, capsys: Capture) -> None:
    words = ("run.dir=run", "scheduler=none", "model.width=4", "data.augment=null")
    assert train(capsys, *words).code == 0
    assert train(capsys, "resume=run", "trainer.epochs=2", quick=()).code == 0
    assert status(place / "run")["step"] == 80
    assert "already complete" in train(capsys, "resume=run", quick=()).out


def test_killed_before_the_settings_were_written(place: Path, capsys: Capture) -> None:
    RunFolder.claim(place / "run").release()
    assert status(place / "run")["state"] == "running"
    outcome = train(capsys, *THREE, "trainer.epochs=1")
    assert outcome.code == 0, outcome.err
