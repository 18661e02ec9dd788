"""The worker processes of a loader, what each is doing, and what is said when one is lost."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess

import torch

from data.loading.order import Order
from data.loading.processes import exit_code, kill
from data.loading.sources import one_line, shown
from data.loading.stacks import Stacks, place_in

CHECK_SECONDS = 1.0
IDLE = -1
TRY = "try fewer workers, or loader.num_workers=0"


class Crew:
    """Workers that are watched: when the main process has waited too long, they are ended.

    A thread watches. The main process itself may be in the middle of taking a batch from the very
    worker that hangs, which has no timeout; it comes back when that worker is gone.

    Args:
        num_workers: how many they are.
        context: how they are started.
    """

    def __init__(self, num_workers: int, context: BaseContext) -> None:
        self.processes: list[BaseProcess] = []
        self.stacks = Stacks(context)
        # A row for each: its pid, and epoch and batch that it is reading.
        self.doing = torch.full((num_workers, 3), IDLE).share_memory_()
        self.hung: tuple[int, str] | None = None
        self._deadline: float | None = None
        self._over = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    @contextmanager
    def watched(self, seconds: float) -> Iterator[None]:
        """End the workers if what is done within takes longer."""
        self._deadline = time.monotonic() + seconds
        try:
            yield
        finally:
            self._deadline = None

    def end(self) -> None:
        """End the workers and the watch; a second call does nothing."""
        self._over.set()
        kill(self.processes)
        self.processes.clear()
        self.stacks.close()

    def why_lost(self, error: BaseException, order: Order, timeout: float) -> str:
        """Return what happened to the workers that made the main process fail."""
        if self.hung is not None:
            pid, stack = self.hung
            where = f"a data worker (pid {pid}) gave no batch for {timeout:g} s"
            if pid == IDLE:
                where = f"the data workers gave no batch for {timeout:g} s"
            place = f"it is at {place}: mend what hangs there" if (place := place_in(stack)) else ""
            return (
                f"{where} ({self._task(pid, order)}); {place or 'look where it hangs'}, raise "
                "loader.timeout if it is only slow, or see with loader.num_workers=0"
            )
        ended = [each for each in self.processes if exit_code(each) is not None]
        if not ended:
            return f"the data workers failed ({one_line(error)}); {TRY}"
        worker = max(ended, key=lambda each: each.exitcode != 0)
        code = worker.exitcode or 0
        how, hint = f"exited with code {code}", "see its last lines above"
        if code == 1:
            hint += " (a script that starts workers needs if __name__ == '__main__':)"
        if code < 0:
            how = f"was killed by {signal.Signals(-code).name}"
            hint = "often memory has run out"
            if place := place_in(self.stacks.written()):
                hint = f"it crashed at {place}"
            if -code == getattr(signal, "SIGBUS", None):
                hint = "often shared memory (/dev/shm) has run out"
        return (
            f"a data worker (pid {worker.pid}) {how} ({self._task(worker.pid, order)}); {hint}: "
            f"{TRY}"
        )

    def _task(self, pid: int | None, order: Order) -> str:
        for number, epoch, batch in self._tasks():
            if number == pid:
                return f"epoch {epoch}, samples {shown(order.batch(epoch, batch))}"
        return "between two batches"

    def _tasks(self) -> Sequence[tuple[int, int, int]]:
        """What is being read: pid, epoch and batch."""
        return [(pid, epoch, batch) for pid, epoch, batch in self.doing.tolist() if epoch != IDLE]

    def _watch(self) -> None:
        while not self._over.wait(CHECK_SECONDS):
            deadline = self._deadline
            if deadline is not None and time.monotonic() > deadline:
                self._end_hung()
                return

    def _end_hung(self) -> None:
        """Ask a worker where it stands, then kill all."""
        # The batch that is waited for is the earliest.
        first = min(self._tasks(), key=lambda task: task[1:], default=(IDLE, IDLE, IDLE))[0]
        self.hung = first, self.stacks.ask(first) if first != IDLE else ""
        for process in list(self.processes):
            if process.pid is not None:
                os.kill(process.pid, signal.SIGKILL)


def start_context() -> BaseContext:
    """Return the way to start workers: from a fork server, which holds no lock of this process."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    # The server imports torch once, so that each worker starts with it.
    context.set_forkserver_preload(["torch"])
    return context
