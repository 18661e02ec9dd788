"""A task of one's own: mixup (Zhang et al. 2018), training on blends of two samples."""

from random import betavariate
from typing import Any

import torch

from trainer import Supervised, Turn


class Mixup(Supervised):
    """One turn like a classifier's, with another forward and loss; evaluated on whole samples."""

    def turns(self) -> list[Turn]:
        """Train `model`."""
        return [Turn("model", self._forward, self._loss)]

    def _forward(self, modules: Any, batch: Any) -> Any:
        inputs, target = batch
        share, order = betavariate(0.2, 0.2), torch.randperm(len(target), device=target.device)
        return modules["model"](share * inputs + (1 - share) * inputs[order]), target[order], share

    def _loss(self, outputs: Any, batch: Any) -> Any:
        logits, other, share = outputs
        first, second = self.objective(logits, batch[1]), self.objective(logits, other)
        return share * first + (1 - share) * second
