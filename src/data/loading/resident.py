"""Data that lies on the device: batches are views, no worker and no copy per batch."""

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from data.bad_samples import Bad
from data.loading.order import Order
from data.loading.sources import BatchSource, to_device
from data.splits import Indices

CHUNK_BYTES = 32 << 20


class ResidentLoader:
    """Gathers (and augments) several batches at once and hands out views of them.

    Args:
        source: tensors for a batch, all of which fit on the device.
        order: which samples come when.
        seed: for augmentation.
        device: where the data is to lie.
        keep_finished: finish all samples once and keep them, for a source that is not augmented.
    """

    def __init__(
        self,
        source: BatchSource,
        order: Order,
        *,
        seed: int,
        device: torch.device,
        keep_finished: bool,
    ) -> None:
        everything = np.arange(len(source))
        self._store: tuple[Tensor, ...] = to_device(source.fetch(everything, 0, seed), device)
        self._source = None if keep_finished else source
        if keep_finished:
            self._store = source.finish(self._store, everything, 0, seed)
        self._order, self._seed, self._device = order, seed, device
        # Finished samples are float32: up to four bytes for a stored one.
        growth = 1 if keep_finished else 4
        one = max(1, sum(tensor[0].nbytes for tensor in self._store) * growth)
        self._batches_per_chunk = max(1, CHUNK_BYTES // (one * order.batch_size))
        self.batch_size, self.num_samples = order.batch_size, order.num_samples
        self.waited = 0.0
        self.kind = f"resident on {device}"
        # What is in memory can be read.
        self.bad: Sequence[Bad] = ()

    def __len__(self) -> int:
        return self._order.num_batches

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Any]:
        """Yield the batches from `start` of that epoch, on the device."""
        size, step = self.batch_size, self._batches_per_chunk
        # Chunks begin at fixed batches: a resumed epoch has each batch at the same alignment in
        # memory, on which the kernels chosen, and so the last bits, may depend.
        for first in range(start - start % step, len(self), step):
            began = time.monotonic()
            samples = self._order.epoch(epoch)[first * size : (first + step) * size]
            chunk = self._chunk(samples, epoch)
            batches = zip(*(torch.split(tensor, size) for tensor in chunk), strict=True)
            skipped = islice(batches, max(0, start - first), None)
            self.waited += time.monotonic() - began
            yield from skipped

    def indices(self, epoch: int, batch: int) -> list[int]:
        """Return which samples a batch holds."""
        return self._order.members(epoch, batch)

    def close(self) -> None:
        """Nothing to end."""

    def _chunk(self, samples: Indices, epoch: int) -> tuple[Tensor, ...]:
        rows = torch.from_numpy(samples).to(self._device)
        chunk = tuple(tensor.index_select(0, rows) for tensor in self._store)
        if self._source is None:
            return chunk
        finished: tuple[Tensor, ...] = self._source.finish(chunk, samples, epoch, self._seed)
        return finished
