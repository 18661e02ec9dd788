"""Losses that torch.nn lacks. A loss is a callable (outputs, target) -> scalar or (sum, weight)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class FocalLoss(nn.Module):
    """Cross entropy times (1 - p)**gamma, p being the probability of the true class.

    Returns (sum over the samples, number of samples), so that accumulation over ragged batches is
    exact. Outputs: logits [B, C]; target: int64 [B]. Source: Lin et al. 2017, arXiv 1708.02002.
    """

    def __init__(self, gamma: float = 2.0) -> None:
        super().__init__()
        if gamma < 0:
            raise ValueError(f"gamma is {gamma}; it has to be 0 or more")
        self.gamma = gamma

    def forward(self, outputs: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Sum of the samples' losses, and their number."""
        entropy = functional.cross_entropy(outputs, target, reduction="none")
        losses = (1 - torch.exp(-entropy)) ** self.gamma * entropy
        # Filled in on the device: making a tensor from a number and moving it there would wait.
        return losses.sum(), torch.full((), float(len(target)), device=losses.device)


class FromModel(nn.Module):
    """The loss that the model computed itself, taken from its output.

    `field` is the name of an attribute or key, or the position in a tuple. Such a model gets the
    labels as an input: task.inputs={pixel_values: 0, labels: 1}.
    """

    # The task hands over the model's whole output in place of the part that metrics look at.
    whole_output = True

    def __init__(self, field: str | int = "loss") -> None:
        super().__init__()
        self.field = field

    def forward(self, outputs: Any, target: Tensor) -> Tensor:
        """The model's own loss, a scalar; the target was the model's business."""
        loss: Tensor | None
        if isinstance(self.field, int):
            loss = outputs[self.field]
        elif isinstance(outputs, Mapping):
            loss = outputs.get(self.field)
        else:
            loss = getattr(outputs, self.field, None)
        if loss is None:
            raise ValueError(
                f"the model's output has no {self.field!r}: it got no labels; "
                "bind them with task.inputs={pixel_values: 0, labels: 1}"
            )
        return loss
