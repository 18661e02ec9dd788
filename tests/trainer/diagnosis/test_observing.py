"""Looking at a step changes none of its numbers, and sees where they stop being finite."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from observed import finding, run_of, watched
from torch import Tensor, nn
from torch.nn import functional

from trainer import Run
from trainer.diagnosis.extent import broken, extent, extents


class Mixed(nn.Module):
    """Much of what models do: in place, recurrent, attending, dropping out, normalising."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.first, self.norm = nn.Linear(6, 8), nn.BatchNorm1d(8)
        self.act, self.drop = nn.ReLU(inplace=True), nn.Dropout(0.5)
        self.memory = nn.LSTM(8, 8, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.last = nn.Linear(8, 3)

    def forward(self, rows: Tensor) -> Tensor:
        hidden = self.drop(self.act(self.norm(self.first(rows)).mul_(2)))[:, None]
        hidden, _ = self.memory(hidden)
        hidden, _ = self.attention(hidden, hidden, hidden)
        logits: Tensor = self.last(hidden[:, 0])
        return logits


def state(run: Run) -> list[Tensor]:
    """All that a step changes."""
    return [*run.trainer.modules["model"].state_dict().values(), torch.get_rng_state()]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_no_bit_changes(precision: str, tmp_path: Path) -> None:
    runs = []
    for name in ("plain", "watched"):
        run = run_of(tmp_path / name, Mixed(), precision=precision, accumulate=2)
        torch.manual_seed(9)
        if name == "watched":
            watch = watched(run)
            assert watch.finite and not watch.operations.events
            assert len(watch.turns[0].batches) == 2
        else:
            next(run.trainer.fit(run.loaders.train))
        runs.append(run)
    plain, looked_at = map(state, runs)
    assert all(torch.equal(one, other) for one, other in zip(plain, looked_at, strict=True))
    torch.manual_seed(9)
    other = run_of(tmp_path / "other", Mixed(), precision=precision)
    next(other.trainer.fit(other.loaders.train))
    assert not torch.equal(state(other)[0], plain[0])


def test_nothing_of_it_is_left_behind(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", Mixed())
    turns = run.trainer.turns
    watched(run)
    assert run.trainer.turns is turns and not torch.is_anomaly_enabled()
    modules = list(run.trainer.modules["model"].modules())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in modules)
    assert not any(p._post_accumulate_grad_hooks for m in modules for p in m.parameters())


class Around(nn.Module):
    """A linear layer, and code around it."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.kind, self.inner = kind, nn.Linear(6, 3)

    def forward(self, rows: Tensor) -> Any:
        if self.kind == "before":
            rows = torch.where(rows > 0, rows.log(), rows.relu().log())
        logits = self.inner(rows)
        if self.kind == "in place":
            logits.mul_(0).log_()
        if self.kind == "infinity becomes nan":
            logits = logits.masked_fill(torch.ones(()).bool(), torch.inf)
            logits = logits - logits
        if self.kind == "mapped":
            logits = torch.func.vmap(lambda row: (row * 0).log())(logits)
        if self.kind == "object":
            return SimpleNamespace(logits=logits / 0, hidden=[logits])
        return logits


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        ("before", "torch.Tensor.log"),
        ("in place", "torch.Tensor.log_"),
        ("infinity becomes nan", "torch.Tensor.sub"),
    ],
)
def test_code_between_the_layers_is_named_by_its_line(
    kind: str, operation: str, tmp_path: Path
) -> None:
    found = finding(run_of(tmp_path / "run", Around(kind)))
    assert found is not None and found.kind == "forward"
    assert found.where == "model" and found.operation == operation
    assert "test_observing.py:" in found.facts["line"]


def test_what_can_not_be_looked_into_is_named_by_its_module(tmp_path: Path) -> None:
    found = finding(run_of(tmp_path / "run", Around("mapped")))
    assert found is not None and found.kind == "forward" and found.where == "model"


def test_outputs_may_be_objects(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", Around("object"))
    run.task.output = "logits"  # type: ignore[attr-defined]
    found = finding(run)
    assert found is not None and found.where == "model" and found.operation == "torch.Tensor.div"


class Word(nn.Module):
    """An embedding whose gradient is sparse."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.table = nn.Embedding(5, 3, sparse=True)

    def forward(self, rows: Tensor) -> Tensor:
        found: Tensor = self.table(rows[:, 0].abs().long().clamp(max=4))
        return found


def test_sparse_gradients_are_looked_at(tmp_path: Path) -> None:
    watch = watched(run_of(tmp_path / "run", Word()))
    assert watch.finite and watch.turns[0].gradients["model.table.weight"].largest > 0
    norm = watch.norm(watch.turns[0])
    assert norm is not None and norm > 0


def steep(outputs: Tensor, target: Tensor) -> Tensor:
    """A finite loss whose slope is infinite."""
    return functional.cross_entropy(outputs, target) + torch.sqrt(0 * outputs.sum())


def test_the_backward_of_the_loss_is_told_from_that_of_the_model(tmp_path: Path) -> None:
    found = finding(run_of(tmp_path / "run", Around(""), loss=steep))
    assert found is not None and found.kind == "backward" and found.where == "steep"
    assert found.operation == "SqrtBackward0" and "torch.sqrt(0 *" in found.facts["line"]


class Guarded(nn.Module):
    """An infinity that does no harm, and then, once, a division that does."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.harmless, self.inner, self.calls = Infinite(), nn.Linear(6, 3), 0

    def forward(self, rows: Tensor) -> Tensor:
        self.calls += 1
        weights = torch.exp(-self.harmless(rows))
        logits: Tensor = self.inner(rows * weights) / (0 if self.calls == 2 else 1)
        return logits


class Infinite(nn.Module):
    """What is negative becomes infinite."""

    def forward(self, rows: Tensor) -> Tensor:
        return torch.where(rows < 0, 1 / (rows * 0).abs(), rows)


def test_what_was_there_in_a_healthy_step_is_not_blamed(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", Guarded())
    before = watched(run)
    assert before.finite and before.operations.events and before.turns[0].modules
    steps = run.trainer.steps
    found = finding(run, before)
    assert found is not None and found.where == "model" and found.operation == "torch.Tensor.div"
    # Without the comparison it is.
    other = run_of(tmp_path / "other", Guarded())
    watched(other)
    assert other.trainer.steps == steps
    blamed = finding(other)
    assert blamed is not None and blamed.where == "model.harmless"


def test_extents() -> None:
    numbers = torch.tensor([1.0, -3.0, torch.nan, torch.inf, -torch.inf])
    found = extent(numbers)
    assert found is not None and found.value == "nan" and found.largest == 3
    assert str(found) == "1 nan, 1 inf, 1 -inf of 5; -3 to 1 (float32)"
    negative = extent(numbers[4:])
    assert negative is not None and negative.value == "-inf"
    assert str(negative) == "1 -inf of 1; none finite (float32)"
    assert broken({"a": [numbers[:2]], "b": SimpleNamespace(c=numbers[3:])}) == "inf"
    assert broken((numbers, 3, "text", None)) == "nan"
    assert broken(torch.tensor([1, 2])) == "" and extent(torch.tensor([1, 2])) is None
    assert [str(e) for e in extents(([True], torch.tensor([True, False]), torch.tensor(4)))] == [
        "0 to 1 (bool)",
        "4 (int64)",
    ]
    whole = extent([torch.zeros(0), torch.ones(2, dtype=torch.bfloat16), torch.zeros(1).double()])
    assert whole is not None and str(whole) == "0 to 1 (bfloat16, float64)"
    assert broken(torch.tensor([1 + 2j, complex(0, torch.inf)])) == "inf"
