"""Memory that the tensors of a state are copied into, the same for every checkpoint."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

# A tensor, and whether its copy is to be contiguous; returns the memory of the copy.
Reserve = Callable[[Tensor, bool], Tensor]


class Buffers:
    """CPU memory for copies of tensors, allocated once and used again while shapes and dtypes fit.

    New memory costs several times what the copying into it does. Since the next copies go into the
    very memory of the last ones, nobody may be reading those any more. What comes from CUDA is
    copied into pinned memory, with one wait for all of it.
    """

    def __init__(self) -> None:
        self._held: list[tuple[object, Tensor]] = []

    def num_bytes(self) -> int:
        """Return how much memory is held."""
        return sum(buffer.nbytes for _, buffer in self._held)

    @contextmanager
    def filling(self) -> Iterator[Reserve]:
        """Give memory for each tensor within the block; at its end, all are copied at once.

        The copies keep values bit for bit, and strides unless they are to be contiguous. An error
        within the block copies nothing; memory that nothing was asked for any more is given back.
        """
        kept: list[tuple[object, Tensor]] = []
        copies: list[Tensor] = []
        sources: list[Tensor] = []

        def reserve(source: Tensor, contiguous: bool) -> Tensor:
            if source.layout != torch.strided or source.is_quantized:
                return source.to("cpu", copy=True)
            # By order, not by name: the names of a state's containers need not be unique.
            held = self._held[len(kept)] if len(kept) < len(self._held) else None
            stride = None if contiguous else source.stride()
            form = (source.shape, stride, source.dtype, source.is_cuda)
            buffer = held[1] if held and held[0] == form else _memory(source, contiguous)
            kept.append((form, buffer))
            copies.append(buffer)
            sources.append(source)
            return buffer

        yield reserve
        self._held = kept
        _copy(copies, sources)


def _memory(source: Tensor, contiguous: bool) -> Tensor:
    layout = torch.contiguous_format if contiguous else torch.preserve_format
    return torch.empty_like(
        source, device="cpu", memory_format=layout, pin_memory=source.is_cuda, requires_grad=False
    )


def _copy(copies: list[Tensor], sources: list[Tensor]) -> None:
    if not any(source.is_cuda for source in sources):
        with torch.no_grad():
            torch._foreach_copy_(copies, sources)
        return
    for copy, source in zip(copies, sources, strict=True):
        # Only into pinned memory can a copy run on while the next one is asked for.
        copy.copy_(source, non_blocking=source.is_cuda)
    for device in {source.device for source in sources if source.is_cuda}:
        torch.cuda.synchronize(device)
