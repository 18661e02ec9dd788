"""Models and losses as a user might write them in a folder of their own, mistakes included."""

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Net(nn.Module):
    """One linear layer; `mode` names what is wrong with it."""

    def __init__(self, outputs: int = 10, mode: str = "") -> None:
        super().__init__()
        if mode == "constructor":
            raise KeyError("no such thing")
        self.mode, self.calls = mode, 0
        self.body = nn.LazyLinear(outputs) if mode == "lazy" else nn.Linear(64, outputs)
        if mode == "unused":
            self.extra = nn.Linear(2, 2)
        if mode == "batchnorm":
            self.norm = nn.BatchNorm1d(outputs)
        if mode == "frozen":
            self.requires_grad_(False)

    def forward(self, images: Tensor) -> Any:
        """What a user's forward returns, or raises."""
        self.calls += 1
        if self.mode == "raises" or (self.mode == "eval" and not self.training):
            raise RuntimeError("my own trouble")
        if self.mode == "later" and self.calls > 5:
            raise RuntimeError("trouble later")
        if self.mode == "memory" and self.calls > 5:
            raise torch.OutOfMemoryError("Tried to allocate 3.00 GiB")
        logits = self.body(images.flatten(1))
        if self.mode == "batchnorm":
            logits = self.norm(logits)
        others: dict[str, Any] = {
            "object": SimpleNamespace(logits=logits, hidden=None),
            "dict": {"logits": logits},
            "tuple": (logits, images),
            "nothing": None,
            "numpy": logits.detach().numpy(),
            "detached": logits.detach(),
            "spatial": logits[:, :, None, None],
        }
        return others.get(self.mode, logits)


class Pair(nn.Module):
    """A forward of two arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(64, 10)

    def forward(self, one: Tensor, other: Tensor) -> Any:
        """Nothing that is ever reached."""
        return self.body(one + other)


def text() -> str:
    """A model that is none."""
    return "a model"


def linear(num_classes: int) -> nn.Module:
    """A model that fits the user's own data."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, num_classes))


def plain(outputs: Tensor, target: Tensor) -> Tensor:
    """A loss that is fine, but doesn't say what its mean counts."""
    return F.cross_entropy(outputs, target)


def vector(outputs: Tensor, target: Tensor) -> Tensor:
    """A loss that was not reduced."""
    return F.cross_entropy(outputs, target, reduction="none")


def number(outputs: Tensor, target: Tensor) -> float:
    """A loss that forgot its graph."""
    return F.cross_entropy(outputs, target).detach().item()


def halves(outputs: Tensor, target: Tensor) -> Any:
    """A mean that is passed off as a sum."""
    return F.cross_entropy(outputs, target), torch.tensor(float(len(target)))
