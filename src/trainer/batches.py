"""The batches of a loader that hold something."""

from collections.abc import Iterator
from typing import Any

from trainer.protocols import Loader


def batches(loader: Loader, epoch: int = 0) -> Iterator[Any]:
    """The batches of an epoch, without those of which no sample could be read."""
    return (batch for batch in loader.epoch(epoch) if batch is not None)
