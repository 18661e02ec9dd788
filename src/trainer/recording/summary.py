"""What a model is made of: its layers, shapes, parameters, and the work of one forward."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

if TYPE_CHECKING:
    from rich.table import Table

MOST_ROWS = 40
WIDEST_NAME, WIDEST_TYPE, WIDEST_SHAPE = 34, 20, 24
# Missing in the counter's own table, so that without it attention on CPU would cost nothing.
CPU_ATTENTION = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
NUMBERS = (("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12))


@dataclass(frozen=True)
class Layer:
    """A row: a module, or everything from `depth` down where the table is cut.

    `parameters` are those of the whole row, so that the rows add up to the total; those that
    several rows share are counted in the first.
    """

    name: str
    type: str
    depth: int
    shape: str
    calls: int
    parameters: int


@dataclass(frozen=True)
class Summary:
    """The layers and totals of a model; see `summarise`."""

    model: str
    layers: tuple[Layer, ...]
    parameters: int
    trainable: int
    flops: int
    num_bytes: int

    @property
    def totals(self) -> str:
        """The totals in one line: parameters, trainable, FLOPs of one forward, size."""
        return (
            f"{self.parameters:,} parameters ({self.trainable:,} trainable), "
            f"{shortened(self.flops)}FLOPs a forward, {shortened(self.num_bytes)}B"
        )

    def cells(self) -> list[tuple[str, str, str, str]]:
        """Name, type, output shape and parameters of each row, as text."""
        rows = []
        for layer in self.layers:
            label = "  " * (layer.depth - 1) + layer.name
            kind = layer.type if layer.calls < 2 else f"{layer.type} x{layer.calls}"
            count = f"{layer.parameters:,}" if layer.parameters else ""
            rows.append(
                (_cut(label, WIDEST_NAME), _cut(kind, WIDEST_TYPE), _cut(layer.shape), count)
            )
        return rows

    def table(self) -> Table:
        """The summary for a rich console."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, caption=self.totals, caption_justify="left")
        for title, side in zip(TITLES, ("left", "left", "left", "right"), strict=True):
            table.add_column(title, justify=side, no_wrap=True)  # type: ignore[arg-type]
        for cells in self.cells():
            table.add_row(*(Text(cell) for cell in cells))
        return table

    def text(self) -> str:
        """The summary for a file."""
        rows = [TITLES, *self.cells()]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = []
        for name, kind, shape, count in rows:
            left = f"{name:<{widths[0]}}  {kind:<{widths[1]}}  {shape:<{widths[2]}}"
            lines.append(f"{left}  {count:>{widths[3]}}".rstrip())
        return "\n".join([self.model, "", *lines, "", self.totals]) + "\n"


TITLES = ("layer", "type", "output", "parameters")


def summarise(
    model: nn.Module,
    args: Tensor | Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
) -> Summary:
    """Tell what a model is made of, from one forward in eval mode that leaves no trace.

    args, kwargs: what `forward` takes; one tensor may stand alone. At most 40 rows: the tree is
    shown to the depth that fits. FLOPs are those of matrix products, convolutions and attention, a
    multiplication and an addition counted as two (torch.utils.flop_counter.FlopCounterMode). Size
    is that of parameters and buffers as they are stored.
    Afterwards hooks are gone; training mode, buffers and random states (torch, numpy, random) are
    what they were. Errors: those of the model's own forward.
    """
    # Lazy: 60 ms of import time that only a summary has to pay.
    from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

    def attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
        count: Any = sdpa_flop_count
        return int(count(query, key, value))

    positional = (args,) if isinstance(args, Tensor) else tuple(args)
    seen: dict[nn.Module, list[str]] = {}
    with _untouched(model), _watched(model, seen):
        model.eval()
        counter = FlopCounterMode(display=False, custom_mapping={CPU_ATTENTION: attention})
        with torch.no_grad(), counter:
            model(*positional, **(kwargs or {}))
    parameters = list(model.parameters())
    stored = [*parameters, *model.buffers()]
    return Summary(
        model=type(model).__name__,
        layers=tuple(_layers(model, seen)),
        parameters=sum(parameter.numel() for parameter in parameters),
        trainable=sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        flops=counter.get_total_flops(),
        num_bytes=sum(tensor.numel() * tensor.element_size() for tensor in stored),
    )


def shortened(count: float) -> str:
    """`94.4 k`, `3.6 G`: three digits and a unit prefix; a plain number keeps the space."""
    unit, scale = next((pair for pair in reversed(NUMBERS) if count >= pair[1]), NUMBERS[0])
    return f"{count / scale:.3g} {unit}"


@contextmanager
def _untouched(model: nn.Module) -> Iterator[None]:
    """Put back training mode, buffers and random states."""
    import numpy as np

    training = {module: module.training for module in model.modules()}
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers() if not is_lazy(buffer)]
    kinds = {tensor.device for tensor in (*model.parameters(), *model.buffers())}
    cuda = [device for device in kinds if device.type == "cuda"]
    states = random.getstate(), np.random.get_state()
    mps = torch.mps.get_rng_state() if any(device.type == "mps" for device in kinds) else None
    try:
        with torch.random.fork_rng(devices=cuda):
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        if mps is not None:
            torch.mps.set_rng_state(mps)
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
        for module, mode in training.items():
            module.training = mode


@contextmanager
def _watched(model: nn.Module, seen: dict[nn.Module, list[str]]) -> Iterator[None]:
    """Note the output shapes of each call of each module."""

    def note(module: nn.Module, _inputs: Any, output: Any) -> None:
        seen.setdefault(module, []).append(", ".join(_shapes(output)))

    handles = [module.register_forward_hook(note) for module in model.modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _shapes(output: Any) -> Iterator[str]:
    if isinstance(output, Tensor):
        yield str(list(output.shape))
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from _shapes(value)
    elif isinstance(output, list | tuple):
        for value in output:
            yield from _shapes(value)
    elif is_dataclass(output):
        for field in fields(output):
            yield from _shapes(getattr(output, field.name))


def _layers(model: nn.Module, seen: dict[nn.Module, list[str]]) -> Iterator[Layer]:
    tree = [(name, name.count(".") + 1, module) for name, module in model.named_modules() if name]
    if not tree:
        tree = [("(model)", 1, model)]
    depths = sorted({depth for _, depth, _ in tree})
    fitting = [d for d in depths if sum(depth <= d for _, depth, _ in tree) <= MOST_ROWS]
    cut = fitting[-1] if fitting else 1
    shown = [node for node in tree if node[1] <= cut]
    counted: set[int] = set()
    own = partial(_count, counted=counted)
    layers = []
    direct = own(model.parameters(recurse=False))
    if direct and tree[0][2] is not model:
        layers.append(Layer("(own parameters)", "", 1, "", 1, direct))
    for name, depth, module in shown:
        whole = depth == cut or not any(True for _ in module.children())
        calls = seen.get(module, [])
        layers.append(
            Layer(
                name=name.rpartition(".")[2],
                type=type(module).__name__,
                depth=depth,
                shape=calls[0] if calls else "not called",
                calls=len(calls),
                parameters=own(module.parameters(recurse=whole)),
            )
        )
    yield from layers if len(layers) <= MOST_ROWS else _middle_cut(layers)


def _middle_cut(layers: list[Layer]) -> list[Layer]:
    """One row in place of the middle of a list that even at depth 1 is too long."""
    first, last = MOST_ROWS // 2, MOST_ROWS - MOST_ROWS // 2 - 1
    hidden = layers[first : len(layers) - last]
    count = sum(layer.parameters for layer in hidden)
    middle = Layer(f"({len(hidden)} more)", "", 1, "", 1, count)
    return [*layers[:first], middle, *layers[len(layers) - last :]]


def _count(parameters: Iterator[nn.Parameter], counted: set[int]) -> int:
    total = 0
    for parameter in parameters:
        if id(parameter) not in counted:
            counted.add(id(parameter))
            total += parameter.numel()
    return total


def _cut(text: str, width: int = WIDEST_SHAPE) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."
