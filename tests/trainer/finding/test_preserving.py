"""A trial leaves a run as it was, bit for bit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from trials import equal, everything, network, run_of, unchanged

from trainer import Run, execute
from trainer.finding import learning_rate, preserving
from trainer.finding.preserving import preserved


def steps(run: Run, number: int) -> None:
    with preserved(run) as trainer:
        reports = trainer.fit(run.loaders.train)
        for _ in range(number):
            next(reports)


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW, torch.optim.RMSprop])
def test_steps_change_nothing_of_a_fresh_run(
    optimizer: Callable[..., torch.optim.Optimizer], tmp_path: Path
) -> None:
    run = run_of(tmp_path, optimizer=lambda groups: optimizer(groups, lr=0.1))
    with unchanged(run):
        steps(run, 5)


def test_nor_of_one_in_the_middle_with_gradients_and_modes(tmp_path: Path) -> None:
    run = run_of(tmp_path, optimizer=lambda groups: torch.optim.AdamW(groups, lr=0.1))
    reports = run.trainer.fit(run.loaders.train)
    for _ in range(3):
        next(reports)
    assert isinstance(run.task, nn.Module)
    next(run.task.parameters()).grad = torch.ones(32, 12)
    next(m for m in run.task.modules() if isinstance(m, nn.Dropout)).eval()
    with unchanged(run):
        steps(run, 5)


def test_what_a_step_changes_is_seen_by_these_tests(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    before = [part if i else [dict(d) for d in part] for i, part in enumerate(everything(run))]
    weights = [{k: v.clone() for k, v in state.items()} for state in before[0]]
    next(run.trainer.fit(run.loaders.train))
    after = everything(run)
    assert not equal(weights, after[0]) and not equal(before[3], after[3])
    assert not equal(before[4], after[4])


def test_it_is_put_back_after_a_fault_too(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    with unchanged(run), pytest.raises(KeyError), preserved(run) as trainer:
        next(trainer.fit(run.loaders.train))
        raise KeyError


def test_tensors_that_a_model_replaces_or_makes_late_are_put_back(tmp_path: Path) -> None:
    class Replacing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(12, 4)
            self.count: torch.Tensor
            self.mean: torch.Tensor | None
            self.register_buffer("count", torch.zeros(()))
            self.register_buffer("mean", None)

        def forward(self, inputs: torch.Tensor) -> Any:
            self.count = self.count + 1
            self.mean = inputs.mean(0)
            return self.layer(inputs)

    model = Replacing()
    run = run_of(tmp_path, model)
    count = model.count
    with unchanged(run):
        steps(run, 3)
    assert model.count is count and model.mean is None


def test_the_gradient_scale_is_put_back(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    # fp16 is refused on the CPU; its scaler works there.
    run.trainer.precision.scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
    with unchanged(run):
        steps(run, 5)
    assert run.trainer.precision.scaler.get_scale() == 8.0
    next(run.trainer.fit(run.loaders.train))
    next(run.trainer.fit(run.loaders.train))
    assert run.trainer.precision.scaler.get_scale() == 16.0


def test_channels_last_weights_keep_their_layout(tmp_path: Path) -> None:
    class Convolution(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 4, 2)

        def forward(self, inputs: torch.Tensor) -> Any:
            return self.layer(inputs.view(-1, 3, 2, 2)).flatten(1)

    run = run_of(tmp_path, model := Convolution(), channels_last=True)
    strides = model.layer.weight.stride()
    with unchanged(run):
        steps(run, 2)
    assert model.layer.weight.stride() == strides


def checkpoint(folder: Path) -> dict[str, bytes]:
    (saved,) = (folder / "checkpoints").glob("step_00000012")
    return {p.name: p.read_bytes() for p in saved.iterdir() if p.name[-4:] != "json"}


def test_a_training_after_a_search_is_the_training_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.evaluation.class_report.write_figures", lambda *_: None)
    execute(run_of(tmp_path / "plain", network()))
    searched = run_of(tmp_path / "searched", network())
    learning_rate.find(searched, steps=30)
    execute(searched)
    assert checkpoint(tmp_path / "plain").keys() >= {"model.safetensors", "training.pt"}
    assert checkpoint(tmp_path / "plain") == checkpoint(tmp_path / "searched")


@pytest.mark.parametrize("part", ["table_of", "optimizer_state", "restore_random_state"])
def test_a_search_that_forgets_something_is_found_out(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preserving, part, lambda _: lambda: None)
    run = run_of(tmp_path)
    with pytest.raises(AssertionError), unchanged(run):
        steps(run, 3)
