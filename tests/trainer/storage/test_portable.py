"""Checkpoints without fivestep: the lines of docs/checkpoints.md, in a process that lacks it."""

import copy
import hashlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from trainer.storage.checkpoint import Checkpoints

PAGE = Path(__file__).parents[3] / "docs" / "checkpoints.md"

# All that could make a model hard to store, in a file of the user's own.
NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, num_inputs, num_classes):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.inner = nn.Linear(num_inputs, num_inputs)
        self.outer = nn.Linear(num_inputs, num_inputs)
        self.outer.weight = self.inner.weight
        self.last = nn.Linear(num_inputs, num_classes).to(torch.bfloat16)
        self.turned = nn.Parameter(torch.randn(4, 6).t())
        self.register_buffer("table", torch.arange(12).reshape(3, 4).t())
        self.register_buffer("scratch", torch.zeros(3), persistent=False)
        self.scale = nn.Parameter(torch.tensor(2.0))
"""

WITHOUT = """
import importlib.util
assert not any(importlib.util.find_spec(name) for name in ("trainer", "models", "data"))
"""
HASH = """
import hashlib
def fingerprint(model):
    found = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        found.update(f"{key} {value.dtype} {list(value.shape)}".encode())
        found.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
"""


def lines_of_the_page() -> list[str]:
    """The Python blocks of docs/checkpoints.md."""
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)


def made(source: str) -> nn.Module:
    names: dict[str, Callable[..., nn.Module]] = {}
    exec(source, names)  # noqa: S102  # the text above
    net = names["Net"](64, 10)
    with torch.no_grad():
        for value in net.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.randn(value.shape))
    return net


def fingerprint(model: nn.Module) -> str:
    names: dict[str, Callable[[nn.Module], str]] = {"torch": torch}  # type: ignore[dict-item]
    exec(HASH, names)  # noqa: S102
    return names["fingerprint"](model)


def save(folder: Path, net: nn.Module, average: nn.Module) -> Path:
    training = {"optimizer": torch.optim.AdamW(net.parameters()).state_dict()}
    checkpoints = Checkpoints(folder / "runs/mine/checkpoints")
    return checkpoints.save(
        3, modules={"model": net}, ema={"model": average}, training=training, state={}, best=True
    )


def run_without_us(program: str, folder: Path) -> list[str]:
    """What a program prints where only site-packages and its own folder can be imported."""
    packages = Path(safetensors.__file__).parents[1]
    done = subprocess.run(
        # -S: without the files in site-packages that make a checkout importable.
        [sys.executable, "-S", "-c", WITHOUT + program],
        env={"PYTHONPATH": f"{packages}:{folder}", "OMP_NUM_THREADS": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_lines_of_the_page_load_every_kind_of_model(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    net = made(NET).to(memory_format=torch.channels_last)
    average = made(NET)
    state = net.state_dict()
    assert not any(state[key].is_contiguous() for key in ("conv.weight", "turned", "table"))
    save(tmp_path, net, average)
    first, second = lines_of_the_page()
    program = first + "import torch\n" + HASH + "print(fingerprint(model))\n"
    program += "for value in model.state_dict().values():\n    value.zero_()\n"
    program += second + "print(fingerprint(model))\nprint(len(weights), *training)\n"
    program += first.replace("ema.safetensors", "model.safetensors") + "print(fingerprint(model))\n"
    averaged, again, held, trained = run_without_us(program, tmp_path)
    assert averaged == again == fingerprint(average)
    assert trained == fingerprint(net) != averaged
    # Of the tied weights there is one.
    assert held == f"{len(net.state_dict()) - 1} optimizer"


def test_the_page_shows_the_model_of_the_examples(tmp_path: Path) -> None:
    source = (PAGE.parent / "examples" / "net.py").read_text()
    (tmp_path / "net.py").write_text(source)
    net = made(source)
    save(tmp_path, net, net)
    (told,) = run_without_us(
        lines_of_the_page()[0] + "import torch\n" + HASH + "print(fingerprint(model))", tmp_path
    )
    assert told == fingerprint(net)


class Part(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.layers = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.first(x)
        return y


def in_place(net: Part) -> nn.Module:
    net.compile()
    return net


def wrapped(net: Part) -> nn.Module:
    return torch.compile(net)  # type: ignore[return-value]


def in_part(net: Part) -> nn.Module:
    net.first = torch.compile(net.first)  # type: ignore[assignment]
    net.layers[1] = torch.compile(net.layers[1])  # type: ignore[assignment]
    return net


@pytest.mark.parametrize("compiled", [in_place, wrapped, in_part])
def test_compiling_changes_no_key_and_no_byte(
    tmp_path: Path, compiled: Callable[[Part], nn.Module]
) -> None:
    plain = Part()
    save(tmp_path / "plain", plain, plain)
    other = compiled(copy.deepcopy(plain))
    save(tmp_path / "compiled", other, compiled(copy.deepcopy(plain)))
    step = "runs/mine/checkpoints/step_00000003"
    for name in ("model.safetensors", "ema.safetensors"):
        found = tmp_path / "compiled" / step / name
        assert found.read_bytes() == (tmp_path / "plain" / step / name).read_bytes()
        assert set(load_file(found)) == set(plain.state_dict())
    # And back: either kind of file into either kind of model.
    for source in ("plain", "compiled"):
        checkpoint = Checkpoints(tmp_path / source / "runs/mine/checkpoints").newest()
        assert checkpoint is not None
        for fresh in (Part(), compiled(Part()), in_part(Part())):
            checkpoint.load_into({"model": fresh}, {"model": fresh})
            values = zip(fresh.state_dict().values(), plain.state_dict().values(), strict=True)
            assert all(torch.equal(a, b) for a, b in values)


def overlapping(layout: str) -> nn.Module:
    net = nn.Module()
    if layout == "a transposed tie":
        net.a = nn.Parameter(torch.randn(4, 6))
        net.b = nn.Parameter(net.a.data.t())
    elif layout == "halves of one":
        whole = torch.randn(4, 6)
        net.a, net.b = nn.Parameter(whole[:, :3]), nn.Parameter(whole[:, 3:])
    elif layout == "a slice":
        net.a = nn.Parameter(torch.randn(4, 6)[:, ::2])
    else:
        net.a, net.b = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
        net.b.weight = net.a.weight
        net.to(memory_format=torch.channels_last)
    return net


LAYOUTS = ["a transposed tie", "halves of one", "a slice", "tied channels_last"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_that_overlap_in_other_ways(tmp_path: Path, layout: str) -> None:
    net, fresh = overlapping(layout), overlapping(layout)
    path = save(tmp_path, net, net)
    fresh.load_state_dict(load_file(path / "model.safetensors"), strict=False)
    assert fingerprint(fresh) == fingerprint(net)
    found, other = Checkpoints(path.parent).newest(), overlapping(layout)
    assert found is not None and fingerprint(other) != fingerprint(net)
    found.load_into({"model": other})
    assert fingerprint(other) == fingerprint(net)


def test_the_fingerprint_can_tell(tmp_path: Path) -> None:
    net = made(NET)
    before = fingerprint(net)
    assert len(before) == len(hashlib.sha256().hexdigest())
    with torch.no_grad():
        net.turned[0, 0] += 1  # type: ignore[index, operator]
    assert fingerprint(net) != before
