"""A data set of one's own: points in the plane, inside or outside the unit circle."""

from dataclasses import dataclass

import torch
from torch.utils.data import TensorDataset

from data.splits import Splits


@dataclass(frozen=True)
class Info:
    """What the data say of themselves, and `${info.*}` can name."""

    classes: tuple[str, ...] = ("inside", "outside")
    num_classes: int = 2
    input_shape: tuple[int, ...] = (2,)


def rings(num_samples: int = 1000, split_seed: int = 0) -> Splits[Info]:
    """Points [2] with their class; seven tenths to train on, one to validate, two to test."""
    points = torch.randn(num_samples, 2, generator=torch.Generator().manual_seed(split_seed))
    parts = points.tensor_split([num_samples * 7 // 10, num_samples * 8 // 10])
    train, validation, test = (TensorDataset(p, (p.norm(dim=1) > 1).long()) for p in parts)
    return Splits(train, validation, test, Info())
