"""All that a run has come to, and what differs between two of them; no tolerance."""

import hashlib
import json
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from watching import Begun

from trainer.storage.manifest import verify

State = dict[str, Any]
# When and how long, by the clock on the wall.
TIMING = ("seconds", "started", "updated", "exported", "latency_ms", "load_seconds", "signature")
# Compared by content, apart; or different in each start by their nature.
APART = (
    "environment.json",
    "train.log",
    "metrics.jsonl",
    "status.json",
    "export/manifest.json",
)
STEP = re.compile(r"step_(\d+)")


def state_of(run: Path) -> State:
    """Everything in a run folder but times, by name: tensors, numbers, texts, hashes of files."""
    newest, best = checkpoints(run)
    state: State = {}
    for name, folder in (("newest", newest), ("best", best)):
        if folder is not None:
            state |= checkpoint(folder, name)
    for number, line in enumerate(metrics(run)):
        state[f"metrics.jsonl[{number}]"] = line
    state |= curves(run / "tensorboard")
    state |= flat(without_times(read(run / "status.json")), "status")
    if (run / "export").exists():
        state |= flat(without_times(read(run / "export/manifest.json")), "export")
    state |= {f"file {name}": value for name, value in files(run)}
    return state


def checkpoints(run: Path) -> tuple[Path | None, Path | None]:
    """The newest checkpoint and the best one, both verified."""
    found = sorted(p for p in run.glob("checkpoints/step_*") if STEP.fullmatch(p.name))
    best = [path for path in found if manifest_of(path).best]
    return (found[-1] if found else None), (best[-1] if best else None)


def manifest_of(folder: Path) -> Any:
    """The manifest of a checkpoint; raises Unusable unless each file is as it was written."""
    match = STEP.fullmatch(folder.name)
    assert match
    return verify(folder, int(match[1]))


def checkpoint(folder: Path, name: str) -> State:
    """Every tensor, number and text of a checkpoint."""
    parts: dict[str, Any] = {file.name: load_file(file) for file in folder.glob("*.safetensors")}
    parts["training"] = torch.load(folder / "training.pt", weights_only=True)
    parts["state"] = without_times(read(folder / "state.json"))
    return {f"{name}/step": folder.name} | flat(parts, name)


def metrics(run: Path) -> list[str]:
    """The lines of metrics.jsonl as they are, less the times."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [json.dumps({k: v for k, v in json.loads(x).items() if k != "timing"}) for x in lines]


def curves(folder: Path) -> State:
    """What TensorBoard shows: by name the steps and values, less the rates.

    Read as TensorBoard does it, which drops what a continued run says is void.
    """
    if not any(folder.glob("events.*")):
        return {}
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

    # It says each time that it drops something.
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    state: State = {}
    for tag in events.Tags()["tensors"]:
        if not tag.startswith("_hparams_"):
            values = events.Tensors(tag)
            timing = tag.startswith("timing/")
            state[f"tensorboard {tag}"] = [
                (e.step, "" if timing else digest(e.tensor_proto.SerializeToString()))
                for e in values
            ]
    return state


def files(run: Path) -> Iterator[tuple[str, str]]:
    """The names of all files, temporary ones too, and a hash of those that have no part of time."""
    for path in sorted(run.rglob("*")):
        name = str(path.relative_to(run))
        if path.is_dir() or name == ".lock" or name.startswith("tensorboard/"):
            continue
        if not name.startswith("checkpoints/step_"):  # a resumed run keeps its source, too
            yield name, "there" if name in APART else digest(path.read_bytes())


def order_of(begun: list[Begun]) -> State:
    """What each step was given; the last time it was taken, for those taken several times."""
    return {f"step {b.step} was given": b.batches for b in begun}


def differences(found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """A line for each thing that is not exactly as expected."""
    lines = []
    for name in dict.fromkeys((*expected, *found)):
        if name not in found:
            lines.append(f"{name} is missing")
        elif name not in expected:
            lines.append(f"{name} is there, and should not be: {shown(found[name])}")
        elif not same(found[name], expected[name]):
            lines.append(f"{name} {difference(found[name], expected[name])}")
    return lines


def same(one: Any, other: Any) -> bool:
    """Whether two values have the same type and the same bits."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        alike = (one.dtype, one.shape) == (other.dtype, other.shape)
        return alike and bits(one) == bits(other)
    if isinstance(one, float) and isinstance(other, float):
        return one.hex() == other.hex()
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)


def difference(found: Any, expected: Any) -> str:
    """How far apart two values are."""
    if isinstance(found, Tensor) and isinstance(expected, Tensor) and found.shape == expected.shape:
        apart = (found.double() - expected.double()).abs()
        wrong = int((apart > 0).sum())
        return f"differs in {wrong} of {apart.numel()} values, by up to {apart.max().item():g}"
    if isinstance(found, list) and isinstance(expected, list):
        at = next((i for i, (a, b) in enumerate(zip(found, expected)) if not same(a, b)), None)  # noqa: B905
        if at is None:
            return f"has {len(found)} entries instead of {len(expected)}: {shown(found)}"
        return f"is {shown(found[at])} instead of {shown(expected[at])} at place {at}"
    return f"is {shown(found)} instead of {shown(expected)}"


def shown(value: Any) -> str:
    """A value, cut where it is long."""
    text = str(value)
    return text if len(text) <= 200 else f"{text[:197]}..."


def flat(value: Any, name: str) -> State:
    """Nested containers as one level of names."""
    if isinstance(value, Mapping):
        items = [(str(key), part) for key, part in value.items()]
    elif isinstance(value, list | tuple):
        items = [(str(place), part) for place, part in enumerate(value)]
    else:
        return {name: value}
    found: State = {f"{name} entries": len(items)}
    for key, part in items:
        found |= flat(part, f"{name}/{key}")
    return found


def without_times(values: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping, and those in it, without the clock on the wall."""
    return {
        key: without_times(value) if isinstance(value, dict) else value
        for key, value in values.items()
        if key not in TIMING
    }


def read(path: Path) -> Any:
    """The content of a JSON file."""
    return json.loads(path.read_bytes())


def bits(tensor: Tensor) -> bytes:
    """The bytes of a tensor's values, in order."""
    return tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()


def digest(data: bytes) -> str:
    """The SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()
