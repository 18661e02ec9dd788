"""Data, models and losses as a user might write them, with a fault that shows itself late."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from data.splits import Splits
from trainer.reduction import in_parts
from trainer.task import Prediction, Turn

FEATURES, CLASSES = 8, 3
BAD = 50  # the sample that holds NaN, where one is to; not in the first batch


@dataclass(frozen=True)
class Info:
    """What the rows say of themselves."""

    classes: tuple[str, ...] = ("a", "b", "c")
    num_classes: int = CLASSES


class Rows(Dataset[Any]):
    """Rows [8] of three classes, as pairs or as dicts."""

    def __init__(self, numbers: Tensor, labels: Tensor, named: bool) -> None:
        self.numbers, self.labels, self.named = numbers, labels, named
        self.names = [f"row_{number}.txt" for number in range(len(labels))]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Any:
        row, label = self.numbers[index], int(self.labels[index])
        return {"row": row, "label": label} if self.named else (row, label)


def make(fault: str = "", named: bool = False) -> Splits[Info]:
    """96 rows to train on, 24 to validate; a `fault` lies in one of the first (blind: the last)."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(CLASSES, (120,), generator=generator)
    numbers = torch.randn(120, FEATURES, generator=generator) + labels[:, None]
    if fault:
        row = -1 if fault == "blind" else BAD
        numbers[row, 3] = {"hole": torch.nan, "huge": torch.inf, "blind": torch.nan}[fault]
    train = Rows(numbers[:96], labels[:96], named)
    return Splits(train, Rows(numbers[96:], labels[96:], named), None, Info())


class Counting(nn.Module):
    """Counts its forwards in training, in a buffer, so that a checkpoint holds the count."""

    calls: Tensor

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def now(self) -> bool:
        """Whether it is time for the fault."""
        if self.training:
            self.calls += 1
        return self.training and int(self.calls) == self.at


class Log(Counting):
    """The logarithm of something that is 0 once."""

    def forward(self, hidden: Tensor) -> Tensor:
        """Of the same shape."""
        smallest = 0.0 if self.now() else 1.0
        return torch.log(hidden.relu() + smallest)


class Logs(Counting):
    """The same from then on."""

    def forward(self, hidden: Tensor) -> Tensor:
        """Of the same shape."""
        self.now()
        smallest = 0.0 if self.training and int(self.calls) >= self.at else 1.0
        return torch.log(hidden.relu() + smallest)


class Root(Counting):
    """A root that is 0 once: finite, but not its slope."""

    def forward(self, hidden: Tensor) -> Tensor:
        """Of the same shape."""
        squares = hidden.square() * (0.0 if self.now() else 1.0)
        return torch.sqrt(squares + (0.0 if int(self.calls) == self.at else 0.1))


class Small(Counting):
    """Once a difference that half precision rounds to 0."""

    def forward(self, hidden: Tensor) -> Tensor:
        """Of the same shape."""
        if not self.now():
            return hidden
        nearly_one = 1 + hidden.square().clamp(min=1) * 1e-4
        return torch.log(nearly_one - 1)


class Statistics(nn.BatchNorm1d):
    """Running statistics that are used in training, too, and once get a root of a negative number.

    With `used` false they are those of any BatchNorm: only an evaluation sees them.
    """

    calls: Tensor

    def __init__(self, width: int, at: int, used: bool = True) -> None:
        super().__init__(width)
        self.at, self.used = at, used
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def forward(self, hidden: Tensor) -> Tensor:
        """Of the same shape."""
        assert self.running_mean is not None and self.running_var is not None
        # Backward needs them as they were.
        mean, variance = self.running_mean.clone(), self.running_var.clone()
        if self.training:
            self.calls += 1
            if int(self.calls) == self.at:
                self.running_var.sub_(100).sqrt_()
        if self.used:
            return functional.batch_norm(hidden, mean, variance, self.weight, self.bias)
        result: Tensor = super().forward(hidden)
        return result


class Masked(Counting):
    """An attention over the features, part of which is masked by -inf, as is right; but once all.

    With `at` 0 never all.
    """

    def forward(self, hidden: Tensor) -> Tensor:
        """Of the same shape."""
        hidden_from = 0 if self.now() else 8
        mask = torch.arange(hidden.shape[1]) >= hidden_from
        return hidden * functional.softmax(hidden.masked_fill(mask, -torch.inf), dim=1)


class Net(nn.Module):
    """Two linear layers, with something of the user's between them."""

    def __init__(self, fault: str = "", at: int = 0, inplace: bool = False) -> None:
        super().__init__()
        self.first = nn.Linear(FEATURES, 16)
        self.act = nn.ReLU(inplace=True) if inplace else nn.Identity()
        middles: dict[str, Any] = {"": nn.Tanh}
        for kind in (Log, Logs, Root, Small, Masked):
            middles[kind.__name__.lower()] = lambda kind=kind: kind(at)
        middles["statistics"] = lambda: Statistics(16, at)
        middles["unused"] = lambda: Statistics(16, at, used=False)
        self.middle = middles[fault]()
        self.drop = nn.Dropout(0.2)
        self.last = nn.Linear(16, CLASSES)

    def forward(self, row: Tensor) -> Tensor:
        """Logits [B, 3]."""
        logits: Tensor = self.last(self.drop(self.middle(self.act(self.first(row)))))
        return logits


def by_count(outputs: Tensor, target: Tensor) -> Tensor:
    """A loss that is divided by how often the first class comes; not every batch has it."""
    return functional.cross_entropy(outputs, target) / (target == 0).sum()


def a_hundred_times(outputs: Tensor, target: Tensor) -> Tensor:
    """A loss with large gradients."""
    return 100 * functional.cross_entropy(outputs, target)


class Gan(nn.Module):
    """A critic that tells classes and made rows apart, and a generator of rows."""

    def __init__(self, model: nn.Module, loss: Any) -> None:
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, FEATURES))
        self.critic = model
        self.parts = in_parts(loss, None)

    def turns(self) -> list[Turn]:
        """First the generator's move, then the critic's."""
        return [
            Turn("generator", self.judge_made, self.missed),
            Turn("critic", self.judge_both, self.found_out),
        ]

    def judge_made(self, modules: Mapping[str, nn.Module], batch: Any) -> Tensor:
        """The critic's opinion of made rows."""
        made: Tensor = modules["critic"](modules["generator"](torch.randn(len(batch[0]), 4)))
        return made

    def missed(self, outputs: Tensor, batch: Any) -> Tensor:
        """Made rows are to pass for those of the first class."""
        return functional.cross_entropy(outputs, torch.zeros(len(outputs), dtype=torch.long))

    def judge_both(self, modules: Mapping[str, nn.Module], batch: Any) -> Tensor:
        """The critic's opinion of real rows."""
        found: Tensor = modules["critic"](batch[0])
        return found

    def found_out(self, outputs: Tensor, batch: Any) -> Tensor:
        """Real rows belong to their class."""
        return functional.cross_entropy(outputs, batch[1])

    def predict(self, modules: Mapping[str, nn.Module], batch: Any) -> Prediction:
        """The class of real rows."""
        logits = modules["critic"](batch[0])
        assert self.parts is not None
        return Prediction(logits, batch[1], *self.parts(logits, batch[1]))


def elsewhere(home: str) -> None:
    """Whoever runs the command is another user: nothing here was signed by them."""
    os.environ["FIVESTEP_HOME"] = home


def without_random_numbers() -> None:
    """Leave the generators as they are where a checkpoint is restored."""
    from trainer import stages

    setattr(stages, "restore_random_state", lambda state: None)  # noqa: B010


def compiled_by_nobody() -> None:
    """torch.compile without a compiler: the graph is captured, and run as it is."""
    compiling = nn.Module.compile

    def compile(self: nn.Module) -> None:
        compiling(self, backend="eager")

    setattr(nn.Module, "compile", compile)  # noqa: B010
