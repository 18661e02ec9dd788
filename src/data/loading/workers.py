"""Batches read by worker processes, through torch's DataLoader."""

import atexit
import errno
import multiprocessing
import pickle
import time
import warnings
import weakref
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch.utils.data import DataLoader

from data.bad_samples import Bad, Ledger
from data.errors import SampleError
from data.loading.crew import CHECK_SECONDS, TRY, Crew, start_context
from data.loading.order import Order
from data.loading.processes import settle, signals_blocked
from data.loading.reading import finished
from data.loading.requests import NO_ROOM, BatchReader, Failure, Requests
from data.loading.sources import BatchSource, one_line, out_of_shared_memory, to_device

CLOSE_SECONDS = 10.0


class WorkerLoader:
    """Lets worker processes read ahead; the order of batches is that of the requests.

    The workers come from a fork server (a forked child would hold this process's locks), live as
    long as the loader, ignore SIGINT, SIGTERM and SIGUSR1 (the main process decides when to stop),
    and go when it is gone.

    Args:
        source: what to read; has to be picklable.
        order: which samples come when.
        seed: for augmentation and transforms.
        device: where batches go; on the CPU they are finished in the worker.
        ledger: what to do about bad samples.
        num_workers: processes.
        timeout: seconds without a batch after which the workers count as hung.
    """

    def __init__(
        self,
        source: BatchSource,
        order: Order,
        *,
        seed: int,
        device: torch.device,
        ledger: Ledger,
        num_workers: int,
        timeout: float,
    ) -> None:
        self._source, self._order, self._seed, self._device = source, order, seed, device
        self._ledger, self._num_workers, self._timeout = ledger, num_workers, timeout
        self._requests = Requests(order)
        self._crew: Crew | None = None
        self._batches: Iterator[Any] | None = None
        self._num_begun = 0
        self.batch_size, self.num_samples = order.batch_size, order.num_samples
        self.waited = 0.0
        self.kind = f"{num_workers} worker{'s' if num_workers > 1 else ''}"

    def __len__(self) -> int:
        return self._order.num_batches

    @property
    def bad(self) -> Sequence[Bad]:
        """The samples that were left out so far."""
        return self._ledger.bad

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Any]:
        """Yield the batches from `start` of that epoch, on the device; None for an empty one."""
        began = time.monotonic()
        self._begin(epoch, start)
        self._num_begun += 1
        begun = self._num_begun
        self.waited += time.monotonic() - began
        for number in range(start, len(self)):
            began = time.monotonic()
            assert begun == self._num_begun, "another epoch of this loader has begun"
            answer = self._next()
            assert answer is not None
            if isinstance(answer, Failure):
                self.close()
                raise SampleError(*answer.problems)
            samples = self._order.batch(epoch, number)
            samples = self._ledger.enter(epoch, number, samples, answer.bad)
            batch = answer.batch
            if batch is not None and self._device.type != "cpu":
                batch = to_device(batch, self._device)
                batch = finished(self._source, batch, samples, epoch, self._seed)
            self.waited += time.monotonic() - began
            yield batch

    def indices(self, epoch: int, batch: int) -> list[int]:
        """Return which samples a batch holds, less those that it was given out without."""
        return self._ledger.without_bad(epoch, batch, self._order.members(epoch, batch))

    def close(self) -> None:
        """End the workers; a later epoch would start new ones."""
        if (crew := self._crew) is None:
            return
        # The last reference gone, torch tells the workers to end and waits for them.
        with crew.watched(CLOSE_SECONDS):
            self._batches = None
        self._crew = None
        self._requests.begin(0, len(self))
        self._requests.num_open = 0
        crew.end()
        atexit.unregister(crew.end)

    def _begin(self, epoch: int, start: int) -> None:
        """Ask for an epoch; what is still on its way from the one before comes first."""
        waiting = self._requests.num_open
        self._requests.begin(epoch, start)
        if self._crew is None:
            self._start()
        for _ in range(waiting):
            self._next()

    def _start(self) -> None:
        """Start the workers."""
        before = set(multiprocessing.active_children())
        context = start_context()
        try:
            crew = self._crew = Crew(self._num_workers, context)
            loader = self._made(crew, context)
            with signals_blocked(), warnings.catch_warnings():
                # The error below says it, too.
                warnings.filterwarnings("ignore", message="Got pickle error")
                self._batches = iter(loader)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            self.close()
            raise SampleError(
                f"the dataset can't be sent to workers ({one_line(error)}); define it at the top "
                "level of a module, or set loader.num_workers=0"
            ) from error
        except (OSError, EOFError, RuntimeError) as error:
            self.close()
            full = out_of_shared_memory(error) or getattr(error, "errno", None) == errno.ENOSPC
            why = NO_ROOM if full else f"{one_line(error)}; {TRY}"
            raise SampleError(f"data workers can't be started: {why}") from error
        crew.processes += set(multiprocessing.active_children()) - before
        atexit.register(crew.end)
        # The watch holds the crew, and nobody else would end it.
        weakref.finalize(self, crew.end).atexit = False

    def _made(self, crew: Crew, context: Any) -> DataLoader[Any]:
        reader = BatchReader(
            self._source,
            self._seed,
            finish=self._device.type == "cpu",
            skip=self._ledger.skips,
            doing=crew.doing,
        )
        return DataLoader(
            reader,
            batch_size=None,
            sampler=self._requests,
            num_workers=self._num_workers,
            collate_fn=_unchanged,
            pin_memory=self._device.type == "cuda",
            timeout=CHECK_SECONDS,
            worker_init_fn=partial(settle, crew.stacks.writer),
            multiprocessing_context=context,
            # Without one, torch draws from the global generator, and so changes the training.
            generator=torch.Generator(),
        )

    def _next(self) -> Any:
        """Wait for the next answer, at most `timeout` seconds; any failure ends the workers."""
        crew, batches = self._crew, self._batches
        assert crew is not None and batches is not None
        with crew.watched(self._timeout):
            while True:
                try:
                    answer = next(batches)
                    break
                except (RuntimeError, OSError, EOFError) as error:
                    # torch looks after its workers only where its own timeout is over; after that
                    # it can be asked again.
                    if "timed out after" in str(error):
                        continue
                    message = crew.why_lost(error, self._order, self._timeout)
                    crew.end()
                    self.close()
                    raise SampleError(message) from error
        self._requests.num_open -= 1
        return answer


def _unchanged(batch: Any) -> Any:
    return batch
