"""The inputs of an artefact: their names, and which of their sizes may vary."""

from __future__ import annotations

import inspect
import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from trainer.export.formats import NotPossible

BATCH = "batch"
Dynamic = Mapping[str, Mapping[int, str]]


@dataclass(frozen=True)
class Input:
    """One input of an artefact; a dimension that may vary has a name in `dynamic`."""

    name: str
    dtype: str  # as numpy has it
    shape: tuple[int, ...]  # of the example
    dynamic: Mapping[int, str]

    def entry(self) -> dict[str, Any]:
        """What the manifest says of it; a size is None where it may vary."""
        sizes = [None if d in self.dynamic else size for d, size in enumerate(self.shape)]
        names = [self.dynamic.get(d) for d in range(len(self.shape))]
        return {"name": self.name, "dtype": self.dtype, "shape": sizes, "dimensions": names}


def described(
    names: Sequence[str],
    example: Sequence[Tensor],
    seen: Sequence[Sequence[Tensor]],
    numbers: Sequence[int],
    dynamic: Dynamic,
) -> list[Input]:
    """Every input with the dimensions that may vary.

    `seen` are the inputs of a few batches of `numbers` samples. A first dimension that is the
    number of samples varies; so does one in which the batches differ, and one named in `dynamic`.
    """
    refuse_unknown(names, example, dynamic)
    labels: dict[tuple[int, ...], str] = {tuple(numbers): BATCH}
    inputs = []
    for name, value, column in zip(names, example, zip(*seen, strict=True), strict=True):
        found: dict[int, str] = {}
        for dim in range(value.ndim):
            sizes = tuple(tensor.shape[dim] for tensor in column)
            if dim == 0 and sizes == tuple(numbers):
                found[dim] = BATCH
            elif dim in dynamic.get(name, {}):
                found[dim] = dynamic[name][dim]
            elif len(set(sizes)) > 1:
                # What always has the size of another varies together with it.
                found[dim] = labels.setdefault(sizes, f"{name}_{dim}")
        dtype = str(value.dtype).removeprefix("torch.")
        inputs.append(Input(name, dtype, tuple(value.shape), found))
    return inputs


def refuse_unknown(names: Sequence[str], example: Sequence[Tensor], dynamic: Dynamic) -> None:
    """Raise NotPossible for names and numbers in `dynamic` that no input has."""
    ranks = dict(zip(names, (value.ndim for value in example), strict=True))
    for name, dims in dynamic.items():
        if name not in ranks:
            raise NotPossible(
                f"export.dynamic names {name}, which is no input of the model; write "
                f"{' or '.join(names)}"
            )
        if wrong := [dim for dim in dims if not 0 < dim < ranks[name]]:
            allowed = f"1 to {ranks[name] - 1}" if ranks[name] > 1 else "none"
            raise NotPossible(f"export.dynamic.{name} has {wrong[0]}; of its dimensions, {allowed}")


def positional_names(model: nn.Module, count: int) -> list[str]:
    """What a model's forward calls its first inputs."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = inspect.signature(model.forward).parameters.values()
    except (TypeError, ValueError):
        parameters = inspect.Signature().parameters.values()
    names = [each.name for each in parameters if each.kind in kinds][:count]
    return names + ["input" if n == 0 else f"input_{n}" for n in range(len(names), count)]


def identifiers(names: Sequence[str]) -> list[str]:
    """The names as Python can have them for arguments, each once."""
    found: list[str] = []
    for name in names:
        plain = re.sub(r"\W", "_", name, flags=re.ASCII)
        if not plain.isidentifier() or keyword.iskeyword(plain) or plain in ("self", *found):
            plain = f"input_{len(found)}"
        found.append(plain)
    return found
