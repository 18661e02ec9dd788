"""All tensors of two checkpoints, held against each other bit by bit."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from trainer.errors import NoUsableCheckpoint
from trainer.reproduction.compared import Compared
from trainer.storage.checkpoint import Checkpoint

# By the clock: it differs between any two runs.
_TIMED = ("seconds",)


@dataclass(frozen=True)
class Parting:
    """A value that differs: in which file, under which name, and by how much at most."""

    file: str
    name: str
    largest: float | None  # None where it can't be said: another shape, no numbers, missing

    def __str__(self) -> str:
        by = "" if self.largest is None else f" by up to {self.largest:.3g}"
        return f"{self.name} of {self.file}{by}"


def compare_checkpoints(what: str, was: Checkpoint | None, now: Checkpoint | None) -> Compared:
    """Compare weights, averaged weights, optimizers and counters of two checkpoints.

    Raises NoUsableCheckpoint for a file that isn't what its name says.
    """
    if was is None or now is None:
        both = was is None and now is None
        return Compared(what, both, "there is none" if both else "only one of them has any")
    steps = {"steps": [was.step, now.step]}
    if was.step != now.step:
        return Compared(what, False, f"of step {was.step} and of step {now.step}", steps)
    names = [*was.manifest.files, *now.manifest.files]
    found, count = list[Parting](), 0
    for name in sorted(set(names), key=names.index):
        if name not in was.manifest.files or name not in now.manifest.files:
            found.append(Parting(name, "all", None))
            continue
        values = content(was, name)
        count += len(values)
        if was.manifest.files[name]["sha256"] != now.manifest.files[name]["sha256"]:
            found += partings(name, values, content(now, name))
    numbers = {
        **steps,
        "values": count,
        "different": len(found),
        "first": (found and vars(found[0])) or None,
        "largest": max((each.largest for each in found if each.largest is not None), default=0.0),
    }
    if not found:
        return Compared(what, True, f"identical in {count} values (step {was.step})", numbers)
    several = f"; {len(found)} of {count} values differ" if len(found) > 1 else ""
    told = f"differ in {worst(found)} (step {was.step}{several})"
    return Compared(what, False, told, numbers)


def worst(found: list[Parting]) -> Parting:
    """The value that differs most, of weights where one of these does."""
    weights = [each for each in found if each.file.endswith(".safetensors")]
    return max(weights or found, key=lambda each: -1 if each.largest is None else each.largest)


def content(checkpoint: Checkpoint, name: str) -> dict[str, Any]:
    """Every value in a file of a checkpoint, by its name."""
    if name == "training.pt":
        return dict(flattened(checkpoint.training()))
    if name == "state.json":
        state = checkpoint.state()
        return dict(flattened({key: v for key, v in state.items() if key not in _TIMED}))
    return dict(tensors(checkpoint.path / name))


def tensors(path: Path) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a safetensors file, mapped from it."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            for key in file.keys():  # noqa: SIM118  # it is no dict
                yield key, file.get_tensor(key)
    except (SafetensorError, OSError, ValueError) as error:
        raise NoUsableCheckpoint(f"{path} can't be read: {error}") from error


def flattened(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every tensor and scalar within plain containers, by its path."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from flattened(part, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from flattened(part, f"{name}[{index}]")
    else:
        yield name, value


def partings(file: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Parting]:
    """The values that differ."""
    for name in {**was, **now}:
        before, after = was.get(name), now.get(name)
        if name in was and name in now and same(before, after):
            continue
        yield Parting(file, name, largest(before, after))


def same(was: Any, now: Any) -> bool:
    """Whether two values have the same bits; a NaN is the same as itself."""
    if isinstance(was, Tensor) and isinstance(now, Tensor):
        if was.dtype != now.dtype or was.shape != now.shape:
            return False
        one, other = (each.contiguous().reshape(-1).view(torch.uint8) for each in (was, now))
        return torch.equal(one, other)
    if isinstance(was, float) and isinstance(now, float) and math.isnan(was):
        return math.isnan(now)
    return type(was) is type(now) and bool(was == now)


def largest(was: Any, now: Any) -> float | None:
    """The largest difference between two values; None where there is no such number."""
    numbers = (int, float, Tensor)
    if not isinstance(was, numbers) or not isinstance(now, numbers):
        return None
    one, other = (torch.as_tensor(each, dtype=torch.float64) for each in (was, now))
    if one.shape != other.shape or one.numel() == 0:
        return None
    found = float((one - other).abs().max())
    return found if math.isfinite(found) else None
