"""The moving average of the weights, which often generalises better than the last ones."""

import copy

import torch
from torch import nn

from trainer.errors import Refused


class MovingAverage:
    """A copy of each module whose weights are an exponential average of the trained ones.

    `decay` is reached gradually, min(decay, (1 + n) / (10 + n)) after n updates, so that the first
    weights don't linger (as TensorFlow's ExponentialMovingAverage does with num_updates).
    Buffers (running statistics) are copied. One fused call a step for all tensors of a module.
    """

    def __init__(self, modules: dict[str, nn.Module], decay: float) -> None:
        if not 0 < decay < 1:
            raise Refused(f"trainer.ema is {decay}; it has to lie between 0 and 1, such as 0.999")
        self.decay = decay
        self.updates = 0
        self.modules = {name: copy.deepcopy(module) for name, module in modules.items()}
        self.pairs: list[tuple[list[torch.Tensor], list[torch.Tensor]]] = []
        self.buffers: list[tuple[list[torch.Tensor], list[torch.Tensor]]] = []
        for name, module in modules.items():
            average = self.modules[name].requires_grad_(False).eval()
            self.pairs.append(
                ([p.data for p in average.parameters()], [p.data for p in module.parameters()])
            )
            self.buffers.append((list(average.buffers()), list(module.buffers())))

    def update(self) -> None:
        """Take in the weights after a step."""
        self.updates += 1
        weight = 1 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        for averages, weights in self.pairs:
            torch._foreach_lerp_(averages, weights, weight)
        for copies, originals in self.buffers:
            if copies:
                torch._foreach_copy_(copies, originals)
