"""Batches read in this process, one when it is asked for."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from data.bad_samples import Bad, Ledger
from data.loading.order import Order
from data.loading.reading import finished, read
from data.loading.sources import BatchSource, to_device


class DirectLoader:
    """Reads each batch when the consumer asks for it.

    Args:
        source: what to read.
        order: which samples come when.
        seed: for augmentation and transforms.
        device: where batches go, and where they are finished.
        ledger: what to do about bad samples.
    """

    def __init__(
        self,
        source: BatchSource,
        order: Order,
        *,
        seed: int,
        device: torch.device,
        ledger: Ledger,
    ) -> None:
        self._source, self._order, self._seed, self._device = source, order, seed, device
        self._ledger = ledger
        self.batch_size, self.num_samples = order.batch_size, order.num_samples
        self.waited = 0.0
        self.kind = "in this process"

    def __len__(self) -> int:
        return self._order.num_batches

    @property
    def bad(self) -> Sequence[Bad]:
        """The samples that were left out so far."""
        return self._ledger.bad

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Any]:
        """Yield the batches from `start` of that epoch, on the device; None for an empty one."""
        on_cpu = self._device.type == "cpu"
        skip = self._ledger.skips
        for number in range(start, len(self)):
            began = time.monotonic()
            samples = self._order.batch(epoch, number)
            batch, bad = read(self._source, samples, epoch, self._seed, finish=on_cpu, skip=skip)
            samples = self._ledger.enter(epoch, number, samples, bad)
            if batch is not None and not on_cpu:
                batch = to_device(batch, self._device)
                batch = finished(self._source, batch, samples, epoch, self._seed)
            self.waited += time.monotonic() - began
            yield batch

    def indices(self, epoch: int, batch: int) -> list[int]:
        """Return which samples a batch holds, less those that it was given out without."""
        return self._ledger.without_bad(epoch, batch, self._order.members(epoch, batch))

    def close(self) -> None:
        """Nothing to end."""
