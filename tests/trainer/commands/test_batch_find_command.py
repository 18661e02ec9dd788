"""`fivestep batch-find`: sizes tried with the overrides of train, a line to be pasted."""

import csv
import gc
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch

from models.mlp import MLP
from trainer.cli import main
from trainer.finding import timing
from trainer.storage.runs import find as find_runs

COMMAND = ["batch-find", "model=mlp", "trainer.threads=1"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # Among all that pytest holds, it takes longer than the rest of a search.
    monkeypatch.setattr(gc, "collect", lambda: 0)
    real = timing.pace
    monkeypatch.setattr(timing, "LEAST_BLOCK", 0.0)
    monkeypatch.setattr(
        "trainer.finding.batch_size.pace",
        lambda trainer, made, device, _: real(trainer, made, device, 0.0),
    )


def test_results_and_a_line_that_trains_and_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "loader.batch_size=7", "--largest", "10"]) == 0
    told = capsys.readouterr().out.splitlines()
    (folder,) = Path("runs/digits-mlp").iterdir()
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["batch_find.csv", "batch_find.json", "batch_find.png"]
    assert not list(find_runs(Path("runs")))
    found = json.loads((folder / "batch_find.json").read_text())
    assert [value["size"] for value in found["values"]] == [1, 2, 4, 8, 10]
    with (folder / "batch_find.csv").open() as file:
        speeds = [float(row["samples_per_second"]) for row in csv.DictReader(file)]
    assert speeds == [value["samples_per_second"] for value in found["values"]]
    chosen = found["chosen"]
    assert (
        chosen in (1, 2, 4, 8, 10) and max(speeds) * 0.95 <= speeds[[1, 2, 4, 8, 10].index(chosen)]
    )
    assert [line.split()[0] for line in told[1:7]] == ["size", "1", "2", "4", "8", "10"]
    words = shlex.split(told[-2].removeprefix("use it  "))
    assert shlex.join(words) == found["command"]
    size = f"loader.batch_size={chosen}"
    assert words[1:] == ["model=mlp", "trainer.threads=1", size]
    assert shlex.split(told[-1])[2:] == ["lr-find", "model=mlp", "trainer.threads=1", size]


def test_a_configured_size_that_does_not_fit_is_no_obstacle(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    forward = MLP.forward

    def greedy(self: MLP, inputs: torch.Tensor) -> Any:
        if self.training and len(inputs) > 12:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.")
        return forward(self, inputs)

    monkeypatch.setattr(MLP, "forward", greedy)
    assert main([*COMMAND, "loader.batch_size=128", "--largest-that-fits"]) == 0
    told = capsys.readouterr().out
    assert "16  too much for the memory" in told
    assert "chosen  8: the largest that fits" in told
    assert "upper end: memory: 13 samples don't fit" in told


def test_a_model_that_needs_two_samples_leaves_out_a_lone_last_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    forward = MLP.forward

    def normal(self: MLP, inputs: torch.Tensor) -> Any:
        values = forward(self, inputs)
        if not self.training:
            return values
        return torch.nn.functional.batch_norm(values, None, None, training=True)

    monkeypatch.setattr(MLP, "forward", normal)
    assert main([*COMMAND, "--largest", "3", "--largest-that-fits"]) == 0
    told = capsys.readouterr().out
    assert "1  refused by the model" in told and "chosen  3" in told
    # 1,258 samples in batches of 3: the last batch would hold one.
    assert "loader.batch_size=3 loader.drop_last=true\n" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--largest", "0"], "--largest 0: give a number of samples, 1 or more"),
        (["--larges", "4"], "did you mean --largest"),
        (["modle=mlp"], "did you mean model"),
        (["resume=runs/x"], "resume=runs/x is for train"),
        (["loader={_target_: mine.load}"], "loader"),
    ],
)
def test_mistakes_are_told_and_leave_nothing(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*COMMAND, *words]) == 2
    error = capsys.readouterr().err
    assert told in error and "Traceback" not in error
    assert not Path("runs").exists()


def test_a_model_for_which_there_is_never_memory(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def greedy(self: MLP, inputs: torch.Tensor) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.")

    monkeypatch.setattr(MLP, "forward", greedy)
    assert main(COMMAND) in (2, 7)
    assert "memory" in capsys.readouterr().err
    assert not Path("runs").exists()
