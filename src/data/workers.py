"""Batches read by worker processes, through torch's DataLoader."""

import atexit
import multiprocessing
import pickle
import signal
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing.process import BaseProcess
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from data.errors import SampleError
from data.order import Order
from data.processes import exit_code, kill, settle, signals_blocked
from data.sources import BatchSource, one_line, read, shown, to_device
from data.splits import Indices

CHECK_SECONDS = 1.0
Request = tuple[int, Indices]


@dataclass(frozen=True)
class Failure:
    """A SampleError on its way out of a worker: torch would wrap an exception in a traceback."""

    problems: tuple[str, ...]
    """The error's lines."""


class BatchReader(Dataset[Any]):
    """What runs in a worker: a request in, a whole batch out, so that only tensors travel."""

    def __init__(self, source: BatchSource, seed: int, finish: bool) -> None:
        self._source, self._seed, self._finish = source, seed, finish

    def __getitem__(self, request: Request) -> Any:
        epoch, samples = request
        try:
            return read(self._source, samples, epoch, self._seed, self._finish)
        except SampleError as error:
            return Failure(tuple(error.problems))


class Requests(Sampler[Request]):
    """The batches that the workers are to read, until stopped."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._epoch, self._next = 0, 0
        self.num_open = 0

    def begin(self, epoch: int, start: int) -> None:
        """Ask for the batches from `start` of an epoch."""
        self._epoch, self._next = epoch, start

    def stop(self) -> None:
        """Ask for no more."""
        self._next = self._order.num_batches

    def __iter__(self) -> Iterator[Request]:
        while self._next < self._order.num_batches:
            request = self._epoch, self._order.batch(self._epoch, self._next)
            self._next += 1
            self.num_open += 1
            yield request

    def __len__(self) -> int:
        return self._order.num_batches


class WorkerLoader:
    """Lets worker processes read ahead; the order of batches is that of the requests.

    The workers come from a fork server (a forked child would hold this process's locks), live as
    long as the loader, ignore SIGINT and SIGTERM (the main process decides when to stop), and go
    when it is gone.

    Args:
        source: what to read; has to be picklable.
        order: which samples come when.
        seed: for augmentation and transforms.
        device: where batches go; on the CPU they are finished in the worker.
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
        num_workers: int,
        timeout: float,
    ) -> None:
        self._source, self._order, self._seed, self._device = source, order, seed, device
        self._num_workers, self._timeout = num_workers, timeout
        self._requests = Requests(order)
        self._loader: DataLoader[Any] | None = None
        self._batches: Iterator[Any] | None = None
        self._num_begun = 0
        self._processes: list[BaseProcess] = []
        self._at_exit = partial(kill, self._processes)
        self.batch_size, self.num_samples = order.batch_size, order.num_samples
        self.waited = 0.0
        self.kind = f"{num_workers} worker{'s' if num_workers > 1 else ''}"

    def __len__(self) -> int:
        return self._order.num_batches

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Any]:
        """Yield the batches from `start` of that epoch, on the device."""
        began = time.monotonic()
        self._begin(epoch, start)
        self._num_begun += 1
        begun = self._num_begun
        self.waited += time.monotonic() - began
        for number in range(start, len(self)):
            began = time.monotonic()
            assert begun == self._num_begun, "another epoch of this loader has begun"
            samples = self._order.batch(epoch, number)
            batch = self._next(samples, epoch)
            if self._device.type != "cpu":
                batch = self._source.finish(
                    to_device(batch, self._device), samples, epoch, self._seed
                )
            self.waited += time.monotonic() - began
            yield batch

    def indices(self, epoch: int, batch: int) -> list[int]:
        """Return which samples a batch holds."""
        return self._order.members(epoch, batch)

    def close(self) -> None:
        """End the workers; a later epoch would start new ones."""
        self._requests.stop()
        self._requests.num_open = 0
        # The last reference gone, torch tells the workers to end and waits for them.
        self._batches = self._loader = None
        kill(self._processes)
        self._processes.clear()
        atexit.unregister(self._at_exit)

    def _begin(self, epoch: int, start: int) -> None:
        if self._loader is not None:
            # An epoch that was left early has batches on their way: torch's reset would wait for
            # them without a patience of ours.
            self._requests.stop()
            while self._requests.num_open:
                self._next(None, epoch)
            self._requests.begin(epoch, start)
            self._batches = iter(self._loader)
            return
        self._requests.begin(epoch, start)
        before = set(multiprocessing.active_children())
        self._loader = self._made()
        try:
            with signals_blocked(), warnings.catch_warnings():
                # The error below says it, too.
                warnings.filterwarnings("ignore", message="Got pickle error")
                self._batches = iter(self._loader)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            self.close()
            raise SampleError(
                f"the dataset can't be sent to workers ({one_line(error)}); define it at the top "
                "level of a module, or set loader.num_workers=0"
            ) from error
        self._processes += set(multiprocessing.active_children()) - before
        atexit.register(self._at_exit)

    def _made(self) -> DataLoader[Any]:
        methods = multiprocessing.get_all_start_methods()
        method = "forkserver" if "forkserver" in methods else "spawn"
        context = multiprocessing.get_context(method)
        if method == "forkserver":
            # The server imports torch once, so that each worker starts with it.
            context.set_forkserver_preload(["torch"])
        return DataLoader(
            BatchReader(self._source, self._seed, finish=self._device.type == "cpu"),
            batch_size=None,
            sampler=self._requests,
            num_workers=self._num_workers,
            collate_fn=_unchanged,
            pin_memory=self._device.type == "cuda",
            timeout=CHECK_SECONDS,
            worker_init_fn=settle,
            multiprocessing_context=context,
            persistent_workers=True,
            # Without one, torch draws from the global generator, and so changes the training.
            generator=torch.Generator(),
        )

    def _next(self, samples: Indices | None, epoch: int) -> Any:
        """Wait for the next batch, at most `timeout` seconds; any failure ends the workers."""
        assert self._batches is not None
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                batch = next(self._batches)
                break
            except (RuntimeError, OSError, EOFError) as error:
                # torch looks after its workers only where its own timeout is over; after that it
                # can be asked again.
                if "timed out after" in str(error) and time.monotonic() < deadline:
                    continue
                message = self._why(error, samples, epoch)
                kill(self._processes)
                self.close()
                raise SampleError(message) from error
        self._requests.num_open -= 1
        if isinstance(batch, Failure):
            self.close()
            raise SampleError(*batch.problems)
        return batch

    def _why(self, error: BaseException, samples: Indices | None, epoch: int) -> str:
        """Return what happened to the workers, and what to do."""
        where = f"epoch {epoch}" + ("" if samples is None else f", samples {shown(samples)}")
        ended = [process for process in self._processes if exit_code(process) not in (None, 0)]
        if not ended:
            if "timed out after" in str(error):
                return (
                    f"the data workers gave no batch for {self._timeout:g} s ({where}); see where "
                    "they hang with loader.num_workers=0, or raise loader.timeout"
                )
            return f"the data workers failed ({one_line(error)}; {where}); try loader.num_workers=0"
        code = ended[0].exitcode or 0
        how, hint = f"exited with code {code}", "see its last lines above"
        if code == 1:
            hint += " (a script that starts workers needs if __name__ == '__main__':)"
        if code < 0:
            how = f"was killed by {signal.Signals(-code).name}"
            hint = "often memory has run out"
            if -code == getattr(signal, "SIGBUS", None):
                hint = "often shared memory (/dev/shm) has run out"
        return (
            f"a data worker (pid {ended[0].pid}) {how} ({where}); {hint}: try fewer workers, or "
            "loader.num_workers=0"
        )


def _unchanged(batch: Any) -> Any:
    return batch
