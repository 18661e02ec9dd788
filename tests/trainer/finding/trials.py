"""Small runs that the tests of the searches share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import TensorDataset

from data.loading.loaders import loader
from trainer import Plan, Run, Schedule, Supervised, TrainerOptions, Turn, setup
from trainer.options import ParameterOptions
from trainer.recording import Console
from trainer.storage.folder import RunFolder
from trainer.task import Prediction, Task

feed = partial(loader, batch_size=16, num_workers=0)


@dataclass(frozen=True)
class Info:
    classes: tuple[str, ...] = ("a", "b", "c", "d")
    num_classes: int = 4


def samples(num: int) -> TensorDataset:
    """Points in 12 dimensions whose class a linear model can find."""
    generator = torch.Generator().manual_seed(5)
    points = torch.randn(num, 12, generator=generator)
    return TensorDataset(points, points[:, :4].argmax(dim=1))


def network(*, seed: int = 3) -> nn.Sequential:
    """With all that a step changes: weights, running statistics, random numbers."""
    torch.manual_seed(seed)
    hidden = [nn.Linear(12, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.1)]
    return nn.Sequential(*hidden, nn.Linear(32, 4))


def cycle(optimizer: torch.optim.Optimizer, plan: Plan) -> Schedule:
    lr = optimizer.defaults["lr"]
    return Schedule(optimizer, partial(OneCycleLR, max_lr=lr, total_steps=plan.steps))


def run_of(
    folder: Path,
    model: nn.Module | None = None,
    *,
    task: Task | None = None,
    num: int = 480,
    optimizer: Any = None,
    schedule: Any = cycle,
    groups: list[dict[str, Any]] | None = None,
    **options: Any,
) -> Run:
    """A run over `num` training samples that has not begun."""
    return setup(
        task or Supervised(model or network(), nn.CrossEntropyLoss()),
        SimpleNamespace(train=samples(num), validation=samples(40), test=None, info=Info()),
        loader=feed,
        optimizer=optimizer or partial(torch.optim.SGD, lr=0.1, momentum=0.9),
        schedule=schedule,
        options=TrainerOptions(**({"epochs": None, "steps": 12, "device": "cpu"} | options)),
        parameter_options=ParameterOptions(groups=groups or []),
        folder=RunFolder.claim(folder),
        console=Console(StringIO()),
    )


class Pair(nn.Module):
    """Two players with an optimizer each; the second moves on every other step."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first, self.second = nn.Linear(12, 4), nn.Linear(12, 4)

    def turns(self) -> list[Turn]:
        return [self._turn("first", 1), self._turn("second", 2)]

    def _turn(self, name: str, every: int) -> Turn:
        def forward(modules: Any, batch: Any) -> Tensor:
            outputs: Tensor = modules[name](batch[0])
            return outputs

        def loss(outputs: Tensor, batch: Any) -> Tensor:
            return nn.functional.cross_entropy(outputs, batch[1])

        return Turn(name, forward, loss, every=every)

    def predict(self, modules: Any, batch: Any) -> Prediction:
        raise NotImplementedError


def everything(run: Run) -> list[Any]:
    """All that a step could have changed, to be compared with `equal`."""
    assert isinstance(run.task, nn.Module)
    averaged = run.trainer.ema.modules if run.trainer.ema else {}
    modules = [run.task, *averaged.values()]
    return [
        [dict(module.state_dict()) for module in modules],
        [parameter.grad for parameter in run.task.parameters()],
        [module.training for module in run.task.modules()],
        run.trainer.state_dict(),
        torch.get_rng_state(),
    ]


def equal(one: Any, other: Any) -> bool:
    """Bitwise, in nested containers, the order of keys included."""
    if isinstance(one, Tensor):
        same = isinstance(other, Tensor) and one.dtype == other.dtype
        return same and torch.equal(one, other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


@contextmanager
def unchanged(run: Run) -> Iterator[None]:
    """Fail when the block has changed the run."""
    import copy

    before = copy.deepcopy(everything(run))
    yield
    assert equal(before, everything(run))
