"""`fivestep ensemble` on real runs: a sweep of three on digits, made in this process."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, log_loss, precision_score, recall_score

from trainer.cli import main
from trainer.config.reopen import reopen
from trainer.storage.atomic import write_json
from trainer.sweep.axes import Choices
from trainer.sweep.request import Request
from trainer.sweep.trials import Book, Trial

QUICK = [
    "model=mlp",
    "recorder=silent",
    "export=none",
    "trainer.epochs=2",
    "trainer.threads=1",
    "evaluation.baselines=false",
    "evaluation.mistakes=0",
]
RATES = ("0.001", "0.01", "0.003")  # the best is neither the first nor the last


def train(folder: Path, *words: str) -> Path:
    """A finished run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.evaluation.class_report.write_figures", lambda *_: None)
        assert main(["train", *QUICK, *words, f"run.dir={folder}"]) == 0
    return folder


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of which 003 failed and 004 was pruned; read-only, but for what is written there."""
    folder = tmp_path_factory.mktemp("ensemble") / "sweep"
    folder.mkdir()
    space = {"optimizer.lr": Choices(RATES)}
    Request(("model=mlp",), "grid", space, "accuracy", "max").write(folder)
    book = Book(folder)
    for number, rate in enumerate(RATES):
        train(folder / f"{number:03d}", f"optimizer.lr={rate}")
        book.put(Trial(number, (f"optimizer.lr={rate}",), "finished"))
    for name, said in (("003", "failed"), ("004", "preempted")):
        (folder / name).mkdir()
        # They would be the best.
        metrics = {"accuracy": 1.0}
        write_json(folder / name / "status.json", {"state": said, "metrics": metrics})
    return folder


def command(*words: object) -> int:
    """Exit code of `fivestep ensemble`."""
    return main(["ensemble", *map(str, words)])


def numbers(capsys: pytest.CaptureFixture[str], *words: object) -> Any:
    """What it prints for a program."""
    capsys.readouterr()
    assert command(*words, "--json") == 0
    return json.loads(capsys.readouterr().out)


def refusal(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What it says when it refuses."""
    capsys.readouterr()
    assert command(*words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def by_hand(folders: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and the mean of the softmax of each run's logits, in numpy."""
    probabilities = []
    for folder in folders:
        trained = reopen(folder, data=True)
        assert trained.splits is not None
        pairs = [trained.splits.test[index] for index in range(len(trained.splits.test))]
        logits = trained.outputs(torch.stack([pair[0] for pair in pairs]).numpy()).astype(float)
        exponents = np.exp(logits - logits.max(1, keepdims=True))
        probabilities.append(exponents / exponents.sum(1, keepdims=True))
    return np.array([pair[1] for pair in pairs]), np.mean(probabilities, axis=0)


def test_it_is_the_average_made_by_hand(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = numbers(capsys, sweep)
    labels, mean = by_hand([sweep / f"{number:03d}" for number in range(3)])
    guesses = mean.argmax(1)
    ensemble = found["ensemble"]
    assert ensemble["accuracy"] == accuracy_score(labels, guesses)
    given: dict[str, Any] = {"average": "macro", "zero_division": 0}
    assert ensemble["precision"] == pytest.approx(precision_score(labels, guesses, **given))
    assert ensemble["recall"] == pytest.approx(recall_score(labels, guesses, **given))
    assert ensemble["f1"] == pytest.approx(f1_score(labels, guesses, **given))
    assert ensemble["nll"] == pytest.approx(log_loss(labels, mean), abs=1e-7)
    # The check can fail: two of them are another average.
    assert log_loss(labels, by_hand([sweep / "000", sweep / "001"])[1]) != pytest.approx(
        ensemble["nll"], abs=1e-3
    )
    assert found["num_samples"] == len(labels)
    assert np.trace(found["confusion_matrix"]) == (labels == guesses).sum()


def test_each_member_is_worth_what_it_was_at_the_end_of_training(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in ("test", "validation"):
        found = numbers(capsys, sweep, "--split", split)
        for member in found["members"]:
            folder = Path(member["folder"])
            before = json.loads((folder / f"evaluation/{split}.json").read_text())
            for name in ("accuracy", "precision", "recall", "f1"):
                assert member[name] == before[name]
        values = [member["accuracy"] for member in found["members"]]
        assert found["mean"]["accuracy"] == pytest.approx(np.mean(values), rel=1e-12)
        assert found["std"]["accuracy"] == pytest.approx(np.std(values, ddof=1), rel=1e-9)


def test_the_best_by_the_validation_metric_are_taken(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = numbers(capsys, sweep, "--best", 2)
    values = [member["validation/accuracy"] for member in found["members"]]
    assert values == sorted(values, reverse=True)
    assert [Path(m["folder"]).name for m in found["members"]] == ["001", "002"]
    assert [m["overrides"] for m in found["members"]] == ["optimizer.lr=0.01", "optimizer.lr=0.003"]
    assert (found["ranked_by"], found["available"]) == ("validation/accuracy", 3)


def test_it_tells_and_writes_what_came_out(
    sweep: Path,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert command(sweep, "--best", 2) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        "member",
        "validation/accuracy",
        "accuracy",
        "precision",
        "f1",
        "overrides",
    ]
    assert lines[1].startswith("001") and lines[1].endswith("optimizer.lr=0.01")
    assert lines[4].startswith("test        accuracy 0.9") and lines[4].endswith("(359 samples)")
    assert lines[5].split("; ")[0].strip() == "the average of 2"
    assert lines[6].strip() == "the best 2 of 3 finished, by validation/accuracy"
    assert lines[7].startswith("all numbers in ")
    written = json.loads((sweep / "ensemble.json").read_text())
    assert written == numbers(capsys, sweep, "--best", 2)
    numbers(capsys, sweep, "--split", "validation")
    assert json.loads((sweep / "ensemble_validation.json").read_text())["split"] == "validation"
    assert json.loads((sweep / "ensemble.json").read_text()) == written
    file = tmp_path / "mine.json"
    other = numbers(capsys, sweep, "--output", file)
    assert json.loads(file.read_text()) == other
    assert json.loads((sweep / "ensemble.json").read_text()) == written
    assert "exists; choose a new file" in refusal(capsys, sweep, "--output", file)
    assert "no folder" in refusal(capsys, sweep, "--output", tmp_path / "no/mine.json")


def test_runs_that_are_named_are_all_taken(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [sweep / "000", sweep / "002", sweep / "001"]
    found = numbers(capsys, *runs)
    assert len(found["members"]) == 3
    assert found["ensemble"] == numbers(capsys, sweep)["ensemble"]
    assert [Path(m["folder"]).name for m in numbers(capsys, *runs, "--best", 1)["members"]] == [
        "001"
    ]
    # A sweep and one of its runs: that one counts once.
    assert len(numbers(capsys, sweep, sweep / "001")["members"]) == 3


def test_one_member_works_and_says_so(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(sweep, "--best", 1) == 0
    assert "one member only: the average is its own prediction" in capsys.readouterr().out
    found = numbers(capsys, sweep, "--best", 1)
    assert found["ensemble"]["accuracy"] == found["members"][0]["accuracy"]
    assert found["std"]["accuracy"] is None


def test_runs_of_another_split_are_refused(
    sweep: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    other = train(tmp_path / "other", "data.split_seed=1")
    told = refusal(capsys, sweep / "000", other)
    assert "data.split_seed is " in told
    assert "test samples of one may be training samples of the other" in told
    # One of its own kind is not.
    again = train(tmp_path / "again", "seed=5", "data.augment=null", "loader.batch_size=64")
    assert numbers(capsys, sweep / "000", again)["num_samples"] == 359


def test_data_that_changed_since_is_refused(
    sweep: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(sweep / "000", copy)
    file = copy / "evaluation/test_predictions.csv"
    rows = file.read_text().splitlines()
    file.write_text("\n".join([*rows[:5], rows[5].replace("digits[", "digits[9"), *rows[6:]]))
    assert "358 in both; restore the data" in refusal(capsys, sweep / "001", copy)


def test_what_can_not_be_averaged_is_told(
    sweep: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert "there are 3 finished runs" in refusal(capsys, sweep, "--best", 4)
    assert "give --best 3" in refusal(capsys, sweep, "--best", 4)
    assert "it has to be 1 or more" in refusal(capsys, sweep, "--best", 0)
    assert "invalid int value: 'x'" in refusal(capsys, sweep, "--best", "x")
    assert "invalid choice: 'train'" in refusal(capsys, sweep, "--split", "train")
    assert "did you mean --best?" in refusal(capsys, sweep, "--bset", 2)
    near = sweep.with_name("swep")
    assert f"does not exist; did you mean {sweep}?" in refusal(capsys, near)
    assert "neither a sweep nor a run" in refusal(capsys, sweep / "000/evaluation")
    assert "is not finished (failed)" in refusal(capsys, sweep / "003")
    Request(("model=mlp",), "grid", {}, "accuracy", "max").write(tmp_path)
    assert "no trial of it is finished; go on with it: sweep.resume=" in refusal(capsys, tmp_path)
    shutil.copytree(sweep / "003", tmp_path / "000")
    assert "none of its 1 trials is finished" in refusal(capsys, tmp_path)


def test_runs_that_were_judged_differently_are_refused(
    sweep: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    other = train(tmp_path / "other", "evaluation.select=loss")
    told = refusal(capsys, sweep, other)
    assert "judged by accuracy (max)" in told and "judged by loss (min)" in told
    assert numbers(capsys, other)["direction"] == "min"


def test_a_typo_is_told_without_torch(sweep: Path) -> None:
    code = (
        "import sys; from trainer.cli import main; code = main(sys.argv[1:]);"
        "print(code, {'torch', 'omegaconf'} & {*sys.modules})"
    )
    words = [sys.executable, "-c", code, "ensemble", str(sweep), "--best", "9"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == "2 set()\n", done.stderr
