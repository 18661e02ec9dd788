"""A stranger's checkpoint: its manifest may fit any bytes, and none of them is run or believed."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from payloads import claiming, pickled, put, sparse, tensors, torch_zip
from strangers import Handed, change, handed, own, seal, stopped  # noqa: F401  # fixtures
from torch import nn

from trainer.errors import NoUsableCheckpoint
from trainer.storage.checkpoint import Checkpoints

RESUME = ("train", "resume=run")
PREDICT = ("predict", "run", "picture.png")


FILES = ("manifest.json", "state.json", "training.pt", "model.safetensors", "ema.safetensors")
EACH = [(name, kind) for name in FILES for kind in ("zip", "link")]
EACH += [("manifest.json", "deep"), ("training.pt", "long"), ("state.json", "pipe")]


@pytest.mark.parametrize(("name", "kind"), EACH)
def test_a_file_of_a_checkpoint(handed: Handed, name: str, kind: str) -> None:  # noqa: F811
    """Where its manifest fits the other bytes, too: anybody can write one."""
    stopped(handed.run)
    put(handed.step / name, kind, handed.canary)
    if name != "manifest.json" and kind == "zip":
        seal(handed.step)
    ended = handed.opened(*RESUME)
    assert ended.code == 5, ended
    # The step is set aside as damaged, or was found out while it was loaded.
    assert "corrupt" in ended.err or name in ended.err


@dataclass(frozen=True)
class Crafted:
    """A file of a checkpoint that is whole, as far as its manifest goes."""

    name: str
    make: Callable[[Path, Path], object]  # from the file and the canary
    by_reading: bool = True


HUGE = {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}
CRAFTED = {
    "a tensor of 4 TB": Crafted(
        "model.safetensors",
        lambda file, _: file.write_bytes(tensors({"a": HUGE})),
        by_reading=False,
    ),
    "a header of 4 GB": Crafted(
        "model.safetensors", lambda file, _: file.write_bytes(b"\0\0\0\0\1\0\0\0{}")
    ),
    "tensors that overlap": Crafted(
        "ema.safetensors",
        lambda file, _: file.write_bytes(
            tensors(
                {n: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for n in "ab"}, bytes(4)
            )
        ),
    ),
    "a bomb": Crafted(
        "training.pt",
        lambda file, canary: torch_zip(file, pickled(canary), deflated=True, more=400_000_000),
        by_reading=False,
    ),
    "a pickle in a deflated file": Crafted(
        "training.pt", lambda file, canary: torch_zip(file, pickled(canary), deflated=True)
    ),
    "a number of 200 MB": Crafted("training.pt", lambda file, _: claiming(file, 50_000_000)),
    "zeros": Crafted("training.pt", lambda file, _: sparse(file, 1_000_000)),
    "a bare tensor": Crafted("training.pt", lambda file, _: torch.save(torch.ones(1), file)),
    "a list of states": Crafted("state.json", lambda file, _: file.write_text("[{}]")),
    "no states": Crafted("state.json", lambda file, _: file.write_text("{}"), by_reading=False),
    "a best of text": Crafted(
        "state.json",
        lambda file, _: change(file, lambda state: state.update(best="x")),
        by_reading=False,
    ),
    "no training": Crafted("training.pt", lambda file, _: torch.save({}, file), by_reading=False),
    "optimizers of text": Crafted(
        "training.pt", lambda file, _: trained(file, optimizers="x"), by_reading=False
    ),
    "a schedule of text": Crafted(
        "training.pt", lambda file, _: trained(file, schedules="x"), by_reading=False
    ),
    "a step of text": Crafted(
        "training.pt", lambda file, _: trained(file, steps="x"), by_reading=False
    ),
    "numbers of text": Crafted(
        "training.pt", lambda file, _: trained(file, random="x"), by_reading=False
    ),
}


def trained(file: Path, **entries: Any) -> None:
    """Replace entries of a training state."""
    torch.save({**torch.load(file, weights_only=True), **entries}, file)


# Found out by what reads the file alone; the others by who makes use of it.
READ = [name for name in CRAFTED if CRAFTED[name].by_reading]


@pytest.mark.parametrize("name", [name for name in CRAFTED if name not in READ])
def test_a_crafted_file_of_a_checkpoint(handed: Handed, name: str) -> None:  # noqa: F811
    stopped(handed.run)
    crafted = CRAFTED[name]
    crafted.make(handed.step / crafted.name, handed.canary)
    seal(handed.step)
    assert handed.opened(*RESUME).code == 5


@pytest.mark.parametrize("name", READ)
def test_a_crafted_file_is_found_out_by_reading(tmp_path: Path, name: str) -> None:
    model, canary = nn.Linear(2, 1), tmp_path / "canary"
    checkpoints = Checkpoints(tmp_path)
    state: dict[str, Any] = {"modules": {"model": model}, "ema": {"model": model}}
    step = checkpoints.save(1, **state, training={"a": torch.ones(2)}, state={})
    crafted = CRAFTED[name]
    crafted.make(step / crafted.name, canary)
    seal(step)
    found = checkpoints.newest()
    assert found is not None and found.manifest.origin == "stranger"
    with pytest.raises(NoUsableCheckpoint, match=crafted.name.replace(".", r"\.")):
        found.load_into({"model": model}, {"model": model})
        found.training()
        found.state()
    assert not canary.exists()


@pytest.mark.parametrize("command", [PREDICT, ("evaluate", "run"), ("export", "run", "onnx")])
def test_without_a_whole_checkpoint_there_is_nothing(own: Handed, command: Sequence[str]) -> None:  # noqa: F811
    for file in own.run.rglob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:-1])
    shutil.rmtree(own.run / "export")
    ended = own.opened(*command)
    assert ended.code == 5 and "bytes instead of" in ended.err
    assert not (own.run / "export").exists()


def test_weights_of_another_shape_are_refused(handed: Handed) -> None:  # noqa: F811
    for file in handed.run.rglob("*.safetensors"):
        header = {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
        file.write_bytes(tensors(header, bytes(4)))
        seal(file.parent)
    ended = handed.opened(*PREDICT)
    assert ended.code == 2 and "don't fit the model" in ended.err


def test_a_path_in_a_manifest(handed: Handed) -> None:  # noqa: F811
    stopped(handed.run)
    file = handed.step / "manifest.json"
    content = json.loads(file.read_text())
    content["files"]["../../x"] = next(iter(content["files"].values()))
    file.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    ended = handed.opened(*RESUME)
    assert ended.code == 5 and "manifest.json is damaged" in ended.err
