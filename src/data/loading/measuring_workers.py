"""How many worker processes a dataset is worth, by reading a little of it."""

import math
import time
from typing import NamedTuple

import numpy as np

from data.cpus import available_cpus
from data.errors import SampleError
from data.loading.randomness import own_randomness
from data.loading.sources import BatchSource

MOST_WORKERS = 8
# A worker takes about two seconds to start, and what it reads has to be handed over.
WORTH_SECONDS = 2.0
HANDED_OVER_SECONDS = 0.002
PROBED_BATCHES, PROBED_SAMPLES, PATIENCE = 4, 16, 1.0


class Choice(NamedTuple):
    """How many workers, and why."""

    num_workers: int
    """0 for reading in the main process."""
    why: str
    """One phrase for the console."""


def measured_workers(
    source: BatchSource,
    *,
    batch_size: int,
    seed: int = 0,
    cpus: int | None = None,
    step_seconds: float | None = None,
) -> Choice:
    """Return how many workers are worth their start, from the time that some batches take.

    It changes how long batches take and nothing else: which samples come, with which pixels, does
    not depend on it.

    Args:
        source: what is to be read.
        batch_size: samples of a batch.
        seed: for the augmentation of what is read for measuring.
        cpus: how many may be used; by default all that this process has.
        step_seconds: how long a training step takes, where that is known: more workers than keep
            it supplied are not started then.
    """
    seconds = seconds_per_sample(source, seed) * batch_size
    batches = math.ceil(len(source) / batch_size)
    found = chosen(seconds, batches, cpus or available_cpus(), step_seconds)
    return Choice(found, f"a batch takes {seconds * 1000:.3g} ms to read")


def seconds_per_sample(source: BatchSource, seed: int = 0) -> float:
    """Return how long it takes to fetch and finish a sample; the quickest of a few small batches.

    Others may have waited for a busy machine. 0 where none can be read: the loader will say so.
    """
    count = min(PROBED_SAMPLES, len(source))
    times = []
    began = time.perf_counter()
    with own_randomness():
        for number in range(min(PROBED_BATCHES, len(source) // max(1, count))):
            indices = np.arange(number * count, (number + 1) * count, dtype=np.int64)
            start = time.perf_counter()
            try:
                source.finish(source.fetch(indices, 0, seed), indices, 0, seed)
            except SampleError:
                continue
            times.append((time.perf_counter() - start) / count)
            if time.perf_counter() - began > PATIENCE:
                break
    return min(times, default=0.0)


def chosen(batch_seconds: float, batches: int, cpus: int, step_seconds: float | None = None) -> int:
    """Return the number of workers for batches that take so long, so many an epoch.

    None where handing a batch over takes as long as reading it, or where an epoch is read before
    workers have started. Otherwise one CPU is left to the training, or fewer workers are started
    where fewer keep it busy.
    """
    if batch_seconds <= HANDED_OVER_SECONDS or batch_seconds * batches < WORTH_SECONDS:
        return 0
    most = min(MOST_WORKERS, max(1, cpus - 1))
    if not step_seconds:
        return most
    return max(1, min(most, math.ceil(batch_seconds / step_seconds)))
