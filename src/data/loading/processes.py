"""The life of worker processes: deaf to signals, and over with the main process."""

import faulthandler
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from data.loading.stacks import ASK

# What a terminal, a scheduler or a container sends to a whole process group; the main process
# decides what is to be done then.
DEAF = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)
)


def settle(stacks: Connection | None, worker: int) -> None:
    """Begin a worker's life: deaf to signals, and over when the main process's is.

    It writes its Python stack to `stacks` when it is sent `data.loading.stacks.ASK`, or crashes.
    """
    for number in DEAF:
        signal.signal(number, signal.SIG_IGN)
    if stacks is not None:
        faulthandler.enable(stacks.fileno(), all_threads=False)
        faulthandler.register(ASK, file=stacks.fileno(), all_threads=False)
    _kill_with_parent()
    # torch watches the process that forked the worker, and that is the fork server, which itself
    # lives as long as a worker does.
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _kill_with_parent() -> None:
    """Let the kernel do it, where it can: a thread waits while C code keeps the interpreter."""
    try:
        from fcntl import F_GETFL, F_SETFL, F_SETOWN, F_SETSIG, fcntl
    except ImportError:
        return  # not Linux
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    # The end of the main process closes this pipe, nothing else is ever written to it.
    pipe = parent.sentinel
    fcntl(pipe, F_SETOWN, os.getpid())
    fcntl(pipe, F_SETSIG, signal.SIGKILL)
    fcntl(pipe, F_SETFL, fcntl(pipe, F_GETFL) | os.O_ASYNC)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def signals_blocked() -> Iterator[None]:
    """Block these signals for children born meanwhile: the fork server and its workers.

    A signal to the whole process group would otherwise end the server, and a worker that loses its
    parent ends itself, before the main process has saved.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, DEAF)
    try:
        # Its start unblocks SIGINT and SIGTERM, which it ignores itself.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, DEAF)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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
