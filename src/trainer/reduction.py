"""Losses in parts: how the mean over a large batch is had from several small ones.

The mean of means is wrong as soon as the parts differ in size (or in padding, or in class
weights): gradients of 2 + 6 samples are off by half. So each part gives its sum and its weight.
"""

import copy
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

Parts = Callable[[Any, Any], tuple[Tensor, Tensor]]

# torch's losses whose mean is taken over the elements of the target.
BY_ELEMENT = (
    nn.MSELoss,
    nn.L1Loss,
    nn.SmoothL1Loss,
    nn.HuberLoss,
    nn.BCELoss,
    nn.BCEWithLogitsLoss,
    nn.PoissonNLLLoss,
    nn.GaussianNLLLoss,
    nn.SoftMarginLoss,
)
# torch's losses whose mean is taken over the samples.
BY_SAMPLE = (nn.MultiMarginLoss, nn.MultiLabelSoftMarginLoss, nn.MultiLabelMarginLoss)


def in_parts(loss: Any, weight: Literal["samples", "elements"] | None) -> Parts | None:
    """A function (outputs, target) -> (sum, weight) whose ratio of sums is the loss of the whole.

    `weight` says what a loss that returns a mean has averaged over. Without it, torch's own losses
    are known, and any other loss has to return (sum, weight) itself. None when none of these holds.
    """
    if weight is not None:
        return Weighed(loss, by_element=weight == "elements")
    if not isinstance(loss, nn.Module) or type(loss).__module__ != "torch.nn.modules.loss":
        return None
    reduction = getattr(loss, "reduction", None)
    if isinstance(loss, nn.KLDivLoss):
        return Weighed(loss, by_element=reduction == "mean")
    if reduction != "mean":
        return None
    if isinstance(loss, nn.CrossEntropyLoss | nn.NLLLoss):
        return ClassWeighed(loss)
    if isinstance(loss, BY_ELEMENT):
        return Weighed(loss, by_element=True)
    if isinstance(loss, BY_SAMPLE):
        return Weighed(loss, by_element=False)
    return None


def by_sample(loss: Any) -> Callable[[Any, Tensor], Tensor] | None:
    """The same loss with a value for each sample; None for one that isn't torch's own."""
    if not isinstance(loss, nn.Module) or type(loss).__module__ != "torch.nn.modules.loss":
        return None
    if getattr(loss, "reduction", None) != "mean":
        return None
    # The copy shares the class weights, so that both follow a move to another device.
    single: Any = copy.copy(loss)
    single.reduction = "none"

    def values(outputs: Any, target: Tensor) -> Tensor:
        found: Tensor = single(outputs, target)
        return found if found.dim() == 1 else found.flatten(1).mean(1)

    return values


class Weighed:
    """A mean loss times the number of things that it averaged over."""

    def __init__(self, loss: Callable[[Any, Any], Tensor], by_element: bool) -> None:
        self.loss, self.by_element = loss, by_element

    def __call__(self, outputs: Any, target: Tensor) -> tuple[Tensor, Tensor]:
        """Sum and number."""
        number = target.numel() if self.by_element else len(target)
        mean = self.loss(outputs, target)
        # Filled in on the device: no transfer, so no wait.
        weight = torch.full((), float(number), device=mean.device)
        return mean * number, weight


class ClassWeighed:
    """Cross entropy or NLL: the mean is over the class weights of the targets not ignored."""

    def __init__(self, loss: nn.CrossEntropyLoss | nn.NLLLoss) -> None:
        self.loss = loss
        # The copy shares the class weights, so that both follow a move to another device.
        self.sum = copy.copy(loss)
        self.sum.reduction = "sum"

    def __call__(self, outputs: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Sum over the samples, and the sum of their weights."""
        total: Tensor = self.sum(outputs, target)
        if target.is_floating_point():  # probabilities: torch averages over the samples
            number = target.numel() // target.shape[1 if target.dim() > 1 else 0]
            return total, torch.full((), float(number), device=total.device)
        counted = target != self.loss.ignore_index
        if self.loss.weight is None:
            return total, counted.sum().to(total.dtype)
        weights = self.loss.weight[target.where(counted, target.new_zeros(()))]
        return total, (weights * counted).sum()
