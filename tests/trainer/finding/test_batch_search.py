"""Which batch sizes fit, and which one is chosen."""

import gc
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from trials import feed, network, run_of, unchanged

from trainer.errors import Failed
from trainer.finding import batch_size, memory, timing
from trainer.finding.batch_size import Trial, between, choose, find, upper_end, with_margin
from trainer.finding.timing import full_steps


class Greedy(nn.Module):
    """Has memory for so many samples."""

    def __init__(self, most: int, error: Exception | None = None) -> None:
        super().__init__()
        self.layer, self.most = nn.Linear(12, 4), most
        self.error = error or torch.OutOfMemoryError("CUDA out of memory.")
        self.seen: set[int] = set()

    def forward(self, inputs: torch.Tensor) -> Any:
        self.seen.add(len(inputs))
        if len(inputs) > self.most:
            raise self.error
        return self.layer(inputs)


def quick(run: Any, **options: Any) -> batch_size.Search:
    return find(run, feed, seconds=0.0, **options)


@pytest.fixture(autouse=True)
def _short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "LEAST_BLOCK", 0.0)
    # Among all that pytest holds, it takes longer than the rest of a search.
    monkeypatch.setattr(gc, "collect", lambda: 0)


@pytest.mark.parametrize("most", [1, 2, 20, 119])
def test_the_largest_that_fits_is_found_and_a_margin_kept(most: int, tmp_path: Path) -> None:
    model = Greedy(most)
    run = run_of(tmp_path, model, num=480)
    with unchanged(run):
        search = quick(run, fastest=False)
    fit = max(trial.size for trial in search.trials if trial.state == "measured")
    assert fit <= most <= fit + max(1, fit // 16)
    assert 0.5 * most <= search.chosen <= max(1, 0.9 * most)
    assert "don't fit" in search.bound
    assert [t.size for t in search.trials] == sorted({t.size for t in search.trials})


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ..."),
    ],
)
def test_memory_runs_out_in_the_words_of_every_device(error: Exception, tmp_path: Path) -> None:
    search = quick(run_of(tmp_path, Greedy(20, error)), largest=64)
    assert search.chosen <= 18 and "don't fit" in search.bound


def test_any_other_fault_is_not_taken_for_memory(tmp_path: Path) -> None:
    run = run_of(tmp_path, Greedy(20, RuntimeError("shapes don't match")))
    with unchanged(run), pytest.raises(RuntimeError, match="shapes"):
        quick(run, largest=64)


def test_nothing_fits(tmp_path: Path) -> None:
    run = run_of(tmp_path, Greedy(0))
    with unchanged(run), pytest.raises(Failed, match="runs out even with the smallest") as caught:
        quick(run)
    assert caught.value.exit_code == 7


def test_batch_normalisation_refuses_one_sample_and_the_search_goes_on(tmp_path: Path) -> None:
    run = run_of(tmp_path, network())
    with unchanged(run):
        search = quick(run, largest=8)
    assert [(t.size, t.state) for t in search.trials] == [
        (1, "refused"),
        (2, "measured"),
        (4, "measured"),
        (8, "measured"),
    ]
    with pytest.raises(Failed, match="needs more than one sample"):
        quick(run, largest=1)


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        ({}, [1, 2, 4, 8, 16]),  # 16 steps an epoch: 480 / 16 = 30
        ({"largest": 20}, [1, 2, 4, 8, 16, 20]),
        ({"largest": 3}, [1, 2, 3]),
        ({"largest": 1}, [1]),
        ({"fastest": False, "largest": 48}, [1, 2, 4, 8, 16, 32, 48]),
    ],
)
def test_the_sizes_that_are_tried(
    options: dict[str, Any], sizes: list[int], tmp_path: Path
) -> None:
    model = Greedy(1000)
    run = run_of(tmp_path, model, num=480)
    assert [trial.size for trial in quick(run, **options).trials] == sizes
    assert model.seen == set(sizes)  # only full batches


def test_the_upper_end_has_its_reason() -> None:
    assert upper_end(1000, 1, None, True)[0] == 62
    assert upper_end(1000, 4, None, True)[0] == 15
    assert upper_end(20, 1, None, True)[0] == 8 and upper_end(5, 1, None, True)[0] == 5
    assert upper_end(1000, 1, 300, True) == (300, "--largest 300")
    assert upper_end(1000, 1, 3000, True) == (1000, "the training split has 1,000 samples")
    assert upper_end(1000, 1, None, False)[0] == 1000


def measured(**speeds: float) -> list[Trial]:
    return [Trial(int(s[1:]), "measured", speed, 0.1, 1) for s, speed in speeds.items()]


def test_the_smallest_within_five_percent_of_the_best_is_chosen() -> None:
    assert choose(measured(n8=50, n16=96, n32=100, n64=99), True, 64) == 16
    assert choose(measured(n8=50, n16=94, n32=100, n64=99), True, 64) == 32
    assert choose(measured(n8=50, n16=60, n32=100, n64=200), True, 32) == 32
    assert choose(measured(n8=50, n16=60), False, 12) == 12
    assert choose(measured(n2=50), True, 1) == 2  # below the margin nothing was measured


def test_margins_and_middles() -> None:
    assert [with_margin(size) for size in (1, 2, 8, 20, 100, 1000)] == [1, 1, 7, 16, 88, 896]
    assert between(16, 32) == 24 and between(64, 128) == 96 and between(2, 4) == 3
    assert all(low < between(low, low + 5) < low + 5 for low in range(1, 200))


def test_on_the_cpu_a_size_that_would_take_too_much_is_not_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Greedy(1000)

    def peak(_: object) -> int:  # 1 kB a sample, and 100 kB once
        return 100_000 + 1000 * max(model.seen, default=0) if model.seen else 0

    monkeypatch.setattr(memory.Peak, "bytes", peak)
    monkeypatch.setattr(memory, "free_memory", lambda: 160_000)
    search = quick(run_of(tmp_path, model, num=480), fastest=False)
    # 0.8 * 160 kB: room for 28 samples.
    assert max(model.seen) <= 28 and 20 <= search.chosen <= 26
    assert "don't fit" in search.bound


def test_steps_have_full_batches_only_epoch_after_epoch(tmp_path: Path) -> None:
    made = feed(run_of(tmp_path, num=40).splits.train, shuffle=True, seed=0, device="cpu")
    steps = full_steps(made, accumulate=3)
    taken = [next(steps) for _ in range(4)]
    assert [len(batch[0]) for micro in taken for batch in micro] == [16] * 12
    # Two full batches an epoch: the third of the first step is the first of the second epoch.
    assert torch.equal(taken[0][2][0], next(made.epoch(1))[0])


def test_loaders_are_closed_also_after_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[int] = []

    def make(*arguments: Any, **named: Any) -> Any:
        made = feed(*arguments, **named)
        monkeypatch.setattr(made, "close", lambda: closed.append(made.batch_size))
        return made

    find(run_of(tmp_path, Greedy(4)), make, seconds=0.0, largest=8)
    assert closed[:4] == [1, 2, 4, 8]
