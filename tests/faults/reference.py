"""What a user might train: rows of numbers, small networks, and two networks against each other."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from data.splits import Splits
from trainer.reduction import in_parts
from trainer.task import Prediction, Turn

FEATURES, CLASSES = 20, 3


@dataclass(frozen=True)
class Info:
    """What the rows say of themselves."""

    classes: tuple[str, ...] = ("a", "b", "c")
    num_classes: int = CLASSES
    input_shape: tuple[int, ...] = (FEATURES,)


class Rows(Dataset[Any]):
    """Rows [20] of three classes; with noise, each is another one whenever it is read."""

    def __init__(self, numbers: Tensor, labels: Tensor, noise: float) -> None:
        self.numbers, self.labels, self.noise = numbers, labels, noise

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        row = self.numbers[index]
        if self.noise:
            # Of all three generators: each is seeded by (seed, epoch, sample).
            row = row + self.noise * torch.randn(FEATURES) * float(np.random.rand())
        return row, int(self.labels[index])


def rows(num_samples: int = 200, noise: float = 0.3, split_seed: int = 0) -> Splits[Info]:
    """Seven tenths to train on (ragged for most batch sizes), the rest to judge by."""
    generator = torch.Generator().manual_seed(split_seed)
    labels = torch.randint(CLASSES, (num_samples,), generator=generator)
    centres = torch.randn(CLASSES, FEATURES, generator=generator)
    numbers = centres[labels] + 1.5 * torch.randn(num_samples, FEATURES, generator=generator)
    ends = [num_samples * 7 // 10, num_samples * 17 // 20]
    parts = zip(numbers.tensor_split(ends), labels.tensor_split(ends), (noise, 0, 0), strict=True)
    train, validation, test = (Rows(*part) for part in parts)
    return Splits(train, validation, test, Info())


class Net(nn.Module):
    """Linear, BatchNorm, ReLU, Dropout, Linear: a state in weights, buffers and random numbers.

    In training its inputs are shifted at random, by numbers of Python's generator and of numpy's.
    """

    def __init__(self, features: int, num_classes: int, width: int = 16) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(features, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.3)
        )
        self.head = nn.Linear(width, num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits [B, num_classes]."""
        if self.training:
            inputs = inputs + 0.1 * random.random() - 0.1 * float(np.random.rand())
        logits: Tensor = self.head(self.body(inputs))
        return logits


class Tied(nn.Module):
    """Two layers that share one weight, as the two ends of a language model do."""

    def __init__(self, features: int, num_classes: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(features, features), nn.Linear(features, features)
        self.second.weight = self.first.weight
        self.drop, self.head = nn.Dropout(0.3), nn.Linear(features, num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits [B, num_classes]."""
        hidden = torch.relu(self.first(inputs))
        logits: Tensor = self.head(self.drop(torch.relu(self.second(hidden))))
        return logits


class Convolutions(nn.Module):
    """A small CNN with BatchNorm and Dropout for images [B, 3, H, W]."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(32, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, num_classes]."""
        logits: Tensor = self.layers(images)
        return logits


class Players(nn.Module):
    """Two networks in one: a generator of rows, and a critic that also tells the class."""

    def __init__(self, features: int, num_classes: int) -> None:
        super().__init__()
        self.generator = nn.Sequential(
            nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, features)
        )
        self.critic = Net(features, num_classes + 1)


class Gan(nn.Module):
    """Two turns with an optimizer each; the generator moves at every second step."""

    def __init__(self, model: Players, loss: Any) -> None:
        super().__init__()
        self.generator, self.critic = model.generator, model.critic
        self.parts = in_parts(loss, None)

    def turns(self) -> list[Turn]:
        """First the critic's move, then the generator's."""
        return [
            Turn("critic", self.judge_both, self.found_out),
            Turn("generator", self.judge_made, self.missed, every=2),
        ]

    def judge_both(self, modules: Mapping[str, nn.Module], batch: Any) -> tuple[Tensor, Tensor]:
        """The critic's opinion of real rows, and of as many made ones."""
        made = modules["generator"](torch.randn(len(batch[0]), 4)).detach()
        return modules["critic"](batch[0]), modules["critic"](made)

    def found_out(self, outputs: tuple[Tensor, Tensor], batch: Any) -> Tensor:
        """Real rows belong to their class, made ones to the last."""
        real, made = outputs
        fake = made.new_full((len(made),), made.shape[1] - 1, dtype=torch.long)
        return functional.cross_entropy(real, batch[1]) + functional.cross_entropy(made, fake)

    def judge_made(self, modules: Mapping[str, nn.Module], batch: Any) -> Tensor:
        """The critic's opinion of made rows."""
        found: Tensor = modules["critic"](modules["generator"](torch.randn(len(batch[0]), 4)))
        return found

    def missed(self, outputs: Tensor, batch: Any) -> Tensor:
        """Made rows are to pass for real ones."""
        return functional.log_softmax(outputs, 1)[:, -1].mean()

    def predict(self, modules: Mapping[str, nn.Module], batch: Any) -> Prediction:
        """The class of real rows."""
        logits = modules["critic"](batch[0])[:, :-1]
        assert self.parts is not None
        return Prediction(logits, batch[1], *self.parts(logits, batch[1]))


def draw_pictures(folder: Path, number: int = 64) -> None:
    """Small photographs of nothing in three classes, half of them JPEG and half PNG."""
    generator = np.random.default_rng(5)
    for count in range(number):
        place = folder / "abc"[count % CLASSES]
        place.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 256, (16, 14, 3)).astype(np.uint8)
        pixels[:, :, count % CLASSES] //= 3
        Image.fromarray(pixels).save(place / f"{count:03d}.{('png', 'jpg')[count // 3 % 2]}")
