"""Random numbers: one seed a run, from which each part draws its own."""

import hashlib
import random
from typing import Any

import numpy as np
import torch


def derive(seed: int, purpose: str) -> int:
    """A seed for one purpose, so that parts which draw more or less don't disturb each other."""
    digest = hashlib.sha256(f"{seed}:{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1  # torch takes up to 2**63 - 1


def seed_all(seed: int, purpose: str) -> None:
    """Seed torch (every device), numpy and random from one seed for one purpose."""
    derived = derive(seed, purpose)
    torch.manual_seed(derived)
    np.random.seed(derived % 2**32)
    random.seed(derived)


def random_state() -> dict[str, Any]:
    """The state of every generator, in tensors and plain containers.

    Long lists become tensors: a checkpoint would pickle and look at each of their numbers.
    """
    version, numbers, gauss = random.getstate()
    _, keys, position, has_gauss, cached = np.random.get_state()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "mps": torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
        "numpy": [torch.from_numpy(np.asarray(keys, dtype=np.int64)), position, has_gauss, cached],
        "python": [version, torch.tensor(numbers, dtype=torch.int64), gauss],
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Put every generator back to a state that `random_state` returned."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
    if state["mps"] is not None and torch.backends.mps.is_available():
        torch.mps.set_rng_state(state["mps"])
    keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state(
        ("MT19937", keys.numpy().astype(np.uint32), int(position), int(has_gauss), float(cached))
    )
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers.tolist()), gauss))
