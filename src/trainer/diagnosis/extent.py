"""How large the numbers in tensors are, and whether all of them are finite."""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

Broken = Literal["", "inf", "nan"]
DEEPEST = 5  # levels of lists, dicts and objects that are looked into


class Extent(NamedTuple):
    """What is in some tensors: how many numbers, how many of them not finite, and the range."""

    total: int
    nan: int
    inf: int  # of either sign
    negative: int  # of these, those that are -inf
    low: float  # smallest and largest of the finite ones, NaN where there are none
    high: float
    dtype: str

    @property
    def largest(self) -> float:
        """The largest magnitude of the finite ones."""
        return max(abs(self.low), abs(self.high))

    @property
    def value(self) -> str:
        """What is not finite among them: nan, inf, -inf, or nothing."""
        if self.nan or not self.inf:
            return "nan" if self.nan else ""
        return "-inf" if self.negative == self.inf else "inf"

    def __str__(self) -> str:
        ranged = "none finite" if math.isnan(self.low) else f"{self.low:.4g}"
        if self.high > self.low:
            ranged += f" to {self.high:.4g}"
        counted = [
            f"{number:,} {name}"
            for number, name in (
                (self.nan, "nan"),
                (self.inf - self.negative, "inf"),
                (self.negative, "-inf"),
            )
            if number
        ]
        beside = f"{', '.join(counted)} of {self.total:,}; " if counted else ""
        return f"{beside}{ranged} ({self.dtype})"


def tensors(value: Any, depth: int = DEEPEST, *, whole: bool = False) -> Iterator[Tensor]:
    """Every tensor of floats in a value: in containers, and in the fields of plain objects.

    With `whole` those of whole numbers, too.
    """
    if isinstance(value, Tensor):
        if whole or value.is_floating_point() or value.is_complex():
            if value.layout == torch.strided:
                yield value.detach()
            elif value.layout == torch.sparse_coo:
                yield value.detach().coalesce().values()
        return
    if depth == 0 or isinstance(value, str | bytes | type | torch.nn.Module):
        return
    parts: Iterable[Any] = ()
    if isinstance(value, Mapping):
        parts = value.values()
    elif isinstance(value, list | tuple | set):
        parts = value
    elif hasattr(value, "__dict__") and not callable(value):
        parts = vars(value).values()
    for part in parts:
        yield from tensors(part, depth - 1, whole=whole)


def broken(value: Any) -> Broken:
    """What is not finite in a value's tensors: NaN before infinity, "" where all is."""
    found: Broken = ""
    for tensor in tensors(value):
        try:
            if tensor.isfinite().all():
                continue
            if tensor.isnan().any():
                return "nan"
        except RuntimeError:
            continue  # of a kind that can't be looked at, such as within vmap
        found = "inf"
    return found


def extent(value: Any) -> Extent | None:
    """The extent of a value's tensors; None where it holds no numbers."""
    found = measured(tensors(value))
    if not found:
        return None
    dtypes = dict.fromkeys(each.dtype for each in found)
    lows = [each.low for each in found if not math.isnan(each.low)]
    highs = [each.high for each in found if not math.isnan(each.high)]
    return Extent(
        sum(each.total for each in found),
        sum(each.nan for each in found),
        sum(each.inf for each in found),
        sum(each.negative for each in found),
        min(lows, default=math.nan),
        max(highs, default=math.nan),
        ", ".join(dtypes),
    )


def extents(value: Any) -> tuple[Extent, ...]:
    """The extent of each of a value's tensors, also of whole numbers."""
    return tuple(measured(tensors(value, whole=True)))


def measured(values: Iterable[Tensor]) -> list[Extent]:
    """The extents of those that hold something and can be looked at; not so within vmap."""
    found = []
    for tensor in values:
        with suppress(RuntimeError):
            found += [one(tensor)] if tensor.numel() else []
    return found


def one(tensor: Tensor) -> Extent:
    """The extent of a tensor that isn't empty; of complex numbers, of their magnitudes."""
    real = tensor.abs() if tensor.is_complex() else tensor
    if real.dtype == torch.bool:
        real = real.to(torch.uint8)
    finite = real.isfinite()
    # No copy is made of what is finite, as nearly all is: memory may be short.
    kept = real if finite.all() else real[finite]
    low, high = map(float, kept.aminmax()) if kept.numel() else (math.nan, math.nan)
    missing = real.numel() - kept.numel()
    return Extent(
        real.numel(),
        int(real.isnan().sum()) if missing else 0,
        int(real.isinf().sum()) if missing else 0,
        int(real.isneginf().sum()) if missing else 0,
        low,
        high,
        str(tensor.dtype).removeprefix("torch."),
    )


def unsound(module: torch.nn.Module) -> set[str]:
    """The names of parameters and buffers that hold something not finite."""
    named = (*module.named_parameters(), *module.named_buffers())
    return {name for name, tensor in named if broken(tensor)}
