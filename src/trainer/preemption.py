"""Turns Ctrl-C, SIGTERM and SIGUSR1 into a request to stop at the next step boundary."""

import re
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn

from trainer.errors import Interrupted
from trainer.pasting import pasteable

_PLAIN = re.compile(r"[A-Za-z0-9_./+-]+")
# What a batch system sends before it takes the machine away: SLURM's --signal=USR1 is the second.
_BATCH = tuple(getattr(signal, n) for n in ("SIGTERM", "SIGUSR1") if hasattr(signal, n))


class Interruption:
    """While entered, the first SIGINT, SIGTERM or SIGUSR1 only sets `requested`, for the loop.

    `signal` is the number of the one that came first. A second SIGINT raises KeyboardInterrupt at
    once, for a user who does not want to wait; the others change nothing when they come again.
    Only the main thread may set handlers: elsewhere nothing is installed and the flag stays False.
    On exit the former handlers come back; they get a signal that came after the loop's last look.
    """

    def __init__(self) -> None:
        self.requested = False
        self.signal: int | None = None
        self._pressed = False
        self._former: Mapping[signal.Signals, Any] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():
            self._former = _installed(dict.fromkeys((signal.SIGINT, *_BATCH), self._received))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        former, self._former = self._former, {}
        _put_back(former)
        if former and kind is None and self.signal is not None:
            signal.raise_signal(self.signal)

    def _received(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            if self._pressed:
                raise KeyboardInterrupt
            self._pressed = True
        if self.signal is None:
            self.signal = number
        self.requested = True

    @property
    def exit_code(self) -> int:
        """What the process is to exit with: 143 after SIGTERM and SIGUSR1, else 130."""
        return 143 if self.signal in _BATCH else 130

    def error(self, folder: Path, step: int) -> Interrupted:
        """Return what to raise once step `step` is saved in `folder`: exit code 130 or 143."""
        number = signal.Signals(self.signal if self.signal is not None else signal.SIGINT)
        name = "Ctrl-C" if number == signal.SIGINT else number.name
        if step == 0:
            text = f"stopped by {name} before the first step; run the same command again to start"
        else:
            text = f"stopped by {name}, saved at step {step}; continue with: {resuming(folder)}"
        return Interrupted(text, exit_code=self.exit_code)


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGUSR1 came while no step was being taken."""

    exit_code = 143


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM and SIGUSR1 end what is within as Ctrl-C does, so that it can tidy up: exit 143.

    While it is being tidied up, both change nothing any more, nor does a first Ctrl-C after them.
    Only the main thread may set handlers: elsewhere nothing is installed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        first, pressed = not pressed, True
        if not (first and _ending() == 143):
            raise KeyboardInterrupt

    handlers: dict[signal.Signals, Any] = dict.fromkeys(_BATCH, _terminate)
    # Whoever ignores Ctrl-C, as shells do for a job in the background, wants it ignored.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        handlers[signal.SIGINT] = interrupt
    former = _installed(handlers)
    try:
        yield
    finally:
        _put_back(former)


def leave(code: int) -> NoReturn:
    """End the process, which has done and told all; SIGTERM and SIGUSR1 change nothing any more."""
    for number in _BATCH:
        signal.signal(number, signal.SIG_IGN)
    sys.exit(code)


def _terminate(number: int, frame: FrameType | None) -> None:
    if _ending() is None:
        raise Terminated(f"stopped by {signal.Signals(number).name}")


def _ending() -> int | None:
    """The exit code with which a signal is ending us already, in whatever handles its exception."""
    error = sys.exc_info()[1]
    while error is not None:
        if isinstance(error, KeyboardInterrupt | Interrupted):
            return getattr(error, "exit_code", 130)
        error = error.__context__
    return None


def _installed(handlers: Mapping[signal.Signals, Any]) -> Mapping[signal.Signals, Any]:
    """Set handlers, all or, where a signal comes in between and raises, none; return the former."""
    # All are known before the first is replaced: what signal.signal returns could get lost.
    former = {number: signal.getsignal(number) for number in handlers}
    try:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    except BaseException:
        _put_back(former)
        raise
    return former


def _put_back(handlers: Mapping[signal.Signals, Any]) -> None:
    """Set the former handlers, all of them, also where a signal comes in between and raises."""
    left = dict(handlers)
    try:
        while left:
            number = next(iter(left))
            # None stands for a handler that was not set from Python and can't be put back.
            handler = signal.SIG_DFL if left[number] is None else left[number]
            signal.signal(number, handler)
            del left[number]
    except BaseException:
        _put_back(left)
        raise


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
