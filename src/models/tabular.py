"""A network for tables: numbers as they are, categories through embeddings."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

SMALLEST, LARGEST = 2, 50


class Tabular(nn.Module):
    """Embeddings of the categories beside the numbers, then linear layers with layer norm.

    Input: float [B, F], first `num_numeric` numbers, then a code for each category; output:
    [B, num_outputs], logits or numbers. The size of an embedding is 1.6 * codes ** 0.56, at least 2
    and at most 50 (as in Howard and Gugger, "fastai: A Layered API for Deep Learning", 2020). Code
    0, unknown, is embedded as zeros, which is the mean of what an embedding begins with.

    Args:
        num_numeric: how many numbers come first.
        cardinalities: how many codes each category has.
        num_outputs: width of the last layer.
        hidden: width of each hidden layer.
        dropout: share of features dropped after each hidden layer.
        embedding: size of every embedding; None for what suits its number of codes.

    Raises:
        ValueError: no input, or sizes that make no network.
    """

    def __init__(
        self,
        num_numeric: int,
        cardinalities: Sequence[int],
        num_outputs: int,
        hidden: Sequence[int] = (128, 64),
        dropout: float = 0.2,
        embedding: int | None = None,
    ) -> None:
        super().__init__()
        if num_numeric + len(cardinalities) < 1:
            raise ValueError("there are neither numbers nor categories; give a column at least")
        if any(width < 1 for width in (*hidden, *cardinalities)):
            raise ValueError(
                f"hidden is {list(hidden)} and cardinalities are {list(cardinalities)}; each has "
                "to be 1 or more"
            )
        if embedding is not None and embedding < 1:
            raise ValueError(f"embedding is {embedding}; give 1 or more, or null")
        sizes = [embedding or embedding_size(count) for count in cardinalities]
        self.num_numeric = num_numeric
        self.embeddings = nn.ModuleList(
            nn.Embedding(count, size) for count, size in zip(cardinalities, sizes, strict=True)
        )
        for table in self.embeddings:
            assert isinstance(table, nn.Embedding)
            nn.init.normal_(table.weight, std=0.5)
            # Not in training, so it would stay as random as it began.
            nn.init.zeros_(table.weight[0])
        widths = [num_numeric + sum(sizes), *hidden]
        layers: list[nn.Module] = []
        for narrow, wide in pairwise(widths):
            layers += [nn.Linear(narrow, wide), nn.LayerNorm(wide), nn.ReLU()]
            if dropout:
                layers.append(nn.Dropout(dropout))
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], num_outputs))

    def forward(self, rows: Tensor) -> Tensor:
        """Logits or numbers [B, num_outputs] of a batch of rows."""
        parts = [rows[:, : self.num_numeric]]
        for place, table in enumerate(self.embeddings, self.num_numeric):
            parts.append(table(rows[:, place].long()))
        outputs: Tensor = self.layers(torch.cat(parts, dim=1))
        return outputs


def embedding_size(count: int) -> int:
    """Return the size of an embedding for so many codes."""
    return max(SMALLEST, min(LARGEST, round(1.6 * math.pow(count, 0.56))))
