"""A user's folder with a small network and a small table, and commands in it by the fork server."""

from pathlib import Path
from typing import Any

from comparing import checkpoint, checkpoints, differences
from forkserver import Ended, ForkServer

NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self, outputs=3):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, outputs))

    def forward(self, rows):
        return self.layers(rows)
"""
DATA = """
import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.data import TensorDataset

from data.splits import Splits


@dataclass(frozen=True)
class Info:
    classes: tuple[str, ...]
    num_classes: int
    fingerprint: str


@dataclass(frozen=True)
class Nameless:
    classes: tuple[str, ...]
    num_classes: int


def rows(marked: bool = True) -> Splits[Info]:
    text = Path("table.csv").read_text()
    table = torch.tensor([[float(x) for x in line.split(",")] for line in text.split()])
    parts = [TensorDataset(t[:, :4], t[:, 4].long()) for t in (table[40:], table[:40])]
    names = ("a", "b", "c")
    mark = hashlib.sha256(text.encode()).hexdigest()
    return Splits(*parts, None, Info(names, 3, mark) if marked else Nameless(names, 3))
"""
OWN = (
    "data._target_=table.rows", "model._target_=net.Net", *(
        f"~model.{key}" for key in ("input_shape", "num_classes", "width", "stages", "dropout")
    ), *(
        f"~data.{key}"
        for key in ("validation", "test", "split_seed", "augment", "transform", "folds", "fold")
    ),
)  # fmt: skip
QUICK = (
    "trainer.epochs=2", "loader.batch_size=8", "recorder=silent", "evaluation.baselines=false",
    "evaluation.mistakes=0", "export=none",
)  # fmt: skip
TRAIN = ("train", "run.dir=run", *QUICK, *OWN)
STEPS = 20  # 160 samples less 40 + 40, in batches of 8: 15 an epoch
# The default network is large enough that two threads add in another order than one.
WIDE = ("train", "run.dir=run", *QUICK, "loader.limit_batches=3", "loader.batch_size=64")


def elsewhere(**what: Any) -> dict[str, Any]:
    """The patch of a child that finds something changed."""
    names = ("cores", "one_core", "torch_version", "stop", "seed")
    defaults = (None, False, "", 0, 0)
    arguments = [what.get(name, default) for name, default in zip(names, defaults, strict=True)]
    return {"patch": "elsewhere:elsewhere", "arguments": arguments}


def same(one: Path, other: Path) -> bool:
    """Whether the last weights, averages, optimizers and random numbers of two runs are alike."""
    states = []
    for run in (one, other):
        newest, _ = checkpoints(run)
        assert newest is not None
        state = checkpoint(newest, "newest")
        states.append({k: v for k, v in state.items() if not k.startswith("newest/state")})
    return not differences(states[0], states[1])


def make_project(place: Path) -> Path:
    """Put the user's files into a folder."""
    (place / "net.py").write_text(NET)
    (place / "table.py").write_text(DATA)
    lines = (f"{i % 7},{i % 5},{i % 3},{i * i % 11},{i % 3}" for i in range(160))
    (place / "table.csv").write_text("\n".join(lines) + "\n")
    return place


def finished(server: ForkServer, place: Path, *words: str, **what: Any) -> Ended:
    """Run a command that has to end well."""
    ended = server.run(words, place, **elsewhere(**what))
    assert ended.code == 0, ended.err
    return ended


def rows(text: str) -> list[list[str]]:
    """The words of each line."""
    return [line.split() for line in text.splitlines()]
