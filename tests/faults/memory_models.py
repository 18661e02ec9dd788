"""Models on a device that has room for few samples, for a while or for good."""

import torch
from torch import Tensor, nn


class Tight(nn.Module):
    """Raises what torch raises when more than `room` samples are trained on at once."""

    def __init__(self, inputs: int, num_classes: int, room: int, norm: bool = False) -> None:
        super().__init__()
        self.room = room
        middle: nn.Module = nn.BatchNorm1d(16) if norm else nn.Identity()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(inputs, 16), middle, nn.ReLU(), nn.Linear(16, num_classes)
        )

    def forward(self, images: Tensor) -> Tensor:
        # Not in the first seconds: what preflight sees fits.
        if self.training and self.asked > 3 and len(images) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        self.asked += self.training
        outputs: Tensor = self.layers(images)
        return outputs

    asked = 0
