"""A model that torch.export can't take as it is: a branch of Python depends on the numbers."""

from torch import Tensor, nn


class Gated(nn.Module):
    """One linear layer; inputs that are dark on the whole are turned round first."""

    def __init__(self, num_inputs: int, num_classes: int) -> None:
        super().__init__()
        self.layer = nn.Linear(num_inputs, num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits [B, num_classes]."""
        features = inputs.flatten(1)
        if features.mean() < 0:
            features = -features
        logits: Tensor = self.layer(features)
        return logits
