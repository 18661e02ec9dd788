"""A fully connected network."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import Tensor, nn


class MLP(nn.Module):
    """Linear layers with ReLU between them, on the flattened input.

    Input: float [B, *input_shape]; output: logits [B, num_classes].
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        num_classes: int,
        hidden: Sequence[int] = (128,),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if any(width < 1 for width in hidden):
            raise ValueError(f"hidden is {list(hidden)}; each layer has to have 1 feature or more")
        widths = [prod(input_shape), *hidden]
        layers: list[nn.Module] = [nn.Flatten()]
        for narrow, wide in pairwise(widths):
            layers += [nn.Linear(narrow, wide), nn.ReLU()]
            if dropout:
                layers.append(nn.Dropout(dropout))
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], num_classes))

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, num_classes] of a batch."""
        logits: Tensor = self.layers(images)
        return logits
