"""What an evaluation leaves in the run folder."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn import metrics as sk

from trainer.errors import CannotWrite
from trainer.evaluation import Counts, class_report, report

CLASSES = ("cat", "=1+1", "-1")


def evaluated(num: int = 40, *, keep: bool = True, right: bool = False) -> Counts:
    torch.manual_seed(0)
    counts = Counts(3, "cpu", keep=keep, classes=CLASSES, mistakes=5)
    logits, target = torch.randn(num, 3), torch.randint(0, 3, (num,))
    if right:
        logits = torch.nn.functional.one_hot(target, 3).float()
    for part in (slice(0, 25), slice(25, num)):
        loss = torch.nn.functional.cross_entropy(logits[part], target[part], reduction="sum")
        counts.update(logits[part], target[part], loss, len(target[part]))
    return counts


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))


def strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_everything_is_written_and_agrees(tmp_path: Path) -> None:
    counts, order = evaluated(), list(range(100, 140))[::-1]
    asked: list[int] = []

    def picture(index: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        asked.append(index)
        return np.zeros((8, 8, 1), np.uint8)

    names = [f"folder/{i}.png" for i in range(200)]
    baseline = {"majority_class": 0.3, "num_train": 10}
    summary = report.write(
        tmp_path, "test", counts,
        indices=order, names=names, picture=picture, baseline=baseline,
    )  # fmt: skip
    folder = tmp_path / "evaluation"
    assert {path.name for path in folder.iterdir()} == {
        "test.json",
        "test_confusion_matrix.png",
        "test_per_class.png",
        "test_predictions.csv",
        "test_mistakes.png",
    }
    stored = strict((folder / "test.json").read_text())
    assert stored == summary
    assert stored["baseline"] == baseline
    assert stored["num_samples"] == 40
    assert stored["classes"] == list(CLASSES)
    assert [row["label"] for row in stored["per_class"]] == list(CLASSES)
    table = rows(folder / "test_predictions.csv")
    assert tuple(table[0]) == class_report.COLUMNS
    assert [int(row["index"]) for row in table] == sorted(order)
    assert table[0]["input"] == "folder/100.png"
    target, guess = [row["label"] for row in table], [row["prediction"] for row in table]
    labels = ["cat", "'=1+1", "-1"]
    assert stored["accuracy"] == pytest.approx(sk.accuracy_score(target, guess))
    assert stored["f1"] == pytest.approx(sk.f1_score(target, guess, average="macro", labels=labels))
    assert stored["confusion_matrix"] == sk.confusion_matrix(target, guess, labels=labels).tolist()
    assert {row["correct"] for row in table} == {"true", "false"}
    assert all((row["label"] == row["prediction"]) == (row["correct"] == "true") for row in table)
    assert len(asked) == 5, "a picture is asked only for what is drawn"
    wrong = {int(row["index"]) for row in table if row["correct"] == "false"}
    assert set(asked) <= wrong
    for path in folder.glob("*.png"):
        with Image.open(path) as image:
            image.load()


def test_the_worst_mistake_gave_the_truth_the_least(tmp_path: Path) -> None:
    kept = evaluated().kept()
    order = class_report.worst(kept, 100)
    assert len(order) == (kept.target != kept.prediction).sum()
    assert (np.diff(kept.probability_of_target[order]) >= 0).all()
    assert class_report.worst(kept, 3) == order[:3]


def test_validation_without_samples_kept_writes_the_numbers_only(tmp_path: Path) -> None:
    summary = report.write(tmp_path, "validation", evaluated(keep=False))
    assert "baseline" not in summary
    assert {path.name for path in (tmp_path / "evaluation").iterdir()} == {
        "validation.json",
        "validation_confusion_matrix.png",
        "validation_per_class.png",
    }


def test_no_mistakes_still_gives_the_picture(tmp_path: Path) -> None:
    def never(index: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        raise AssertionError(index)

    report.write(tmp_path, "test", evaluated(right=True), picture=never)
    assert (tmp_path / "evaluation/test_mistakes.png").is_file()


def test_what_is_not_finite_becomes_null(tmp_path: Path) -> None:
    counts = evaluated()
    counts.update(torch.zeros(1, 3), torch.tensor([0]), float("nan"), 1)
    report.write(tmp_path, "test", counts)
    assert strict((tmp_path / "evaluation/test.json").read_text())["loss"] is None


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(name: str) -> None:
    kept = evaluated().kept()
    text = class_report.predictions(kept, CLASSES, range(40), [name] * 40).decode()
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert not any(cell.startswith(("=", "+", "@", "\t", "\r")) for cell in cells)
    assert f"'{name}" in cells or name.startswith("\r")
    assert len(text.splitlines()) == 41, "one line a sample, whatever its name"
    assert "-1" in cells, "a number is left alone"


def test_names_that_are_no_utf8_and_commas_are_kept_readable() -> None:
    kept = evaluated().kept()
    text = class_report.predictions(kept, CLASSES, range(40), ['a,"b"\ud800\nc'] * 40).decode(
        "utf-8"
    )
    row = next(iter(csv.DictReader(io.StringIO(text))))
    assert row["input"] == 'a,"b"\\ud800\\nc'


def test_indices_of_another_length_are_our_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="3 indices for 40 samples"):
        report.write(tmp_path, "test", evaluated(), indices=[1, 2, 3])


def test_a_disk_that_refuses_is_told_and_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report.write(tmp_path, "test", evaluated())
    before = {path.name: path.read_bytes() for path in (tmp_path / "evaluation").iterdir()}

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(CannotWrite) as caught:
        report.write(tmp_path, "test", evaluated(right=True))
    assert caught.value.exit_code == 4
    after = {path.name: path.read_bytes() for path in (tmp_path / "evaluation").iterdir()}
    assert after == before


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "evaluation").write_text("")
    with pytest.raises(CannotWrite, match="evaluation"):
        report.write(tmp_path, "test", evaluated())
