"""Turns Ctrl-C and SIGTERM into a request to stop at the next step boundary."""

import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from trainer.errors import Interrupted
from trainer.pasting import pasteable

_PLAIN = re.compile(r"[A-Za-z0-9_./+-]+")


class Interruption:
    """While entered, the first SIGINT or SIGTERM only sets `requested`; the loop looks at it.

    `signal` is the number of the signal that came first. A second SIGINT raises KeyboardInterrupt
    at once, for a user who does not want to wait. Only the main thread may set handlers: elsewhere
    nothing is installed and the flag stays False. The former handlers come back on exit.
    """

    def __init__(self) -> None:
        self.requested = False
        self.signal: int | None = None
        self._pressed = False
        self._former: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._former[number] = signal.signal(number, self._received)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._former.items():
            # None stands for a handler that was not set from Python and can't be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._former.clear()

    def _received(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            if self._pressed:
                raise KeyboardInterrupt
            self._pressed = True
        if self.signal is None:
            self.signal = number
        self.requested = True

    def error(self, folder: Path, step: int) -> Interrupted:
        """Return what to raise once step `step` is saved in `folder`: exit code 130 or 143."""
        number = signal.Signals(self.signal if self.signal is not None else signal.SIGINT)
        name = "Ctrl-C" if number == signal.SIGINT else number.name
        if step == 0:
            text = f"stopped by {name} before the first step; run the same command again to start"
        else:
            text = f"stopped by {name}, saved at step {step}; continue with: {resuming(folder)}"
        return Interrupted(text, exit_code=128 + number)


class Terminated(KeyboardInterrupt):
    """SIGTERM came while no step was being taken."""

    exit_code = 143


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM end what is within as Ctrl-C does, so that it can tidy up; exit code 143.

    Only the main thread may set handlers: elsewhere nothing is installed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if former is None else former)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated("terminated")


def resuming(folder: Path) -> str:
    """Return the command that continues the run in `folder`, ready to paste into a shell.

    A path that Hydra's grammar would read otherwise is quoted for Hydra, and then for the shell.
    """
    path = str(folder)
    if _PLAIN.fullmatch(path):
        return pasteable("train", f"resume={path}")
    # Hydra reads a backslash only before a quote: it is doubled there, and at the end.
    escaped = re.sub(r'(\\*)(?="|$)', r"\1\1", path).replace('"', '\\"')
    return pasteable("train", f'resume="{escaped}"')
