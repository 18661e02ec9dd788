"""A step whose batch doesn't fit into memory, taken in smaller pieces with the same gradient."""

import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from trainer.errors import Failed

HELP = "try trainer.precision=bf16, a smaller model or smaller inputs"
COUPLED = (
    "the loss doesn't say what its mean counts, so a batch can't be taken in pieces; return (sum, "
    "weight) from it or set task.weight=samples, or lower loader.batch_size"
)


class Splitting:
    """Into how many pieces each micro-batch is cut: one, until memory runs out.

    Once a step has run out of memory, `pieces` doubles, for it and for all later ones: each piece
    is a micro-batch of its own, and sums over sums give the gradient of the whole. What a split
    would change is not split but refused with the reason: statistics over the batch (BatchNorm),
    other buffers that a forward moves, losses that couple the samples.
    """

    def __init__(self, modules: Mapping[str, nn.Module], allowed: bool) -> None:
        self.modules, self.allowed = modules, allowed
        self.pieces = 1
        self.versions: dict[str, int] = {}

    def begin(self) -> None:
        """Note the buffers as they are before the first forward, to see which ones it moves."""
        self.versions = {name: buffer._version for name, buffer in self.buffers()}

    def cut(self, micro: list[Any]) -> list[Any]:
        """The micro-batches in pieces."""
        return [piece for batch in micro for piece in self.parted(batch)]

    def parted(self, batch: Any) -> list[Any]:
        """One batch as up to `pieces` smaller ones, none of them empty."""
        rows = num_rows(batch)
        assert rows is not None, "retry has looked"
        size = -(-rows // min(self.pieces, rows))
        return [part_of(batch, slice(first, first + size)) for first in range(0, rows, size)]

    def retry(
        self, error: RuntimeError, micro: Sequence[Any], optimizers: Mapping[str, Optimizer]
    ) -> None:
        """Make ready for another try in smaller pieces, where the error is that memory ran out.

        Any other error is raised again; Failed, with the reason, where smaller pieces are not
        allowed or don't help.
        """
        if not self.allowed or not out_of_memory(error):
            raise error
        first = next(iter(str(error).splitlines()), "")
        if reason := self.refusal(micro):
            raise Failed(f"memory ran out ({first}){reason}") from error
        self.pieces *= 2
        for optimizer in optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        # The frames of the failed forward hold what it had made.
        traceback.clear_frames(error.__traceback__)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        elif torch.backends.mps.is_available():
            torch.mps.empty_cache()

    def refusal(self, micro: Sequence[Any]) -> str:
        """Why these micro-batches can't be cut further, "" where they can.

        It goes on from "memory ran out".
        """
        rows = [num_rows(batch) for batch in micro]
        if any(number is None for number in rows):
            return (
                ", and the batch can't be cut: its parts differ in length, or are no tensors; "
                f"lower loader.batch_size, or {HELP}"
            )
        most = max(number for number in rows if number is not None)
        if self.pieces >= most:  # not for want of trying
            return f" with one sample at a time; {HELP}, or another device"
        if name := self.batch_norm():
            return (
                f" with {most} samples, and smaller pieces would change the statistics of "
                f"BatchNorm ({name}); set loader.batch_size={max(1, most // 2)} with "
                f"trainer.accumulate=2 where that is what you want, use GroupNorm, or {HELP}"
            )
        moved = [name for name, b in self.buffers() if b._version != self.versions.get(name)]
        if moved:
            return (
                f" with {most} samples, and smaller pieces would change {moved[0]}, a buffer that "
                f"each forward moves; set loader.batch_size={max(1, most // 2)}, or {HELP}"
            )
        return ""

    def batch_norm(self) -> str:
        """The name of a layer that takes statistics over the batch, "" without one."""
        for name, module in self.modules.items():
            for inner, layer in module.named_modules():
                if isinstance(layer, _BatchNorm) and layer.training:
                    return f"{name}.{inner}".rstrip(".")
        return ""

    def buffers(self) -> list[tuple[str, Tensor]]:
        """Every buffer by its name."""
        return [
            (f"{name}.{inner}", buffer)
            for name, module in self.modules.items()
            for inner, buffer in module.named_buffers()
        ]


def out_of_memory(error: BaseException) -> bool:
    """Whether a device has no memory left; MPS has no error class for it."""
    return isinstance(error, torch.OutOfMemoryError) or "MPS backend out of memory" in str(error)


def num_rows(batch: Any) -> int | None:
    """How many samples a batch holds; None where its parts don't all have one row for each."""
    fields = list(batch.values() if isinstance(batch, Mapping) else batch)
    if not all(isinstance(field, Tensor) and field.dim() for field in fields):
        return None
    lengths = {len(field) for field in fields}
    return lengths.pop() if len(lengths) == 1 else None


def part_of(batch: Any, rows: slice) -> Any:
    """Some rows of a batch."""
    if isinstance(batch, Mapping):
        return {name: field[rows] for name, field in batch.items()}
    return tuple(field[rows] for field in batch)
