"""The folder of a sweep, and what is stored in it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from trainer.errors import FolderInUse, Refused
from trainer.sweep.axes import Choices, Interval
from trainer.sweep.folder import SweepFolder, read_request
from trainer.sweep.request import Request, differences, stored_space

REQUEST = Request(
    command=("optimizer.lr=0.1,0.01", "data.token=secret"),
    method="grid",
    space={
        "optimizer.lr": Choices(("0.1", "0.01")),
        "model.width": Interval(16, 64, log=True, integer=True),
    },
    select="accuracy",
    direction="max",
    threads=2,
    config={"optimizer": {"lr": 0.1, "eps": 1e-8}, "data": {"token": "secret"}, "seed": 0},
)


def test_two_sweeps_of_the_same_second_have_folders_of_their_own(tmp_path: Path) -> None:
    folders = [SweepFolder.create(tmp_path, "digits") for _ in range(20)]
    assert len({folder.path for folder in folders}) == 20
    for folder in folders:
        name = r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_[0-9a-f]{6}_sweep"
        assert re.fullmatch(name, folder.path.name) and folder.path.parent.name == "digits"
        with pytest.raises(FolderInUse):
            SweepFolder(folder.path)
        folder.release()


def test_an_exact_folder_has_to_be_empty(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.txt").write_text("x")
    with pytest.raises(Refused, match=r"is no sweep but holds thesis.txt; nothing in it"):
        SweepFolder.claim(tmp_path / "full")
    (tmp_path / "file").write_text("x")
    with pytest.raises(Refused, match="is a file"):
        SweepFolder.claim(tmp_path / "file")
    folder = SweepFolder.claim(tmp_path / "new/deep")
    REQUEST.write(folder.path)
    folder.release()
    with pytest.raises(Refused, match=r"holds a sweep; go on with it by sweep.resume="):
        SweepFolder.claim(tmp_path / "new/deep")
    again = SweepFolder.open(tmp_path / "new/deep")
    with pytest.raises(FolderInUse):
        SweepFolder.open(tmp_path / "new/deep")
    again.release()


def test_what_is_no_sweep_is_told_with_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Refused, match=r"nowhere does not exist; there is no sweep nearby"):
        SweepFolder.open(Path("nowhere"))
    folder = SweepFolder.create(Path("runs"), "digits")
    REQUEST.write(folder.path)
    folder.release()
    near = re.escape(f"did you mean runs/digits/{folder.path.name}?")
    for path in (Path("nowhere"), folder.path.parent, folder.path.with_name("x_sweep")):
        with pytest.raises(Refused, match=near):
            SweepFolder.open(path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/status.json").write_text('{"state": "finished"}')
    with pytest.raises(Refused, match=r"folder of a run, not of a sweep; go on with it by resume="):
        SweepFolder.open(Path("run"))


def test_a_sweep_of_which_nothing_was_started_leaves_nothing(tmp_path: Path) -> None:
    folder = SweepFolder.create(tmp_path / "runs", "digits")
    REQUEST.write(folder.path)
    folder.discard()
    assert not (tmp_path / "runs/digits").exists()
    folder = SweepFolder.create(tmp_path / "runs", "digits")
    (folder.path / "000").mkdir()
    folder.discard()
    assert folder.path.exists()


def test_a_request_comes_back_without_its_secrets(tmp_path: Path) -> None:
    REQUEST.write(tmp_path)
    assert "secret" not in (tmp_path / "sweep.yaml").read_text()
    stored = read_request(tmp_path)
    assert stored_space(stored) == REQUEST.space
    assert differences(stored, REQUEST, ()) == []
    assert stored["threads"] == 2 and stored["command"][0] == "optimizer.lr=0.1,0.01"


def test_what_has_changed_is_named_and_what_may_change_is_not(tmp_path: Path) -> None:
    REQUEST.write(tmp_path)
    stored = read_request(tmp_path)
    fine = replace(
        REQUEST,
        command=("other",),
        trials=7,
        threads=1,
        space=dict(reversed([*REQUEST.space.items()])) | {"optimizer.lr": Choices(("0.01", "0.1"))},
        config={**REQUEST.config, "optimizer": {"lr": 0.01, "eps": 1e-8}},
    )
    assert differences(stored, fine, ()) == []
    other = replace(
        REQUEST,
        method="random",
        direction="min",
        space={"optimizer.lr": Choices(("0.1",)), "seed": Choices(("0", "1"))},
        config={**REQUEST.config, "optimizer": {"lr": 0.1, "eps": 1.0}},
    )
    found = "\n".join(differences(stored, other, ()))
    assert "sweep.method was grid and is now random" in found
    assert "evaluation.direction was max and is now min" in found
    assert "optimizer.lr was 0.1,0.01 and is now 0.1;" in found
    assert "model.width was swept over and is not any more" in found
    assert "seed is swept over now and was not before" in found
    assert "optimizer.eps was 1e-08 and is now 1.0" in found
    assert (
        differences(stored, replace(REQUEST, config={**REQUEST.config, "seed": 1}), ("seed",)) == []
    )


def test_damage_is_told(tmp_path: Path) -> None:
    for text in ("a: [", "- a\n", "\0"):
        (tmp_path / "sweep.yaml").write_text(text)
        with pytest.raises(Refused, match=r"sweep.yaml .*(is damaged|holds no request)"):
            read_request(tmp_path)
    with pytest.raises(Refused, match=r"is damaged \(space"):
        stored_space({"space": {"a": 3}})
