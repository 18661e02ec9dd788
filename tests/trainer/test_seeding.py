"""Random numbers: one seed gives every part its own, and a saved state goes on exactly."""

import io
import random

import numpy as np
import torch

from trainer.seeding import derive, random_state, restore_random_state, seed_all


def draw() -> tuple[float, float, float]:
    return torch.rand(()).item(), float(np.random.rand()), random.random()


def test_the_same_seed_and_purpose_draw_the_same() -> None:
    seed_all(3, "weights")
    first = draw()
    seed_all(3, "weights")
    assert draw() == first
    seed_all(3, "training")
    assert draw() != first


def test_purposes_and_seeds_never_share_a_stream() -> None:
    seeds = {derive(seed, purpose) for seed in range(50) for purpose in ("a", "b", "order")}
    assert len(seeds) == 150 and all(0 <= seed < 2**63 for seed in seeds)


def test_a_state_that_went_through_a_file_goes_on_exactly() -> None:
    seed_all(1, "training")
    draw()
    np.random.randn()  # leaves a cached number behind
    random.gauss(0, 1)
    file = io.BytesIO()
    torch.save(random_state(), file)
    expected = [draw() for _ in range(3)], np.random.randn(), random.gauss(0, 1)
    draw()
    file.seek(0)
    restore_random_state(torch.load(file, weights_only=True))
    assert ([draw() for _ in range(3)], np.random.randn(), random.gauss(0, 1)) == expected
