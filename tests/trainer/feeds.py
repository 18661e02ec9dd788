"""Small loaders and models that the tests of the loop share."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn


@dataclass
class Feed:
    """Batches of given sizes from fixed random data, the same in every epoch."""

    sizes: list[int]
    features: int = 12
    classes: int = 4
    waited: float = 0.0
    kind: str = "test feed"
    bad: tuple[Any, ...] = ()
    batches: list[tuple[Tensor, Tensor]] = field(init=False)

    def __post_init__(self) -> None:
        generator = torch.Generator().manual_seed(7)
        self.batches = [
            (
                torch.randn(size, self.features, generator=generator),
                torch.randint(self.classes, (size,), generator=generator),
            )
            for size in self.sizes
        ]

    @property
    def batch_size(self) -> int:
        return max(self.sizes)

    @property
    def num_samples(self) -> int:
        return sum(self.sizes)

    def __len__(self) -> int:
        return len(self.sizes)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(self.batches[start:])

    def indices(self, epoch: int, batch: int) -> list[int]:
        first = sum(self.sizes[:batch])
        return list(range(first, first + self.sizes[batch]))

    def close(self) -> None:
        pass


def small_model(seed: int = 3, dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(seed)
    layers: list[nn.Module] = [nn.Linear(12, 16), nn.ReLU()]
    if dropout:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(16, 4))


def same(first: nn.Module, second: nn.Module) -> bool:
    """Whether two modules hold bitwise equal tensors under equal names."""
    one, two = first.state_dict(), second.state_dict()
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
