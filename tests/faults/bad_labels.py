"""Rows of numbers with labels of every kind, and splits of every size."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset

from data.splits import Splits


@dataclass(frozen=True)
class Info:
    """What the rows say of themselves."""

    classes: tuple[str, ...] = ("a", "b", "c")
    num_classes: int = 3
    input_shape: tuple[int, ...] = (4,)


class Rows(Dataset[Any]):
    """Rows [4]; labels 0, 1, 2, 0, ... but where `odd` says otherwise."""

    def __init__(self, count: int, odd: dict[int, Any], classes: int = 3) -> None:
        self.count, self.odd, self.classes = count, odd, classes

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        label = index % self.classes
        return torch.arange(4.0) * label + torch.rand(4), self.odd.get(index, label)


def rows(
    split: str = "train",
    label: Any = None,
    where: Sequence[int] = (),
    stored: bool = False,
    num_train: int = 24,
    num_validation: int = 12,
    num_test: int = 12,
    classes: int = 3,
) -> Splits[Info]:
    """Three splits of a size each; in one of them the samples `where` have another label.

    With `stored` the labels are tensors, so that all can be looked at; only the first `classes` of
    three classes are there.
    """
    sizes = {"train": num_train, "validation": num_validation, "test": num_test}
    odd = dict.fromkeys(where, float(label) if label == "nan" else label)
    parts: list[Any] = []
    for name, size in sizes.items():
        part = Rows(size, odd if name == split else {}, classes)
        tensors = (torch.rand(size, 4), torch.tensor([part[i][1] for i in range(size)]))
        parts.append(None if size < 0 else TensorDataset(*tensors) if stored else part)
    return Splits(parts[0], parts[1], parts[2], Info())
