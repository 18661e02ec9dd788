"""Trained models of many kinds, made without training, and a loader for their data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from trainer.evaluation import Classification
from trainer.precision import Precision
from trainer.protocols import Loaders
from trainer.task import Supervised
from trainer.trained import Trained

CPU = torch.device("cpu")


@dataclass
class Feed:
    """Batches that are there already, the same in every epoch."""

    batches: Sequence[Any]
    waited: float = 0.0
    kind: str = "test feed"
    bad: tuple[Any, ...] = ()

    @property
    def sizes(self) -> list[int]:
        fields = [list(b.values()) if isinstance(b, Mapping) else list(b) for b in self.batches]
        return [len(values[-1]) for values in fields]

    @property
    def batch_size(self) -> int:
        return max(self.sizes)

    @property
    def num_samples(self) -> int:
        return sum(self.sizes)

    def __len__(self) -> int:
        return len(self.batches)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Any]:
        return iter(self.batches[start:])

    def indices(self, epoch: int, batch: int) -> list[int]:
        first = sum(self.sizes[:batch])
        return list(range(first, first + self.sizes[batch]))

    def close(self) -> None:
        pass


def pairs(*sizes: int, shape: Sequence[int] = (8,), classes: int = 3) -> Feed:
    """Batches (input, target) of random numbers."""
    make = torch.Generator().manual_seed(5)
    return Feed(
        [
            (
                torch.randn(size, *shape, generator=make),
                torch.randint(classes, (size,), generator=make),
            )
            for size in sizes
        ]
    )


def trained(
    model: nn.Module, feed: Feed, folder: Path = Path("run"), classes: int = 3, **task: Any
) -> Trained:
    """A model as if it had been trained on a feed, whose batches are validation and test."""
    made = Supervised(model.eval(), nn.CrossEntropyLoss(), **task)
    return Trained(
        folder=folder,
        config={},
        info=SimpleNamespace(classes=[f"class {n}" for n in range(classes)], num_classes=classes),
        task=made,
        modules={"model": model},
        evaluation=Classification(),
        precision=Precision("fp32", CPU),
        reader=None,
        device=CPU,
        step=7,
        splits=None,
        loaders=Loaders(feed, feed, feed),
    )


class Net(nn.Module):
    """Two layers with a batch normalisation between."""

    def __init__(self, dropout: float = 0.5) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(8, 6), nn.BatchNorm1d(6)
        self.dropout, self.last = nn.Dropout(dropout), nn.Linear(6, 3)

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.last(self.dropout(self.norm(self.first(features)).relu()))
        return logits


class Convolution(nn.Module):
    """Images of any size, averaged at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.head = nn.Linear(4, 3)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.layers(images).mean((2, 3)))
        return logits


class Words(nn.Module):
    """Tokens [B, T] with a mask; gives a dict, as transformers do. The embedding is tied."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(20, 6), nn.Linear(6, 20, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor, mask: Tensor, scale: float = 1.0) -> dict[str, Tensor]:
        hidden = (self.embed(tokens) * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return {"hidden": hidden, "logits": scale * self.head(hidden)[:, :3]}


class Recurrent(nn.Module):
    """A recurrent network over tokens of any length."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(20, 6), nn.Linear(8, 3)
        self.recurrent = nn.LSTM(6, 4, batch_first=True, bidirectional=True)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        hidden = self.recurrent(self.embed(tokens))[0] * mask[..., None]
        logits: Tensor = self.head(hidden.mean(1))
        return logits


class Limited(nn.Module):
    """It has places for twelve tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.places = nn.Embedding(20, 6), nn.Embedding(12, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        hidden = self.embed(tokens) + self.places.weight[: tokens.shape[1]]
        logits: Tensor = self.head((hidden * mask[..., None]).mean(1))
        return logits


def sentences(*lengths: int, size: int = 5) -> Feed:
    """Batches as dicts of tokens, mask and label, each of another length."""
    make = torch.Generator().manual_seed(6)
    return Feed(
        [
            {
                "ids": torch.randint(20, (size, length), generator=make),
                "attention": torch.ones(size, length),
                "label": torch.randint(3, (size,), generator=make),
            }
            for length in lengths
        ]
    )


class Branch(nn.Module):
    """What it does depends on the numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 3)

    def forward(self, features: Tensor) -> Tensor:
        if features.sum() > 0:
            features = features * 2
        logits: Tensor = self.layer(features)
        return logits


class Fixed(Branch):
    """It loops over the samples, which fixes their number."""

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = torch.stack([self.layer(row) for row in features])
        return logits


class Packed(nn.Module):
    """A recurrent network over packed sequences."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent, self.layer = nn.LSTM(2, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, features: Tensor) -> Tensor:
        lengths = torch.full((len(features),), 4)
        packed = nn.utils.rnn.pack_padded_sequence(
            features.reshape(-1, 4, 2), lengths, batch_first=True, enforce_sorted=False
        )
        logits: Tensor = self.layer(self.recurrent(packed)[1][0][-1])
        return logits


class Bessel(Branch):
    """An operation that ONNX doesn't have."""

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = torch.special.bessel_j0(self.layer(features))
        return logits


class Arrays(Branch):
    """It leaves torch on the way."""

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.layer(torch.from_numpy(features.numpy() * 2))
        return logits


class Noisy(Branch):
    """Its outputs are random even in eval mode."""

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.layer(features)
        return logits + torch.rand_like(logits)


class Undefined(Branch):
    """It divides by zero."""

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.layer(features)
        return logits / (logits - logits) * 0
