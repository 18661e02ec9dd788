"""Datasets for the loader tests, in a module of their own so that workers can import them."""

import os
import random
import re
import signal
import time
from collections.abc import Collection
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset


class Drawn(Dataset[Any]):
    """Samples that draw from torch, numpy and random: right only with seeds per sample."""

    def __init__(self, count: int = 20, named: bool = False) -> None:
        self.count, self.named = count, named

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        drawn = [float(torch.rand(())), float(np.random.rand()), random.random()]
        sample = torch.tensor([float(index), *drawn])
        return {"input": sample, "target": index % 3} if self.named else (sample, index % 3)


class Broken(Dataset[Any]):
    """Sample 7 fails in a chosen way."""

    def __init__(self, how: str) -> None:
        self.how = how

    def __len__(self) -> int:
        return 16

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        if index == 7:
            if self.how == "raise":
                raise ZeroDivisionError("seven is\nunlucky")
            if self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.how == "exit":
                os._exit(3)
            if self.how == "hang":
                time.sleep(600)
            if self.how == "spin":  # no other thread of this process runs meanwhile
                re.match(r"(a+)+$", "a" * 60 + "b")
            if self.how == "shape":
                return torch.zeros(5), 0
        if self.how == "spin":
            time.sleep(0.1)
        if self.how == "terminate":
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGUSR1)
        return torch.zeros(3), index


class Holed(Dataset[Any]):
    """Samples that draw at random, some of which can't be read; it counts how often it is asked."""

    def __init__(self, bad: Collection[int], count: int = 20, later: Collection[int] = ()) -> None:
        self.bad, self.count, self.later = bad, count, later
        self.asked = 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        self.asked += 1
        drawn = float(torch.rand(()))
        if index in self.bad or (index in self.later and drawn < 0.5):
            raise OSError(f"no row\n{index}")
        return torch.tensor([float(index), drawn, random.random()]), index % 3
