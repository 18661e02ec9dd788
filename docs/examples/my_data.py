"""Data of one's own: any torch datasets, and what they are."""

from itertools import pairwise

import torch
from torch.utils.data import Dataset, TensorDataset

from data import own
from data.splits import Splits


class Blinks(Dataset):
    """Curves of 50 steps with one peak or two; made up here, read from files in real life."""

    def __init__(self, numbers: range) -> None:
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        number = self.numbers[index]
        steps, start = torch.arange(50.0), 5 + number * 7 % 20
        curve = torch.exp(-((steps - start) ** 2) / 4)
        if number % 2:
            curve = curve + torch.exp(-((steps - start - 15) ** 2) / 4)
        return curve.unsqueeze(1), number % 2


def blinks(count: int = 300) -> Splits[own.OwnInfo]:
    """Seven tenths to train on, one to validate, two to test."""
    cuts = [0, count * 7 // 10, count * 8 // 10, count]
    parts = [Blinks(range(a, b)) for a, b in pairwise(cuts)]
    return own.splits(*parts, classes=["once", "twice"])


def rents() -> Splits[own.OwnInfo]:
    """Numbers to predict: rooms and size of a flat, and its rent."""
    flats = torch.rand(300, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([5, 120])
    rent = 200 + 90 * flats[:, 0] + 9 * flats[:, 1]
    parts = [TensorDataset(flats[k::3], rent[k::3]) for k in range(3)]
    return own.splits(*parts, targets=["rent"])
