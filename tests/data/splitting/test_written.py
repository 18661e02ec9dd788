"""A splits.csv gives the same splits again, or says which names don't fit."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from data.bad_samples import BadFile
from data.errors import DataError
from data.splitting import split
from trainer.storage.records import write_splits

NAMES = ["a b.jpg", "ü,1.jpg", 'q"uote.jpg', "line\nbreak", "e.jpg", "bad\udcff.jpg"]
FORMULAS = ["=1+1", "@x", "'=1+2", "'quoted", "＋y", "-1.jpg"]


def written(folder: Path, *names: list[str]) -> Path:
    """The splits.csv that a run with samples of these names in its splits has."""
    split_of = dict(zip(("train", "validation", "test"), names, strict=True))
    splits: Any = SimpleNamespace(**{k: SimpleNamespace(names=v) for k, v in split_of.items()})
    run: Any = SimpleNamespace(path=folder)
    write_splits(run, splits)
    return folder / "splits.csv"


def again(path: Path, names: list[str]) -> list[list[int]]:
    parts = split(
        count=len(names),
        method="stratified",
        validation=0.1,
        test=0.2,
        seed=0,
        labels=np.zeros(len(names), np.int64),
        names=names,
        splits=path,
    )
    return [part.tolist() for part in parts]


def test_what_was_written_is_followed_whatever_the_order(tmp_path: Path) -> None:
    path = written(tmp_path, NAMES[:3], NAMES[3:4], NAMES[4:])
    assert path.read_bytes().startswith(b"name,split\na b.jpg,train\n")
    assert again(path, NAMES) == [[0, 1, 2], [3], [4, 5]]
    assert again(path, NAMES[::-1]) == [[3, 4, 5], [2], [0, 1]]


def test_names_that_a_spreadsheet_would_carry_out_come_back_as_well(tmp_path: Path) -> None:
    path = written(tmp_path, FORMULAS[:3], FORMULAS[3:4], FORMULAS[4:])
    cells = [line.split(",")[0] for line in path.read_text("utf-8").splitlines()]
    assert not [cell for cell in cells if cell[0] in "=+-@＝＋－＠"]
    assert again(path, FORMULAS) == [[0, 1, 2], [3], [4, 5]]


def test_what_could_not_be_read_keeps_its_split(tmp_path: Path) -> None:
    run: Any = SimpleNamespace(path=tmp_path)
    part = SimpleNamespace(names=["a", "b"])
    bad = [BadFile("test", None, "c", "no image")]
    test = SimpleNamespace(names=["d"])
    write_splits(run, cast(Any, SimpleNamespace(train=part, validation=None, test=test, bad=bad)))
    assert again(tmp_path / "splits.csv", ["a", "b", "c", "d"]) == [[0, 1], [], [2, 3]]


def test_a_file_of_a_spreadsheet_will_do(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("\ufeffremark,split,name\r\nx,Train,a\r\n,dev,b\r\n,TEST,c\r\n", "utf-8")
    assert again(path, ["c", "b", "a"]) == [[2], [1], [0]]


def test_all_misfits_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "splits.csv"
    rows = [f"gone{number},train" for number in range(7)]
    path.write_text("\n".join(["name,split", "a,train", "b,test", "b,train", *rows]), "utf-8")
    with pytest.raises(DataError) as error:
        again(path, ["a", "b", "new1", "new2"])
    twice, missing, extra = error.value.problems
    assert "1 names are in two splits" in twice and "'b'" in twice
    assert "2 of 4 samples are not in" in missing and "'new1', 'new2'" in missing
    assert "7 of 9 names" in extra and "'gone4', ...)" in extra and "gone5" not in extra


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("file,part\na,train\n", "has the columns 'file', 'part'; it needs name and split"),
        ("", "has the columns none"),
        ("name,split\na,trian\nb,\n", r"2 unknown splits .* \('trian' in line 2, '' in line 3\)"),
        ("name,split\na,train\nb\n", "1 unknown splits"),
    ],
)
def test_files_of_another_form(tmp_path: Path, content: str, text: str) -> None:
    path = tmp_path / "splits.csv"
    path.write_text(content, "utf-8")
    with pytest.raises(DataError, match=text):
        again(path, ["a", "b"])


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "splits.csv").write_text("name,split\n", "utf-8")
    with pytest.raises(DataError, match=r"is no file; did you mean .*splits\.csv\?"):
        again(tmp_path / "split.csv", ["a"])
    with pytest.raises(DataError, match="no sample is left for training"):
        again(tmp_path / "splits.csv", [])


def test_written_splits_that_divide_a_group_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, ["a", "b"], [], ["c"])
    with pytest.raises(DataError, match=r"1 groups of data\.group are in two splits"):
        split(
            count=3,
            method="group",
            validation=0.1,
            test=0.2,
            seed=0,
            groups=["x", "y", "y"],
            names=["a", "b", "c"],
            splits=path,
        )
