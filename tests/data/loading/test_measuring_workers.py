"""The number of workers: none where they don't pay, from times that a clock of ours tells."""

from typing import Any

import numpy as np
import pytest
import torch

from data.errors import SampleError
from data.loading.measuring_workers import chosen, measured_workers, seconds_per_sample


class Slow:
    """A source each of whose samples takes a fixed time by the clock of the test."""

    resident_bytes = None
    is_augmented = False
    is_costly = True

    def __init__(self, count: int, seconds: float, bad: int = -1) -> None:
        self.count, self.seconds, self.bad, self.now = count, seconds, bad, 0.0

    def __len__(self) -> int:
        return self.count

    def fetch(self, indices: Any, epoch: int, seed: int) -> Any:
        torch.rand(3)  # as a dataset may that draws for itself
        self.now += self.seconds * len(indices) * (1 + int(indices[0] == 0))  # the first is slow
        if self.bad in indices:
            raise SampleError("bad")
        return torch.zeros(len(indices))

    def finish(self, batch: Any, indices: Any, epoch: int, seed: int) -> Any:
        return batch


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    def use(source: Slow) -> Slow:
        monkeypatch.setattr("data.loading.measuring_workers.time.perf_counter", lambda: source.now)
        return source

    return use


@pytest.mark.parametrize(
    ("count", "seconds", "cpus", "step", "expected"),
    [
        (100_000, 0.001, 4, None, 3),
        (100_000, 0.001, 1, None, 1),
        (100_000, 0.001, 64, None, 8),
        (100_000, 0.001, 8, 0.02, 4),  # 64 ms a batch, 20 ms a step
        (100_000, 0.001, 8, 1.0, 1),
        (1000, 0.001, 4, None, 0),  # an epoch of a second
        (10_000_000, 0.00001, 4, None, 0),  # 0.64 ms a batch
    ],
)
def test_the_choice(
    clock: Any, count: int, seconds: float, cpus: int, step: float | None, expected: int
) -> None:
    source = clock(Slow(count, seconds))
    found = measured_workers(source, batch_size=64, cpus=cpus, step_seconds=step)
    assert found.num_workers == expected
    assert found.why == f"a batch takes {seconds * 64 * 1000:.3g} ms to read"


def test_bad_samples_and_short_sets_are_no_obstacle(clock: Any) -> None:
    assert seconds_per_sample(clock(Slow(100, 0.001, bad=40))) == pytest.approx(0.001)
    assert seconds_per_sample(clock(Slow(5, 0.5, bad=3))) == 0
    assert chosen(0.0, 10, 4) == 0


def test_it_stops_when_it_takes_long_and_draws_nothing(clock: Any) -> None:
    source = clock(Slow(1000, 0.1))
    before = torch.get_rng_state()
    seconds_per_sample(source)
    assert source.now < 6 and np.array_equal(before, torch.get_rng_state())
