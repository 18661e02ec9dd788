"""The global generators of torch, numpy and random: seeded for a sample, and given back."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def reseed(number: int) -> None:
    """Seed torch (CPU), numpy and random with a 64-bit number."""
    # torch.manual_seed would also reset the generators of the accelerators.
    torch.default_generator.manual_seed(number)
    np.random.seed(number & 0xFFFFFFFF)
    random.seed(number)


@contextmanager
def own_randomness() -> Iterator[None]:
    """Give the global generators back as they were: data must not change what a model draws."""
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])
