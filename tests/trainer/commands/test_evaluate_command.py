"""`fivestep evaluate`: the numbers of the end of training, on other data, of an artefact."""

import csv
import hashlib
import io
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported import QUICK, exported_run
from PIL import Image

from trainer.cli import main

USERS = Path(__file__).resolve().parents[2] / "users"


def draw(folder: Path, classes: Mapping[str, tuple[int, ...]], number: int, seed: int = 0) -> Path:
    """Pictures of one colour with noise, a folder for each class."""
    generator = np.random.default_rng(seed)
    for name, colour in classes.items():
        (folder / name).mkdir(parents=True)
        for index in range(number):
            pixels = generator.integers(0, 60, (20, 16, 3)) + np.array(colour)
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(
                folder / name / f"{index}.png"
            )
    return folder


COLOURS = {"blue": (0, 0, 190), "green": (0, 190, 0), "red": (190, 0, 0)}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported_run(tmp_path_factory)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """On a folder of images; `images` beside the run."""
    place = tmp_path_factory.mktemp("pictures")
    draw(place / "images", COLOURS, 20)
    words = ["data=images", f"data.path={place / 'images'}", "data.size=[12,10]"]
    words += ["data.augment=null", "optimizer.lr=0.02", "loader.batch_size=8", "export=none"]
    assert main(["train", *QUICK, *words, "trainer.epochs=8", f"run.dir={place / 'run'}"]) == 0
    return place / "run"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*words: object, code: int = 0) -> str:
        capsys.readouterr()
        found = main(["evaluate", *map(str, words)])
        captured = capsys.readouterr()
        assert found == code, captured.err
        assert "Traceback" not in captured.err and "error: unexpected" not in captured.err
        return captured.err if code else captured.out

    return call


@pytest.fixture
def measured(told: Any) -> Any:
    def call(*words: object) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(told(*words, "--json"))
        return found

    return call


def stored(run: Path, split: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / f"evaluation/{split}.json").read_text())
    found.pop("baseline", None)
    return found


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def contents(place: Path) -> dict[str, str]:
    return {
        str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(place.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("name", ["run", "pictures"])
def test_it_measures_exactly_what_was_measured(
    name: str, measured: Any, request: pytest.FixtureRequest
) -> None:
    run = request.getfixturevalue(name)
    before = contents(run)
    assert measured(run) == measured(run, "split=test") == stored(run, "test")
    assert measured(run, "split=validation") == stored(run, "validation")
    # In other batches, but for the last bits of the loss.
    other = measured(run, "loader.batch_size=7")
    assert other["confusion_matrix"] == stored(run, "test")["confusion_matrix"]
    assert other["loss"] == pytest.approx(stored(run, "test")["loss"], rel=1e-5)
    assert contents(run) == before


def test_another_run_measures_something_else(run: Path, measured: Any, here: Path) -> None:
    words = ["loader.limit_batches=2", "export=none", f"run.dir={here / 'seed'}"]
    assert main(["train", *QUICK, *words]) == 0
    assert measured(here / "seed")["loss"] != stored(run, "test")["loss"]


@pytest.mark.parametrize("name", ["run", "pictures"])
def test_training_samples_are_measured_as_evaluation_sees_them(
    name: str, measured: Any, request: pytest.FixtureRequest
) -> None:
    run = request.getfixturevalue(name)
    train = measured(run, "split=train")
    whole = measured(run, "split=all")
    info = json.loads((run / "info.json").read_text())
    assert train["num_samples"] == info["num_train"]
    parts = [train, stored(run, "validation"), stored(run, "test")]
    matrix = np.sum([part["confusion_matrix"] for part in parts], axis=0)
    assert whole["confusion_matrix"] == matrix.tolist()
    assert whole["num_samples"] == sum(part["num_samples"] for part in parts)
    assert measured(run, "split=train") == train  # augmentation would draw anew each time


@pytest.mark.parametrize("form", ["onnx", "pt2"])
def test_an_artefact(form: str, run: Path, measured: Any, told: Any) -> None:
    found, own = measured(run, "--artefact", form), stored(run, "test")
    assert found["confusion_matrix"] == own["confusion_matrix"]
    assert found["loss"] == pytest.approx(own["loss"], rel=1e-4)
    assert f"end of training: accuracy {own['accuracy']:.4f}" in told(run, "--artefact", form)


def test_it_is_the_artefact_that_answers(
    run: Path, measured: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def threes(*arrays: Any) -> Any:
        return np.eye(10, dtype=np.float32)[[3] * len(arrays[0])]

    monkeypatch.setattr("trainer.export.artefact.load_artefact", lambda *_: threes)
    found = measured(run, "--artefact", "onnx")
    assert found["accuracy"] == found["per_class"][3]["support"] / 359
    assert measured(run) == stored(run, "test")


def test_other_images_are_normalised_and_labelled_as_the_models_own(
    pictures: Path, measured: Any, told: Any, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two of its three classes, so that they have other numbers; each is what predict says."""
    draw(here / "new", {"red": (120, 60, 60), "green": (100, 130, 60)}, 6, seed=1)
    found = measured(pictures, "data=images", f"data.path={here / 'new'}")
    assert found["split"] == "all" and found["num_samples"] == 12
    assert [row["support"] for row in found["per_class"]] == [0, 6, 6]
    capsys.readouterr()
    assert main(["predict", str(pictures), "new", "--output", "-"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    matrix = np.zeros((3, 3), dtype=int)
    for row in rows:
        truth = Path(row["input"]).parent.name
        matrix[found["classes"].index(truth), found["classes"].index(row["label"])] += 1
    assert found["confusion_matrix"] == matrix.tolist()
    # The same by its path alone, since it was trained on images; and one split of it.
    assert measured(pictures, f"data.path={here / 'new'}") == found
    assert measured(pictures, f"data.path={here / 'new'}", "split=train")["num_samples"] == 8
    text = told(pictures, f"data.path={here / 'new'}")
    assert "1 of 3 classes have no samples" in text
    assert "test at the end of training: accuracy" in text


def test_images_for_a_model_of_digits(run: Path, measured: Any, here: Path) -> None:
    """Size, channels and the way a drawing is found follow the run."""
    from data.digits import digits

    test = digits().test
    for index in range(0, 60):
        place = here / "drawn" / str(int(test.labels[index]))
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(test.picture(index)[..., 0]).save(place / f"{index}.png")
    found = measured(run, "data=images", "data.path=drawn")
    predictions = table(run / "evaluation/test_predictions.csv")[:60]
    right = sum(row["correct"] == "true" for row in predictions)
    assert found["num_samples"] == 60
    assert round(found["accuracy"] * 60) == right


def test_a_single_sample_of_a_class_will_do(pictures: Path, measured: Any, here: Path) -> None:
    draw(here / "few", COLOURS, 1)
    assert measured(pictures, "data.path=few")["num_samples"] == 3


def test_data_that_do_not_fit(run: Path, pictures: Path, told: Any, here: Path) -> None:
    draw(here / "strange", {"red": (0, 0, 0), "violet": (0, 0, 0)}, 2)
    text = told(pictures, "data.path=strange", code=2)
    assert "'violet'" in text and "'blue', 'green', 'red'" in text
    text = told(pictures, "data.path=strange", "data.channels=1", code=2)
    assert "12 x 10 with 1 channel " in text and "12 x 10 with 3 channels" in text
    assert "unknown to the model" in text  # both at once
    assert "8 x 8 with 1 channel" in told(pictures, "data=digits", code=2)
    text = told(pictures, "data.path=strangr", code=2)
    assert "strangr in data.path does not exist; did you mean strange?" in text
    (here / "empty").mkdir()
    assert "is empty" in told(pictures, "data.path=empty", code=2)
    (here / "strange/red/x.png").write_text("no picture")
    assert "x.png is not an image" in told(pictures, "data.path=strange", code=2)


def test_what_cannot_be_asked_for(run: Path, told: Any, here: Path) -> None:
    for words, text in (
        (["split=tset"], "split=tset is none; did you mean test?"),
        (["splt=test"], "splt=test can't be changed here; did you mean split?"),
        (["model.width=3"], "model.width=3 can't be changed here; only split, data, loader"),
        (["data.split_sede=1"], "did you mean data.split_seed=1"),
        (["--artefact", "onx"], "--artefact onx is none; did you mean onnx?"),
        (["--artefact", "torchscript"], "no artefact of the form torchscript"),
        (["--jsn"], "did you mean --json?"),
        (["--device", "cuda:99"], "cuda:99"),
    ):
        lines = told(run, *words, code=2).splitlines()
        assert len(lines) == 1 and text in lines[0], lines
    text = told(run, "split=tset", "optimizer.lr=1", code=2)
    assert "2 problems" in text


def test_folders_that_are_no_run(run: Path, told: Any, here: Path) -> None:
    assert "does not exist; did you mean" in told(run.with_name("rum"), code=2)
    assert "is not the folder of a run" in told(here, code=2)
    assert "is an export, which doesn't know its data" in told(run / "export", code=2)
    place = shutil.copytree(run, here / "copy", ignore=shutil.ignore_patterns("export"))
    assert "fivestep export" in told(place, "--artefact", "onnx", code=2)
    status = json.loads((place / "status.json").read_text())
    (place / "status.json").write_text(json.dumps(status | {"state": "failed"}))
    with pytest.warns(UserWarning, match="is not finished"):
        told(place)
    shutil.rmtree(place / "checkpoints")
    assert "has no weights" in told(place, code=2)


def test_a_split_that_is_not_there(told: Any, here: Path) -> None:
    words = ["data.test=0", "export=none", f"run.dir={here / 'run'}", "loader.limit_batches=2"]
    assert main(["train", *QUICK, *words]) == 0
    assert "the data has no test split; it has train, validation" in told("run", code=2)


def test_a_users_own_data(told: Any, measured: Any, here: Path, monkeypatch: Any) -> None:
    """Samples as they come from a dataset of their own; what the model can't take is one line."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(USERS)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for group, target in (("data", "userdata.make"), ("model", "usernet.linear")):
        (here / "conf" / group).mkdir(parents=True)
        (here / "conf" / group / "own.yaml").write_text(f"_target_: {target}\nnum_classes: 3\n")
    (here / "conf/data/own.yaml").write_text("_target_: userdata.make\nmode: ''\n")
    words = ["--config-dir", "conf", *QUICK[1:], "data=own", "model=own", "run.dir=run"]
    assert main(["train", *words, "loader.batch_size=4", "export=none"]) == 0
    assert measured("run") == stored(here / "run", "test")
    assert measured("run", "split=train")["num_samples"] == 60
    assert measured("run", "data.mode=tensors", "split=validation")["num_samples"] == 12
    text = told("run", "data.mode=bytes", "split=train", code=2)
    assert "the model fails on a batch of uint8[4, 1, 8, 8]" in text and "RuntimeError" in text
    text = told("run", "data.mode=one_shape", "split=train", code=2)
    assert "the samples of the data don't make a batch" in text
    text = told("run", "data.mode=one_label", "split=train", code=2)
    assert "label 9 of the data is no class: labels are 0 to 2" in text


def test_the_report(run: Path, told: Any, here: Path) -> None:
    text = told(run, "--output", "report")
    assert text.splitlines()[-1] == "report in report"
    names = sorted(path.name for path in (here / "report").iterdir())
    assert names == sorted(p.name for p in (run / "evaluation").glob("test*"))
    assert [p.name for p in here.iterdir()] == ["report"]
    found = json.loads((here / "report/test.json").read_text())
    assert found.pop("baseline") is None and found == stored(run, "test")
    for name in ("test_predictions.csv", "test_mistakes.png", "test_confusion_matrix.png"):
        own = (run / "evaluation" / name).read_bytes()
        assert (here / "report" / name).read_bytes() == own, name
    assert "--output report exists; choose a new" in told(run, "--output", "report", code=2)
    assert "inside the run" in told(run, "--output", run / "evaluation/new", code=2)
    assert "there is no folder x" in told(run, "--output", "x/y", code=2)
    told(run, "split=all", "--output", "all")
    rows = table(here / "all/all_predictions.csv")
    assert len(rows) == 1797 and len({row["input"] for row in rows}) == 1797


def test_the_table(run: Path, told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    lines = told(run).splitlines()
    own = stored(run, "test")
    assert lines[0] == (
        f"test        accuracy {own['accuracy']:.4f}  precision {own['precision']:.4f}  "
        f"recall {own['recall']:.4f}  f1 {own['f1']:.4f}  (359 samples)"
    )
    assert lines[2].split() == ["class", "precision", "recall", "f1", "samples"]
    worst = sorted(own["per_class"], key=lambda row: row["f1"])
    assert [line.split()[0] for line in lines[3:13]] == [row["label"] for row in worst]
    monkeypatch.setenv("COLUMNS", "80")
    narrow = told(run).splitlines()
    assert max(map(len, narrow)) <= 80
    assert narrow[1] == "            (359 samples)" and narrow[2:] == lines[1:]
    assert "among them the samples that it was trained on" in told(run, "split=all")
