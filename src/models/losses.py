"""Losses that torch.nn lacks. A loss is a callable (outputs, target) -> scalar or (sum, weight)."""

from collections.abc import Mapping, Sequence
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


class BalancedCrossEntropy(nn.Module):
    """Cross entropy in which each class counts as much as any other, however rare it is.

    The weight of a class with n of N training samples is N / (C * n), scikit-learn's "balanced";
    of a class without samples 0. `class_counts` are these n. Returns (sum, sum of weights).
    Outputs: logits [B, C]; target: int64 [B], or probabilities [B, C] as mixed samples have them.
    """

    weight: Tensor

    def __init__(self, class_counts: Sequence[int], label_smoothing: float = 0.0) -> None:
        super().__init__()
        counts = torch.tensor(class_counts, dtype=torch.float64)
        if not len(counts) or counts.sum() <= 0:
            raise ValueError("class_counts is empty: this loss is for data that has classes")
        shares = counts.sum() / (len(counts) * counts.clamp(min=1)) * (counts > 0)
        # Not among the weights of a checkpoint: it belongs to the data.
        self.register_buffer("weight", shares.float(), persistent=False)
        self.label_smoothing = label_smoothing

    def forward(self, outputs: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted sum of the samples' losses, and the sum of their weights."""
        total = functional.cross_entropy(
            outputs,
            target,
            weight=self.weight,
            reduction="sum",
            label_smoothing=self.label_smoothing,
        )
        if target.is_floating_point():
            return total, (target @ self.weight).sum()
        return total, self.weight[target].sum()


class BalancedBCE(nn.Module):
    """Binary cross entropy of several labels in which a label's rare "yes" counts as its "no"s.

    "Yes" weighs (N - n) / n for a label that n of N training samples have (1 where n is 0).
    `class_counts` are these n, `num_train` is N. Returns (sum, number of elements).
    """

    weight: Tensor

    def __init__(self, class_counts: Sequence[int], num_train: int) -> None:
        super().__init__()
        counts = torch.tensor(class_counts, dtype=torch.float64)
        if not len(counts):
            raise ValueError("class_counts is empty: this loss is for data that has labels")
        ratio = torch.where(counts > 0, (num_train - counts) / counts.clamp(min=1), 1.0)
        self.register_buffer("weight", ratio.clamp(min=1e-3).float(), persistent=False)

    def forward(self, outputs: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted sum over labels and samples, and how many these are."""
        total = functional.binary_cross_entropy_with_logits(
            outputs, target, pos_weight=self.weight, reduction="sum"
        )
        return total, torch.full((), float(target.numel()), device=total.device)


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
