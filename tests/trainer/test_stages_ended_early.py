"""Stages that are left early: in validation, by data that fail, by values that aren't finite."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import CrossEntropyLoss
from torch.optim import SGD

from data.digits import digits
from data.errors import SampleError
from data.loading.loaders import loader
from models.mlp import MLP
from trainer import Supervised, TrainerOptions, execute, measuring, setup
from trainer.batches import batches
from trainer.errors import Diverged, Interrupted
from trainer.evaluation import Classification
from trainer.preemption import Interruption
from trainer.schedule import Schedule
from trainer.storage.checkpoint import Checkpoints
from trainer.storage.folder import RunFolder


def run_in(folder: Path, **options: Any) -> Any:
    torch.manual_seed(3)
    splits = digits()
    task = Supervised(MLP(splits.info.input_shape, splits.info.num_classes), CrossEntropyLoss())
    plateau = partial(torch.optim.lr_scheduler.ReduceLROnPlateau, patience=0)
    return setup(
        task,
        splits,
        loader=partial(loader, batch_size=64, limit_batches=4),
        optimizer=partial(SGD, lr=0.1, momentum=0.9),
        schedule=lambda o, plan: Schedule(o, plateau, metric="loss", interval="epoch"),
        options=TrainerOptions(**{"epochs": 3, "record_every": 3} | options),
        evaluation=Classification(baselines=False, mistakes=0),
        checkpoints=partial(Checkpoints, every=3),
        folder=RunFolder.claim(folder),
    )


def last(folder: Path) -> Path:
    name: str = json.loads((folder / "checkpoints/last.json").read_text())["folder"]
    return folder / "checkpoints" / name


def metrics(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "timing"} for line in lines]


def alike(one: Path, two: Path) -> bool:
    first, second = (load_file(last(folder) / "model.safetensors") for folder in (one, two))
    return all(torch.equal(first[name], second[name]) for name in first) and (
        metrics(one) == metrics(two)
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run left alone."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    torch.set_num_threads(1)
    execute(run_in(folder, threads=1))
    return folder


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_validation_that_was_given_up_is_made_again(
    epoch: int, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saved as after the last step; the evaluation is due, and the end is the same."""
    seen = 0
    interruptions: list[Interruption] = []
    begin = Interruption.__enter__

    def entered(self: Interruption) -> Interruption:
        interruptions.append(self)
        return begin(self)

    def watched(each: Any, number: int = 0) -> Iterator[Any]:
        nonlocal seen
        seen += 1
        for place, batch in enumerate(batches(each, number)):
            if seen == epoch and place == 1:
                interruptions[-1].requested, interruptions[-1].signal = True, 15
            yield batch

    with monkeypatch.context() as patch:
        patch.setattr(Interruption, "__enter__", entered)
        patch.setattr(measuring, "batches", watched)
        with pytest.raises(Interrupted, match=rf"stopped by SIGTERM, saved at step {4 * epoch};"):
            execute(run_in(tmp_path / "run", threads=1))
    state = json.loads((last(tmp_path / "run") / "state.json").read_text())
    assert state["due"] is True and state["best_epoch"] == epoch - 1
    execute(run_in(tmp_path / "run", threads=1))
    assert alike(whole, tmp_path / "run")


@pytest.mark.parametrize("split", ["train", "validation"])
def test_data_that_fail_between_two_steps_leave_a_saved_state(
    split: str, whole: Path, tmp_path: Path
) -> None:
    run = run_in(tmp_path / "run", threads=1)
    feed = getattr(run.loaders, split)
    epoch_of = feed.epoch

    def failing(epoch: int, start: int = 0) -> Iterator[Any]:
        for number, batch in enumerate(epoch_of(epoch, start)):
            if number == 1 and run.trainer.steps > 4:
                raise SampleError("sample 7 is gone; bring it back")
            yield batch

    feed.epoch = failing
    with pytest.raises(SampleError, match="sample 7 is gone") as caught:
        execute(run)
    step = {"train": 5, "validation": 8}[split]
    assert any(f"saved up to step {step}; go on" in note for note in caught.value.__notes__)
    assert int(last(tmp_path / "run").name[5:]) == step
    execute(run_in(tmp_path / "run", threads=1))
    assert alike(whole, tmp_path / "run")


def test_a_failure_within_a_step_saves_nothing_of_it(tmp_path: Path) -> None:
    run = run_in(tmp_path / "run", threads=1)
    forward, calls = run.task.model.forward, 0

    def failing(inputs: Any) -> Any:
        nonlocal calls
        calls += 1
        if run.trainer.steps == 5:
            raise SampleError("in the middle of a step")
        return forward(inputs)

    run.task.model.forward = failing
    with pytest.raises(SampleError):
        execute(run)
    assert not run.trainer.whole and int(last(tmp_path / "run").name[5:]) == 4


def spoil(run: Any, steps: set[int]) -> None:
    """Let the loss of some steps be NaN."""
    turn = run.trainer.turns[0][0]
    loss = turn.loss

    def spoilt(outputs: Any, batch: Any) -> Any:
        return loss(outputs, batch) * (float("nan") if run.trainer.steps in steps else 1)

    object.__setattr__(turn, "loss", spoilt)


def test_stop_names_the_step_and_skip_goes_on(tmp_path: Path) -> None:
    run = run_in(tmp_path / "run", threads=1)
    spoil(run, {5})
    with pytest.raises(Diverged) as caught:
        execute(run)
    samples = run.loaders.train.indices(1, 0)
    assert str(caught.value) == (
        "the loss is nan at step 5 (epoch 1, batch 0); the last checkpoint is step 4; try a lower "
        "optimizer.lr, trainer.clip_norm=1"
    )
    first = ", ".join(map(str, samples[:10]))
    notes = caught.value.__notes__
    assert notes[0] == f"samples of the step: {first}, ... (nonfinite.jsonl has them all)"
    assert "diagnose" in notes[1] and "trainer.on_nonfinite=skip" in notes[2]
    line = json.loads((tmp_path / "run/nonfinite.jsonl").read_text())
    assert line == {
        "step": 5, "epoch": 1, "batch": 0, "samples": samples, "what": "loss", "name": "loss",
        "value": "nan", "checkpoint": "step_00000004",
    }  # fmt: skip
    skipping = run_in(tmp_path / "run", threads=1, on_nonfinite="skip")
    spoil(skipping, {5, 6, 9})
    execute(skipping)
    told = [
        json.loads(text) for text in (tmp_path / "run/nonfinite.jsonl").read_text().split("\n")[:-1]
    ]
    assert [line["step"] for line in told] == [5, 6, 9]
    assert [m["train/skipped"] for m in metrics(tmp_path / "run") if "train/skipped" in m] == [
        2,
        3,
        3,
    ]
    for file in (tmp_path / "run/checkpoints").glob("step_*/*.safetensors"):
        assert all(value.isfinite().all() for value in load_file(file).values())


def test_too_many_in_a_row_end_the_run_after_all(tmp_path: Path) -> None:
    run = run_in(tmp_path / "run", threads=1, on_nonfinite="skip", max_nonfinite=3)
    spoil(run, {2, 3, 5, 6, 7, 8})
    with pytest.raises(
        Diverged, match=r"3 steps in a row were skipped, up to step 7, and trainer\.max"
    ):
        execute(run)
