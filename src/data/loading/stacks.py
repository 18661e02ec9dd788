"""Where a worker stands: the Python stack that it writes when it is asked, or crashes."""

import faulthandler
import os
import re
import signal
import sysconfig
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from pathlib import Path

ASK = getattr(signal, "SIGUSR2", signal.SIGTERM)
ANSWER_SECONDS = 1.0
QUIET_SECONDS = 0.1
FRAME = re.compile(r'File "(.+)", line (\d+) in (.+)')
FOREIGN = (
    *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    str(Path(__file__).resolve().parent),
    "<",
)


class Stacks:
    """A pipe into which workers write their stacks, innermost call first.

    faulthandler writes it, in the signal handler itself: also of a worker that is busy in C code
    and would not come to run any Python.
    """

    def __init__(self, context: BaseContext) -> None:
        self._reader, self._writer = context.Pipe(duplex=False)
        # Where signals can be answered, a worker in its last moments must not wait for room.
        self._answers = hasattr(faulthandler, "register")
        if self._answers:
            os.set_blocking(self._writer.fileno(), False)

    @property
    def writer(self) -> Connection | None:
        """The end that goes to the workers; None where they can't be asked."""
        return self._writer if self._answers else None

    def ask(self, pid: int) -> str:
        """Return the stack of a worker; "" if it doesn't answer."""
        if not self._answers:
            return ""
        self.written()
        try:
            os.kill(pid, ASK)
        except ProcessLookupError:
            return ""
        return self.written(ANSWER_SECONDS)

    def written(self, patience: float = 0.0) -> str:
        """Return what has been written since the last look, waiting so long for its beginning."""
        parts = []
        while self._answers and self._reader.poll(patience):
            parts.append(os.read(self._reader.fileno(), 1 << 16))
            patience = QUIET_SECONDS
        return b"".join(parts).decode(errors="replace")

    def close(self) -> None:
        """Let go of the pipe."""
        self._reader.close()
        self._writer.close()


def place_in(stack: str) -> str:
    """Return the innermost place in the user's own code, "" where a stack has no frame at all.

    Code of Python itself, of installed packages and of this package only where there is no other.
    """
    frames: list[tuple[str, str, str]] = FRAME.findall(stack)
    own = [frame for frame in frames if not frame[0].startswith(FOREIGN)]
    for file, line, function in own or frames:
        return f"{file}:{line} in {function}"
    return ""
