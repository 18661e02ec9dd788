"""The life of worker processes: deaf to signals, and over with the main process."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess


def settle(worker: int) -> None:
    """Begin a worker's life: deaf to signals, and over when the main process's is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # torch watches the process that forked the worker, and that is the fork server, which itself
    # lives as long as a worker does.
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def signals_blocked() -> Iterator[None]:
    """Block SIGINT and SIGTERM for children born meanwhile: the fork server and its workers.

    A signal to the whole process group would otherwise end the server, and a worker that loses its
    parent ends itself, before the main process has saved.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # Its start unblocks both signals, so it has to come first.
    resource_tracker.ensure_running()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def exit_code(process: BaseProcess) -> int | None:
    """Return how a process ended, given a moment to do so; None while it runs."""
    process.join(0.2)
    return process.exitcode


def kill(processes: list[BaseProcess]) -> None:
    """End what is still alive; workers ignore SIGTERM."""
    for process in processes:
        if process.is_alive():
            process.kill()
        process.join(5)
