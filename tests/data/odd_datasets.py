"""Datasets for the loader tests, in a module of their own so that workers can import them."""

import os
import random
import signal
import time
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
            if self.how == "shape":
                return torch.zeros(5), 0
        if self.how == "terminate":
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
        return torch.zeros(3), index
