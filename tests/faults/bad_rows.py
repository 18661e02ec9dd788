"""Rows of numbers, some of which can't be read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from data.splits import Splits


@dataclass(frozen=True)
class Info:
    """What the rows say of themselves."""

    classes: tuple[str, ...] = ("a", "b", "c")
    num_classes: int = 3
    input_shape: tuple[int, ...] = (4,)


class Rows(Dataset[Any]):
    """Rows [4] of three classes, with noise that differs whenever one is read."""

    def __init__(self, count: int, bad: Sequence[int]) -> None:
        self.count, self.bad = count, bad
        self.names = [f"row {number}" for number in range(count)]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if index in self.bad:
            raise OSError("gone")
        return torch.arange(4.0) * (index % 3) + torch.rand(4), index % 3


def rows(
    bad: Sequence[int] = (), bad_validation: Sequence[int] = (), bad_test: Sequence[int] = ()
) -> Splits[Info]:
    """Sixty to train on, a dozen each to judge by; the samples that can't be read in each."""
    return Splits(Rows(60, bad), Rows(12, bad_validation), Rows(12, bad_test), Info())
