"""A model of one's own: any nn.Module will do."""

from torch import Tensor, nn


class Net(nn.Module):
    """Two linear layers on the flattened input."""

    def __init__(self, num_inputs: int, num_classes: int, width: int = 64) -> None:
        super().__init__()
        self.first = nn.Linear(num_inputs, width)
        self.last = nn.Linear(width, num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits [B, num_classes]."""
        logits: Tensor = self.last(self.first(inputs.flatten(1)).relu())
        return logits
