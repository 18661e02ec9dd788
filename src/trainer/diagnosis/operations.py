"""The single operations of a forward: the first one whose result is no longer finite."""

import linecache
import math
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.overrides import TorchFunctionMode, resolve_name

from trainer.diagnosis.extent import Broken, Extent, broken, extent, extents
from trainer.pasting import nearest

# A line in these says nothing of the model: who called it does.
INSIDE = (str(Path(torch.__file__).parent), str(Path(__file__).parents[1]))
MOST = 4  # tensors that an operation gets, and are shown
UNWRITTEN = ("empty", "new_empty", "resize")  # memory that holds anything
FRAME = re.compile(r'File "(.+)", line (\d+)')


@dataclass
class Place:
    """Where a step is: which turn, which of its batches, in the model or the loss."""

    turn: str = ""
    batch: int = 0  # of the micro-batches of the turn, from 1
    phase: str = ""  # forward, loss, backward
    modules: list[tuple[str, torch.nn.Module]] = field(default_factory=list)  # outermost first


class Event(NamedTuple):
    """Something that isn't finite comes out where all that goes in is."""

    turn: str
    batch: int
    phase: str
    modules: tuple[str, ...]  # by name, outermost first
    kind: str  # type of the innermost module
    operation: str  # such as torch.log, or SqrtBackward0; "" for a module as a whole
    source: str  # file:line: text
    inputs: tuple[Extent, ...]  # of each tensor that goes in
    output: Extent

    @property
    def where(self) -> str:
        """The innermost module."""
        return self.modules[-1] if self.modules else ""

    @property
    def largest(self) -> float:
        """The largest magnitude that goes in."""
        return max((each.largest for each in self.inputs if "float" in each.dtype), default=0.0)

    @property
    def key(self) -> tuple[str, ...]:
        """What makes it the same as in another step."""
        return (self.turn, self.phase, self.where, self.operation, self.source)


def event(
    place: Place, operation: str, source: str, inputs: tuple[Extent, ...], output: Any
) -> Event | None:
    """What has happened at a place; None where the output holds no numbers."""
    found = extent(output)
    if found is None:
        return None
    names = tuple(name for name, _ in place.modules)
    kind = type(place.modules[-1][1]).__name__ if place.modules else ""
    return Event(
        place.turn, place.batch, place.phase, names, kind, operation, source, inputs, found
    )


def facts_of(event: Event) -> dict[str, Any]:
    """Operation, line, what went in and what came out."""
    facts: dict[str, Any] = {"operation": event.operation, "line": event.source}
    facts = {name: told for name, told in facts.items() if told}
    shown = [str(each) for each in event.inputs[:MOST]] or ["none that are tensors"]
    return facts | {"inputs": "; ".join(shown), "result": str(event.output)}


class Operations(TorchFunctionMode):
    """While entered, notes operations that make something not finite out of finite numbers.

    `events` are those; `weaker` those that make NaN of infinities, as inf - inf does. An infinity
    that is asked for, as in masked_fill(..., -inf), is none. `made` names the module in which each
    node of the autograd graph was made.
    """

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.events: list[Event] = []
        self.weaker: list[Event] = []
        self.made: dict[Any, tuple[str, ...]] = {}
        self.looking = True

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pass over the operations within the block: they are ours."""
        before, self.looking = self.looking, False
        try:
            yield
        finally:
            self.looking = before

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Carry an operation out, and look at what goes in and comes out."""
        kwargs = kwargs or {}
        if not self.looking:
            return function(*args, **kwargs)
        before = broken((args, kwargs))
        # In place, it would be overwritten.
        inputs = extents((args, kwargs)) if before != "nan" else ()
        result = function(*args, **kwargs)
        self.label(result)
        if before != "nan" and (after := broken(result)) and after != before:
            self.note(function, args, kwargs, before, inputs, result)
        return result

    def note(
        self, function: Any, args: Any, kwargs: Any, before: Broken, inputs: Any, result: Any
    ) -> None:
        """Keep an operation as an event."""
        name = str(resolve_name(function) or getattr(function, "__name__", function))
        if name.rpartition(".")[2].startswith(UNWRITTEN) or asked_for((*args, *kwargs.values())):
            return
        found = event(self.place, name, source_here(), inputs, result)
        if found is not None:
            (self.weaker if before else self.events).append(found)

    def label(self, result: Any) -> None:
        """Remember in which module the graph of a result was made."""
        names = tuple(name for name, _ in self.place.modules)
        for tensor in result if isinstance(result, tuple | list) else (result,):
            node = getattr(tensor, "grad_fn", None) if isinstance(tensor, torch.Tensor) else None
            if node is not None:
                self.made.setdefault(node, names)


def asked_for(arguments: Iterable[Any]) -> bool:
    """Whether one of the arguments is itself a number that isn't finite."""
    return any(isinstance(value, float) and not math.isfinite(value) for value in arguments)


def source_here() -> str:
    """The line of the model or the loss that is being run: the innermost outside of torch."""

    def frames() -> Iterator[tuple[str, int]]:
        frame = sys._getframe(2)
        while frame is not None and frame.f_back is not None:
            yield frame.f_code.co_filename, frame.f_lineno
            frame = frame.f_back

    return source_of(frames())


def source_then(traceback: Iterable[str]) -> str:
    """The same for an operation of the past, from the traceback that torch has kept."""
    found = (FRAME.search(text) for text in reversed(list(traceback)))
    return source_of((match[1], int(match[2])) for match in found if match)


def source_of(frames: Iterable[tuple[str, int]]) -> str:
    """`net.py:23: return torch.log(x)`, from frames that begin with the innermost."""
    for file, line in frames:
        if file.endswith("diagnosis/watching.py"):
            break  # from here on it is the loop
        if not file.startswith(INSIDE) and not file.startswith("<"):
            return f"{nearest(Path(file))}:{line}: {linecache.getline(file, line).strip()}"
    return ""
