"""A thread that writes while training goes on; what it fails with is never lost."""

import os
import sys
import weakref
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from threading import Thread


class Writer:
    """Does one job at a time in a thread of its own, and keeps what it failed with until asked.

    The thread lives only as long as its job, and Python waits for it before it exits. A failure is
    raised once, by the first of `check`, `finish` and `start` to meet it; one that nobody asked
    for is printed at the end of the process.
    """

    def __init__(self) -> None:
        self._job: Future[None] | None = None
        self._process = os.getpid()
        self._failed: list[BaseException] = []
        weakref.finalize(self, _tell, self._failed)

    def start(self, job: Callable[[], object]) -> None:
        """Begin a job, once the one before has ended; raises what that one failed with."""
        self.finish()
        ended = Future[None]()
        # Not a daemon, whoever starts it: those are torn off in the middle at exit.
        thread = Thread(target=self._run, args=(job, ended), name="checkpoints", daemon=False)
        try:
            self._job, self._process = ended, os.getpid()
            thread.start()
        except RuntimeError:  # No more threads are to be had here: then it is done at once.
            self._job = None
            job()
        except BaseException:
            ended.cancel()  # Ctrl-C, perhaps before the thread was there: nobody may wait for it.
            raise

    def _run(self, job: Callable[[], object], ended: Future[None]) -> None:
        if not ended.set_running_or_notify_cancel():
            return
        try:
            job()
        except BaseException as error:
            self._failed.append(error)
        finally:
            ended.set_result(None)

    def wait(self) -> None:
        """Wait for the job in hand; what it failed with stays to be asked for."""
        # A forked child has none of its parent's threads.
        if self._job is not None and self._process == os.getpid():
            # Not Thread.join: until Python 3.13, Ctrl-C in it makes a live thread pass for dead.
            with suppress(CancelledError):
                self._job.exception()
            self._job = None

    def check(self) -> None:
        """Raise what a job failed with, else return at once."""
        if self._failed:
            raise self._failed.pop()

    def finish(self) -> None:
        """Wait for the job in hand, and raise what it failed with."""
        self.wait()
        self.check()


def _tell(failed: list[BaseException]) -> None:
    for error in failed:
        print(f"error: a checkpoint was not saved: {error}", file=sys.stderr)
