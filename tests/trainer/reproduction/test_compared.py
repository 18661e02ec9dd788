"""Two runs held against each other: no difference is too small, and the first one is named."""

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from trainer.errors import Refused
from trainer.reproduction.metrics import compare_final, compare_recorded
from trainer.reproduction.weights import compare_checkpoints, same
from trainer.storage.checkpoint import Checkpoint, Checkpoints

LINES: list[dict[str, Any]] = [
    {"step": 10, "epoch": 0, "train/loss": 0.5, "timing": {"waiting": 0.1}},
    {"step": 15, "validation/loss": None, "nonfinite": {"validation/loss": "nan"}},
    {"step": 20, "epoch": 1, "train/loss": 0.25},
]


def written(file: Path, lines: list[dict[str, Any]]) -> Path:
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def test_lines_that_differ_only_in_time_are_identical(tmp_path: Path) -> None:
    other = [{**line, "timing": {"waiting": 0.9}} for line in LINES]
    found = compare_recorded(written(tmp_path / "a", LINES), written(tmp_path / "b", other))
    assert found.identical and found.told == "identical in 3 lines"


@pytest.mark.parametrize(
    ("change", "told", "different"),
    [
        (lambda lines: lines[2].update({"train/loss": 0.25 + 2**-54}), "train/loss at step 20", 1),
        (lambda lines: lines[1].update(nonfinite={"validation/loss": "inf"}), "nonfinite at", 1),
        (lambda lines: lines[1].pop("nonfinite"), "nonfinite at step 15", 1),
        (lambda lines: lines[0].update({"train/lr": 1}), "train/lr at step 10 (line 1", 1),
        (lambda lines: lines.pop(), "line 3 of metrics.jsonl is in one of them only (step 20)", 1),
        (lambda lines: lines.pop(0), "step at step 10 (line 1 of metrics.jsonl): 10 and 15", 3),
    ],
)
def test_the_first_difference_of_the_lines(
    change: Callable[[list[dict[str, Any]]], None], told: str, different: int, tmp_path: Path
) -> None:
    other = copy.deepcopy(LINES)
    change(other)
    files = [written(tmp_path / name, lines) for name, lines in (("a", LINES), ("b", other))]
    for was, now in (files, files[::-1]):
        found = compare_recorded(was, now)
        assert not found.identical and found.numbers["different"] == different
        json.dumps(found.plain(), allow_nan=False)
    assert told in compare_recorded(*files).told


def test_what_is_no_file_of_metrics(tmp_path: Path) -> None:
    good = written(tmp_path / "good", LINES)
    for content in ("[1]\n", "{\n", "[" * 100_000):
        (tmp_path / "bad").write_text(content)
        with pytest.raises(Refused, match="is not a line of metrics"):
            compare_recorded(good, tmp_path / "bad")
    (tmp_path / "link").symlink_to(good)
    with pytest.raises(Refused, match="can't be read"):
        compare_recorded(good, tmp_path / "link")


def test_final_metrics() -> None:
    values = {"test/accuracy": 0.9, "test/loss": "nan"}
    assert compare_final(values, dict(values)).identical
    found = compare_final(values, {"test/accuracy": math.nextafter(0.9, 1), "test/f1": 1.0})
    assert not found.identical and "test/accuracy: 0.9 and 0.9000000000000001; 2 more" in found.told


def saved(
    folder: Path, change: Callable[[nn.Module, dict[str, Any], dict[str, Any]], object], step: int
) -> Checkpoint:
    """A checkpoint of a small network, changed in one place."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    training: dict[str, Any] = {
        "optimizers": {"model": {"state": {0: {"step": torch.tensor(3.0), "m": torch.ones(3)}}}},
        "random": {"numpy": [torch.arange(4), 5, 0, 0.5]},
    }
    state: dict[str, Any] = {"seconds": 1.0, "best": 0.5, "pending": [{"loss": math.nan}]}
    change(model, training, state)
    checkpoints = Checkpoints(folder)
    checkpoints.save(step, modules={"model": model}, training=training, state=state)
    finish = getattr(checkpoints, "finish", lambda: None)  # where the files are written behind
    finish()
    found = Checkpoints(folder).newest()
    assert found is not None
    return found


def nothing(model: nn.Module, training: dict[str, Any], state: dict[str, Any]) -> None:
    """Change nothing but the time."""
    state["seconds"] = 2.0


def last_bit(model: nn.Module, training: dict[str, Any], state: dict[str, Any]) -> None:
    """Move one weight by one place in its last digit."""
    with torch.no_grad():
        weight = model[0].weight  # type: ignore[index]
        weight[1, 2] = torch.nextafter(weight[1, 2], torch.tensor(9.0))


def moment(model: nn.Module, training: dict[str, Any], state: dict[str, Any]) -> None:
    """Change the optimizer."""
    training["optimizers"]["model"]["state"][0]["m"][1] = 1.5


def number(model: nn.Module, training: dict[str, Any], state: dict[str, Any]) -> None:
    """Change a random number's place."""
    training["random"]["numpy"][1] = 6


def best(model: nn.Module, training: dict[str, Any], state: dict[str, Any]) -> None:
    """Change a counter."""
    state["best"] = 0.75


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (last_bit, "0.weight of model.safetensors by up to "),
        (moment, "optimizers.model.state.0.m of training.pt by up to 0.5"),
        (number, "random.numpy[1] of training.pt by up to 1"),
        (best, "best of state.json by up to 0.25"),
    ],
)
def test_checkpoints_that_differ_in_one_place(
    change: Callable[..., None], told: str, tmp_path: Path
) -> None:
    was = saved(tmp_path / "was", nothing, 7)
    found = compare_checkpoints("last", was, saved(tmp_path / "now", change, 7))
    assert not found.identical and told in found.told and "(step 7)" in found.told
    assert found.numbers["different"] == 1 and found.numbers["largest"] > 0
    json.dumps(found.plain(), allow_nan=False)


def test_checkpoints_that_are_the_same_but_for_the_time(tmp_path: Path) -> None:
    was = saved(tmp_path / "was", lambda *_: None, 7)
    now = saved(tmp_path / "now", nothing, 7)
    found = compare_checkpoints("last", was, now)
    # Weights, buffers, the optimizer's, random numbers, counters.
    assert found.identical and found.told == "identical in 15 values (step 7)"
    assert compare_checkpoints("best", None, None).identical
    assert not compare_checkpoints("best", None, now).identical
    other = compare_checkpoints("last", was, saved(tmp_path / "later", nothing, 8))
    assert not other.identical and other.told == "of step 7 and of step 8"


def test_bits_decide() -> None:
    nan = torch.tensor([math.nan])
    assert same(nan, nan.clone()) and same(math.nan, math.nan)
    assert not same(torch.tensor(0.0), torch.tensor(-0.0))
    assert not same(torch.ones(2), torch.ones(2, dtype=torch.float64))
    assert not same(torch.ones(2), torch.ones(1, 2))
    assert not same(1, 1.0) and not same(1, True)
    assert same(torch.empty(0), torch.empty(0)) and same(torch.tensor(True), torch.tensor(True))
