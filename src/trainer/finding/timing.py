"""How fast the five steps go with batches of one size."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from statistics import median
from typing import Any

import torch

from trainer.batches import batches
from trainer.loop import Trainer
from trainer.protocols import Loader

WARM_UP_STEPS = 2
BLOCKS = 3
LEAST_BLOCK = 0.05  # seconds: shorter ones would time the clock and the wait for the device


@dataclass(frozen=True)
class Pace:
    """Seconds of a step (the median over blocks of steps), and samples a second."""

    seconds: float
    samples_per_second: float


def pace(trainer: Trainer, loader: Loader, device: torch.device, seconds: float) -> Pace:
    """Time steps for about `seconds`, after a warm-up, loading of the batches included.

    Within a block of steps nobody waits for the device, as in the training.
    """
    steps = full_steps(loader, trainer.accumulate)
    began = time.perf_counter()
    for done in range(WARM_UP_STEPS):
        # The second of two slow steps would only say that they are slow.
        if done == 0 or time.perf_counter() - began < 10 * seconds:
            trainer.step(next(steps))
    one = timed(trainer, steps, 1, device)
    size = max(1, round(LEAST_BLOCK / one))
    blocks: list[float] = []
    began = time.perf_counter()
    while True:
        blocks.append(timed(trainer, steps, size, device))
        taken = time.perf_counter() - began
        if (len(blocks) >= BLOCKS and taken > seconds) or taken > 10 * seconds:
            break
    step = median(blocks)
    return Pace(step, loader.batch_size * trainer.accumulate / step)


def timed(trainer: Trainer, steps: Iterator[list[Any]], number: int, device: torch.device) -> float:
    """Seconds of one of `number` steps."""
    synchronise(device)
    began = time.perf_counter()
    for micro in islice(steps, number):
        trainer.step(micro)
    synchronise(device)
    return (time.perf_counter() - began) / number


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def full_steps(loader: Loader, accumulate: int) -> Iterator[list[Any]]:
    """The micro-batches of step after step, of full batches only, without end."""
    whole = loader.num_samples // loader.batch_size
    assert whole > 0, "the data hold a batch"
    full = (batch for epoch in count() for batch in islice(batches(loader, epoch), whole))
    while True:
        yield list(islice(full, accumulate))
