"""A step of a small run, taken under observation."""

from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from torch.utils.data import TensorDataset

from data.loading.loaders import loader
from trainer import Run, Supervised, TrainerOptions, setup
from trainer.diagnosis.finding import Evidence, Finding
from trainer.diagnosis.judging import judge
from trainer.diagnosis.watching import Watch
from trainer.recording import Console
from trainer.storage.folder import RunFolder


@dataclass(frozen=True)
class Info:
    classes: tuple[str, ...] = ("a", "b", "c")
    num_classes: int = 3


def run_of(folder: Path, model: nn.Module, *, loss: Any = None, **options: Any) -> Run:
    """A run over 32 rows [6] that has not begun; embeddings take whole numbers."""
    generator = torch.Generator().manual_seed(2)
    rows = torch.randn(32, 6, generator=generator)
    data = TensorDataset(rows, torch.randint(3, (32,), generator=generator))
    run = setup(
        Supervised(model, loss or nn.CrossEntropyLoss()),
        SimpleNamespace(train=data, validation=None, test=None, info=Info()),
        loader=partial(loader, batch_size=8, num_workers=0),
        optimizer=partial(torch.optim.SGD, lr=0.1),
        options=TrainerOptions(epochs=1, device="cpu", **options),
        folder=RunFolder.claim(folder),
        console=Console(StringIO()),
    )
    for module in run.trainer.modules.values():
        module.train()
    return run


def watched(run: Run) -> Watch:
    """The next step, looked at."""
    watch = Watch(run, compiled=False)
    with watch.entered():
        next(run.trainer.fit(run.loaders.train))
    return watch


def finding(run: Run, usual: Watch | None = None) -> Finding | None:
    """What is found in the next step."""
    watch = watched(run)
    return judge(Evidence(run, watch, usual, set(), set(), list(range(8))))
