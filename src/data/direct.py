"""Batches read in this process, one when it is asked for."""

import time
from collections.abc import Iterator
from typing import Any

import torch

from data.order import Order
from data.sources import BatchSource, read, to_device


class DirectLoader:
    """Reads each batch when the consumer asks for it.

    Args:
        source: what to read.
        order: which samples come when.
        seed: for augmentation and transforms.
        device: where batches go, and where they are finished.
    """

    def __init__(
        self, source: BatchSource, order: Order, *, seed: int, device: torch.device
    ) -> None:
        self._source, self._order, self._seed, self._device = source, order, seed, device
        self.batch_size, self.num_samples = order.batch_size, order.num_samples
        self.waited = 0.0
        self.kind = "in this process"

    def __len__(self) -> int:
        return self._order.num_batches

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Any]:
        """Yield the batches from `start` of that epoch, on the device."""
        on_cpu = self._device.type == "cpu"
        for number in range(start, len(self)):
            began = time.monotonic()
            samples = self._order.batch(epoch, number)
            batch = read(self._source, samples, epoch, self._seed, finish=on_cpu)
            if not on_cpu:
                batch = self._source.finish(
                    to_device(batch, self._device), samples, epoch, self._seed
                )
            self.waited += time.monotonic() - began
            yield batch

    def indices(self, epoch: int, batch: int) -> list[int]:
        """Return which samples a batch holds."""
        return self._order.members(epoch, batch)

    def close(self) -> None:
        """Nothing to end."""
