"""Datasets as a user might write them in a folder of their own, mistakes included."""

from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import Dataset, TensorDataset

BAD = 50  # the sample that is wrong in some modes; not in the first batch


@dataclass(frozen=True)
class Info:
    """What the data says of itself."""

    classes: tuple[str, ...] = ("a", "b", "c")
    num_classes: int = 3


@dataclass(frozen=True)
class Nameless:
    """Too little."""

    size: int = 3


@dataclass
class Split:
    """Any object with these fields."""

    train: Any
    validation: Any
    test: Any
    info: Any


class Rows(Dataset[Any]):
    """Images [1, 8, 8] of three classes; `mode` names what is wrong with them."""

    def __init__(self, length: int, mode: str) -> None:
        self.length, self.mode = length, mode

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        image, label = torch.full((1, 8, 8), index % 3 + 0.5), index % 3
        if index == BAD and self.mode == "one_raises":
            raise OSError("file gone")
        if index == BAD and self.mode == "exits":
            raise SystemExit(3)
        odd: dict[str, Any] = {
            "dict": {"input": image, "label": label},
            "float_labels": (image, float(label)),
            "text_labels": (image, "cat"),
            "columns": (image, torch.tensor([label])),
            "one_based": (image, label + 1),
            "one_label": (image, 9 if index == BAD else label),
            "one_nan": (image * float("nan") if index == BAD else image, label),
            "one_shape": (image[:, :, 1:] if index == BAD else image, label),
            "all_nan": (image * float("nan"), label),
            "bytes": (image.to(torch.uint8), label),
            "alone": image,
        }
        return odd.get(self.mode, (image, label))


def make(mode: str = "") -> Any:
    """Return what a data callable of a user's returns."""
    if mode == "missing_file":
        raise FileNotFoundError("no such file: x.csv")
    splits = Split(Rows(60, mode), Rows(12, ""), Rows(12, ""), Info())
    if mode == "no_validation":
        splits.validation = None
    elif mode == "no_train":
        splits.train = None
    elif mode == "empty":
        splits.validation = Rows(0, "")
    elif mode == "late_validation":
        splits.validation = Rows(60, "one_label")
    elif mode == "tensors":
        splits.train = TensorDataset(torch.rand(60, 1, 8, 8), torch.arange(60) % 4)
    elif mode == "one_class":
        splits.info = Info(("a",), 1)
    elif mode == "few_names":
        splits.info = Info(("a", "b"))
    elif mode == "nameless":
        splits.info = Nameless()
    elif mode == "dict_info":
        splits.info = {"classes": ("a", "b", "c"), "num_classes": 3}
    return (splits.train, splits.validation) if mode == "pair" else splits
