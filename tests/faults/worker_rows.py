"""Rows whose reader goes wrong at one sample, from the second epoch on, until it is mended."""

import os
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from data.splits import Splits

ODD = 33
STEPS = 15  # of an epoch: 60 samples in batches of 4
WORDS = (
    "train", "run.dir=run", "trainer.epochs=2", "trainer.threads=1", "recorder=silent",
    "evaluation.baselines=false", "export=none", "loader.batch_size=4", "loader.timeout=4",
    "model=mlp", "model.hidden=[4]", *(
        f"~data.{key}"
        for key in ("validation", "test", "split_seed", "augment", "transform", "folds", "fold")
    ),
)  # fmt: skip
ROWS = (*WORDS, "data._target_=worker_rows.rows", "loader.num_workers=2")


@dataclass(frozen=True)
class Info:
    """What the rows say of themselves."""

    classes: tuple[str, ...] = ("a", "b", "c")
    num_classes: int = 3
    input_shape: tuple[int, ...] = (4,)


class Rows(Dataset[Any]):
    """Rows [4] of three classes."""

    def __init__(self, count: int, how: str) -> None:
        self.count, self.how = count, how

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        begun = any(Path("run").glob("checkpoints/step_*"))
        if index == ODD and begun and not Path("mended").exists():
            self.go_wrong()
        if self.how == "slow":
            time.sleep(0.02)
        return torch.arange(4.0) + torch.rand(4) + index % 3, index % 3

    def go_wrong(self) -> None:
        """What may happen to a worker."""
        if self.how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "exits":
            os._exit(3)
        if self.how == "hangs":
            time.sleep(600)
        if self.how == "spins":  # and never lets another thread of its process run
            re.match(r"(a+)+$", "a" * 60 + "b")


def rows(how: str = "") -> Splits[Info]:
    """Sixty to train on, twelve to judge by."""
    return Splits(Rows(60, how), Rows(12, ""), None, Info())


class Large(Dataset[Any]):
    """Samples of 400 kB."""

    def __len__(self) -> int:
        return 16

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.zeros(100_000), index


def too_large() -> None:
    """Read batches that don't fit into a small /dev/shm, and say how that ends."""
    from data.errors import SampleError
    from data.loading.loaders import loader

    source = loader(Large(), num_workers=1, batch_size=8, shuffle=False, seed=0, device="cpu")
    try:
        next(source.epoch(0))
    except SampleError as error:
        print(error, flush=True)
    source.close()


if __name__ == "__main__":
    too_large()
