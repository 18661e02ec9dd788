"""The loss of models that say, for each token, what the next one may be."""

from torch import Tensor, nn
from torch.nn import functional

# As good as nothing in a sum of weights, but 0 / it is 0.
NOTHING = 1e-12


class TokenCrossEntropy(nn.Module):
    """Cross entropy of each token that counts.

    Returns (sum over the tokens, their number), so that accumulation over batches with more and
    with less padding is exact; where no token counts both are (almost) 0, and the loss is 0.
    Outputs: logits [B, L, V]; target: int64 [B, L].

    Args:
        ignore_index: the target that doesn't count.
        label_smoothing: share of the target that is spread over all tokens.
    """

    def __init__(self, ignore_index: int = -100, label_smoothing: float = 0.0) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                f"label_smoothing is {label_smoothing}; it has to be a share from 0 up to below 1"
            )
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, outputs: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Sum of the losses of all tokens that count, and how many these are."""
        total = functional.cross_entropy(
            outputs.flatten(0, -2),
            target.flatten(),
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            reduction="sum",
        )
        counted = target.ne(self.ignore_index).sum().to(total.dtype)
        return total, counted.clamp(min=NOTHING)
