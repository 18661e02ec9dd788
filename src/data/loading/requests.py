"""What is asked of a worker process, and what it answers: a whole batch at a time."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler, get_worker_info

from data.bad_samples import Bad
from data.errors import SampleError
from data.loading.crew import IDLE
from data.loading.order import Order
from data.loading.reading import read
from data.loading.sources import BatchSource, each_tensor, out_of_shared_memory, shown
from data.splits import Indices

NO_ROOM = (
    "shared memory (/dev/shm) has run out; give it more (docker run --shm-size=2g), or try fewer "
    "workers, a smaller loader.batch_size, or loader.num_workers=0"
)


@dataclass(frozen=True)
class Request:
    """A batch that a worker is to read."""

    epoch: int
    batch: int
    samples: Indices


@dataclass(frozen=True)
class Answer:
    """A batch on its way out of a worker, with what was left out of it."""

    batch: Any
    bad: Sequence[Bad]

    def pin_memory(self) -> "Answer":
        """Return it with tensors that an accelerator can fetch; torch's own loses the types."""
        return Answer(each_tensor(self.batch, Tensor.pin_memory), self.bad)


@dataclass(frozen=True)
class Failure:
    """A SampleError on its way out of a worker: torch would wrap an exception in a traceback."""

    problems: tuple[str, ...]
    """The error's lines."""


class BatchReader(Dataset[Any]):
    """What runs in a worker: a request in, a whole batch out, so that only tensors travel."""

    def __init__(
        self, source: BatchSource, seed: int, *, finish: bool, skip: bool, doing: Tensor
    ) -> None:
        self._source, self._seed, self._finish, self._skip = source, seed, finish, skip
        self._doing = doing

    def __getitem__(self, request: Request | None) -> Answer | Failure | None:
        if request is None:
            return None
        worker = get_worker_info()
        assert worker is not None
        row = self._doing[worker.id]
        row.copy_(torch.tensor([os.getpid(), request.epoch, request.batch]))
        try:
            return self._answer(request)
        except SampleError as error:
            return Failure(tuple(error.problems))
        except RuntimeError as error:
            if not out_of_shared_memory(error):
                raise
            task = f"epoch {request.epoch}, samples {shown(request.samples)}"
            return Failure((f"a data worker (pid {os.getpid()}, {task}) failed: {NO_ROOM}",))
        finally:
            row[1:] = IDLE

    def _answer(self, request: Request) -> Answer:
        batch, bad = read(
            self._source,
            request.samples,
            request.epoch,
            self._seed,
            finish=self._finish,
            skip=self._skip,
        )
        # Left to the queue's own thread, a failure would be printed there, and the batch be lost.
        return Answer(each_tensor(batch, _shared), bad)


class Requests(Sampler[Request | None]):
    """The batches that the workers are to read, without end: beyond an epoch there is nothing.

    torch asks for a next one with each batch that it gives out, always as many ahead. So an epoch
    begins when what was asked for before has come back.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self._epoch, self._next = 0, order.num_batches
        self.num_open = 0

    def begin(self, epoch: int, start: int) -> None:
        """Ask for the batches from `start` of an epoch."""
        self._epoch, self._next = epoch, start

    def __iter__(self) -> Iterator[Request | None]:
        while True:
            self.num_open += 1
            if self._next >= self._order.num_batches:
                yield None
                continue
            samples = self._order.batch(self._epoch, self._next)
            self._next += 1
            yield Request(self._epoch, self._next - 1, samples)


def _shared(tensor: Tensor) -> Tensor:
    return tensor.share_memory_() if tensor.layout == torch.strided else tensor
