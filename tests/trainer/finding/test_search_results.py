"""What a search leaves behind: a picture, JSON, CSV, or nothing at all."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer.errors import CannotWrite, Refused
from trainer.evaluation import style
from trainer.finding import batch_figure, rate_figure
from trainer.finding.batch_size import Search, Trial
from trainer.finding.learning_rate import RangeTest
from trainer.finding.results import refuse_output, results_folder, write
from trainer.finding.suggestion import suggest

ROWS: list[dict[str, float | None]] = [{"size": 1, "speed": 2.5}, {"size": 2, "speed": None}]


def range_test(falls: bool) -> RangeTest:
    rates = np.geomspace(1e-7, 1, 60).tolist()
    losses = [2.3 - (2 * falls) / (1 + 1e-3 / rate) for rate in rates]
    return RangeTest(rates, losses, suggest(rates, losses, 60), {"model": 1.0}, "all steps done")


def test_three_files_that_agree(tmp_path: Path) -> None:
    with results_folder(tmp_path / "out", "name", "lr-find") as folder:
        write(folder, "lr_find", style.figure(3, 2, "x"), {"values": ROWS, "best": 1e-3}, ROWS)
    assert sorted(p.name for p in folder.iterdir()) == [
        "lr_find.csv",
        "lr_find.json",
        "lr_find.png",
    ]
    assert json.loads((folder / "lr_find.json").read_text()) == {"values": ROWS, "best": 1e-3}
    with (folder / "lr_find.csv").open() as file:
        assert [*csv.DictReader(file)] == [
            {"size": "1", "speed": "2.5"},
            {"size": "2", "speed": ""},
        ]
    with Image.open(folder / "lr_find.png") as picture:
        assert picture.size == (360, 240)


def test_every_search_has_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = set()
    for _ in range(3):
        with results_folder(None, "digits-cnn", "lr-find") as folder:
            assert folder.parent == tmp_path / "runs/digits-cnn"
            assert folder.name.startswith("lr-find_2")
            found.add(folder)
    assert len(found) == 3


def test_a_search_that_fails_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(KeyError), results_folder(tmp_path / "a/b/c", "n", "lr-find"):
        raise KeyError
    assert not (tmp_path / "a").exists()
    (tmp_path / "a").mkdir()
    with pytest.raises(KeyError), results_folder(tmp_path / "a/b", "n", "lr-find") as folder:
        (folder / "half").write_text("")
        raise KeyError
    assert (tmp_path / "a/b/half").exists()


def test_earlier_results_and_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "lr_find.csv").write_text("")
    with pytest.raises(Refused, match=r"holds lr_find.csv; give another folder"):
        refuse_output(tmp_path, "lr-find")
    refuse_output(tmp_path, "batch-find")
    refuse_output(tmp_path / "new", "lr-find")
    with pytest.raises(Refused, match="is a file"):
        refuse_output(tmp_path / "lr_find.csv", "lr-find")


def test_a_place_that_can_not_be_written_names_the_flag(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(CannotWrite, match=r"--output FOLDER"),
        results_folder(tmp_path / "file/below", "n", "lr-find"),
    ):
        pass


@pytest.mark.parametrize("falls", [True, False])
def test_the_range_test_is_drawn(falls: bool) -> None:
    test = range_test(falls)
    assert (test.chosen is not None) == falls
    figure = rate_figure.draw(test, "MLP with AdamW on cpu")
    texts = [text.get_text() for text in figure.texts]
    assert texts[0].startswith(f"Learning rate {test.chosen:g}" if falls else "No learning rate")
    (ax,) = figure.axes
    assert ax.get_xscale() == "log" and len(ax.lines) == (5 if falls else 2)
    assert np.allclose(ax.lines[0].get_ydata(), test.losses)
    low, high = ax.get_ylim()
    assert low < min(test.losses) and high > test.losses[0]
    assert style.as_pixels(figure).std() > 10


def test_the_batch_search_is_drawn() -> None:
    trials = [
        Trial(1, "refused"),
        Trial(2, "measured", 100.0, 0.02, 10_000_000),
        Trial(4, "measured", 190.0, 0.021, 20_000_000),
        Trial(8, "no memory"),
    ]
    search = Search(trials, 4, "the smallest within 5 %", "memory: 8 samples don't fit")
    figure = batch_figure.draw(search, "CNN with SGD on cpu")
    speed, memory = figure.axes
    assert np.array_equal(speed.lines[0].get_ydata(), [100, 190])
    assert np.array_equal(memory.lines[0].get_ydata(), [10, 20])
    assert figure.texts[0].get_text().startswith("Batch size 4:")
    assert style.as_pixels(figure).std() > 10
