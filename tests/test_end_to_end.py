"""`train` as a user meets it: from the command line, in a folder of their own."""

import json
import shlex
import subprocess
import sys
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_model
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from models.cnn import CNN
from trainer.cli import main

QUICK = ["trainer.threads=1", "model.width=8", "export=none"]


@dataclass
class Outcome:
    code: int
    folder: Path
    out: str
    err: str


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One short default run that several tests look at."""
    place = tmp_path_factory.mktemp("trained")
    with chdir(place):
        code = main(["train", *QUICK, "trainer.epochs=6", "run.dir=run"])
    assert code == 0
    return place / "run"


def run(capsys: pytest.CaptureFixture[str], place: Path, *overrides: str) -> Outcome:
    with chdir(place):
        code = main(["train", *QUICK, "run.dir=run", *overrides])
    captured = capsys.readouterr()
    return Outcome(code, place / "run", captured.out, captured.err)


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text())


def lines(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "timing"} for line in text]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    last = read(folder, "checkpoints/last.json")["folder"]
    model = CNN([1, 8, 8], 10, width=8)
    load_model(model, folder / "checkpoints" / last / "model.safetensors")
    return model.state_dict()


def test_the_folder_holds_all_there_is_to_know(trained: Path) -> None:
    expected = {
        "config.yaml",
        "overrides.yaml",
        "status.json",
        "environment.json",
        "info.json",
        "metrics.jsonl",
        "train.log",
        "model.txt",
        "samples.png",
        "evaluation/test.json",
        "evaluation/validation.json",
        "evaluation/test_confusion_matrix.png",
        "evaluation/test_per_class.png",
        "evaluation/test_predictions.csv",
        "evaluation/test_mistakes.png",
        "checkpoints/last.json",
        "checkpoints/best.json",
    }
    present = {str(p.relative_to(trained)) for p in trained.rglob("*") if p.is_file()}
    assert expected <= present
    assert any(name.startswith("tensorboard/") for name in present)
    assert not [name for name in present if ".tmp" in name]
    status = read(trained, "status.json")
    assert status["state"] == "finished" and status["exit_code"] == 0
    assert status["step"] == 6 * 40 and status["metrics"]["test/accuracy"] > 0.85


def test_the_report_agrees_with_scikit_learn(trained: Path) -> None:
    import csv

    report = read(trained, "evaluation/test.json")
    with (trained / "evaluation/test_predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    truth = [row["label"] for row in rows]
    predicted = [row["prediction"] for row in rows]
    assert report["num_samples"] == len(rows) == 359
    assert report["accuracy"] == pytest.approx(accuracy_score(truth, predicted), abs=1e-12)
    precision, recall, f1, _ = precision_recall_fscore_support(
        truth, predicted, average="macro", zero_division=0.0
    )
    for name, value in (("precision", precision), ("recall", recall), ("f1", f1)):
        assert report[name] == pytest.approx(value, abs=1e-12)
    assert np.sum(report["confusion_matrix"]) == 359
    assert len(report["per_class"]) == 10
    baseline = report["baseline"]
    assert 0.05 < baseline["majority_class"] < 0.15 < baseline["logistic_regression"]
    assert baseline["nearest_neighbour"] > 0.95


def test_tensorboard_has_the_curves_the_pictures_and_the_hparams(trained: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(trained / "tensorboard"), size_guidance={"images": 0})
    events.Reload()
    tags = events.Tags()
    scalars = {"train/loss", "train/lr", "train/grad_norm", "validation/accuracy"}
    assert scalars <= set(tags["scalars"])
    assert {"train/samples", "test/confusion_matrix"} <= set(tags["images"])
    losses = [event.value for event in events.Scalars("train/loss")]
    assert losses[-1] < losses[0] / 2


def test_the_same_seed_gives_the_same_run_and_another_does_not(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = run(capsys, tmp_path, "trainer.epochs=6")
    assert lines(again.folder) == lines(trained)
    first, second = weights(trained), weights(again.folder)
    assert all(torch.equal(first[name], second[name]) for name in first)
    (tmp_path / "other").mkdir()
    other = run(capsys, tmp_path / "other", "trainer.epochs=1", "seed=1")
    assert lines(other.folder)[0] != lines(trained)[0]


def test_the_last_line_names_the_folder_and_a_command_that_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = run(capsys, tmp_path, "trainer.epochs=1")
    last = outcome.out.strip().splitlines()[-1]
    assert last.startswith("run ")
    program, option, folder = shlex.split(last.partition("next: ")[2])
    assert program.endswith("tensorboard") and option == "--logdir"
    assert (tmp_path / folder / "tensorboard").is_dir()
    help_text = subprocess.run([program, "--help"], capture_output=True, cwd=tmp_path, check=True)
    assert b"logdir" in help_text.stdout


def test_a_checkpoint_opens_in_three_lines_without_the_framework(trained: Path) -> None:
    last = read(trained, "checkpoints/last.json")["folder"]
    program = f"""
import sys, torch
from safetensors.torch import load_file
weights = load_file({str(trained / "checkpoints" / last / "model.safetensors")!r})
training = torch.load({str(trained / "checkpoints" / last / "training.pt")!r}, weights_only=True)
assert "features.0.0.weight" in weights and "optimizers" in training
assert "trainer" not in sys.modules
"""
    subprocess.run([sys.executable, "-I", "-c", program], check=True)


def test_resume_in_place_goes_on_to_the_same_end(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stopped after 2 of 6 epochs by SIGTERM, continued by `resume=`: weights and lines as one."""
    program = f"""
import os, signal, sys
from trainer.storage.checkpoint import Checkpoints
from trainer.cli import main
saved = Checkpoints.save
def save(self, step, **options):
    path = saved(self, step, **options)
    if step == 80:
        os.kill(os.getpid(), signal.SIGTERM)
    return path
Checkpoints.save = save
sys.exit(main(["train", *{QUICK!r}, "trainer.epochs=6", "run.dir=run"]))
"""
    stopped = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert stopped.returncode == 143, stopped.stderr
    assert "resume=" in stopped.stderr
    folder = tmp_path / "run"
    status = read(folder, "status.json")
    assert status["state"] == "preempted" and status["step"] == 80
    with chdir(tmp_path):
        assert main(["train", "resume=run"]) == 0
    assert "Continuing from step 80" in capsys.readouterr().out
    assert lines(folder) == lines(trained)
    first, second = weights(trained), weights(folder)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_finished_run_is_not_trained_again(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (trained / "metrics.jsonl").read_bytes()
    assert main(["train", f"resume={trained}"]) == 0
    assert "already complete" in capsys.readouterr().out
    assert (trained / "metrics.jsonl").read_bytes() == before


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's own folder: colour JPEGs and PNGs of several sizes, a folder per class."""
    place = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for number, name in enumerate(("sky", "grass", "rust")):
        (place / name).mkdir()
        for index in range(20):
            size = (int(generator.integers(20, 60)), int(generator.integers(20, 60)), 3)
            pixels = generator.integers(0, 80, size, dtype=np.uint8)
            pixels[..., (2, 1, 0)[number]] += 150
            ending = "jpg" if index % 2 else "png"
            Image.fromarray(pixels).save(place / name / f"{index}.{ending}")
    return place


@pytest.mark.parametrize("workers", ["auto", "0", "1"])
def test_a_folder_of_pictures_trains(
    workers: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [
        "data=images",
        f"data.path={pictures}",
        "data.size=16",
        "trainer.epochs=3",
        f"loader.num_workers={workers}",
        "loader.batch_size=8",
    ]
    outcome = run(capsys, tmp_path, *options)
    assert outcome.code == 0, outcome.err
    assert read(outcome.folder, "info.json")["classes"] == ["grass", "rust", "sky"]
    assert read(outcome.folder, "evaluation/test.json")["accuracy"] > 0.6


@pytest.mark.parametrize(
    "overrides",
    [
        ["trainer=fast"],
        ["model=mlp", "optimizer=sgd", "scheduler=cosine", "trainer.clip_norm=1"],
        ["optimizer=rmsprop", "scheduler=plateau", "trainer.accumulate=4", "loss=focal"],
        ["optimizer=adam", "scheduler=step", "trainer.ema=0.9", "trainer.clip_value=0.5"],
        ["optimizer=sgd", "+optimizer.foreach=true", "scheduler=none", "trainer.fused=false"],
        ["optimizer._target_=torch.optim.NAdam", "~optimizer.betas", "scheduler=none"],
        [
            "parameters.freeze=['features.0.*']",
            "parameters.groups=[{match: 'head.*', lr_scale: 2}]",
        ],
        ["trainer.precision=bf16", "trainer.channels_last=true", "trainer.deterministic=true"],
        ["recorder=silent", "data.validation=0", "evaluation.baselines=false"],
        ["trainer.epochs=null", "trainer.steps=7", "checkpoint.every=3"],
        ["trainer.epochs=null", "trainer.max_minutes=0.01", "scheduler=none"],
        ["debug=fast"],
        ["debug=overfit", "trainer.steps=20"],
        ["debug=profile"],
    ],
    ids=lambda overrides: overrides[0],
)
def test_choices_train_to_the_end(
    overrides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        quick = ["export=none"] if "model=mlp" in overrides else QUICK
        code = main(["train", *quick, "run.dir=run", "trainer.epochs=1", *overrides])
    captured = capsys.readouterr()
    torch.use_deterministic_algorithms(False)
    assert code == 0, captured.err
    folder = tmp_path / "run"
    assert read(folder, "status.json")["state"] == "finished"
    if "debug=profile" in overrides:
        trace = read(folder, "profile/trace.json")
        assert len(trace["traceEvents"]) > 100
    if "trainer.steps=7" in overrides:
        assert read(folder, "status.json")["step"] == 7


def test_overfitting_one_batch_brings_the_loss_to_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = run(capsys, tmp_path, "debug=overfit")
    assert outcome.code == 0, outcome.err
    losses = [line["train/loss"] for line in lines(outcome.folder) if "train/loss" in line]
    assert losses[-1] < 0.01 < losses[0]


def test_early_stopping_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = run(
        capsys, tmp_path, "evaluation.patience=1", "evaluation.select=loss", "optimizer.lr=1e-9"
    )
    assert outcome.code == 0, outcome.err
    assert "has not improved for 1 evaluations" in outcome.out
    assert read(outcome.folder, "status.json")["step"] < 40 * 40
