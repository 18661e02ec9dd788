"""train.log: all that was said, as plain text with the time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from trainer.recording.lasting import LastingFile, appending

EARLY_LINES = 1000  # kept until there is a file; what is said before training is far less


class Log:
    """Keeps lines until it gets a file, then writes each at once.

    A file that can't be written is told to the function given to `open`, and never raises: once
    when it begins, and at `close` when lines are lost. What is told there is not logged in turn.
    """

    def __init__(self) -> None:
        self._early: deque[bytes] = deque(maxlen=EARLY_LINES)
        self._file: LastingFile | None = None
        self._closed = False

    def open(self, path: str | os.PathLike[str], tell: Callable[[str], None]) -> None:
        """Append to `path` from here on, beginning with what was said before."""
        self.close()
        self._closed = False
        place = Path(path)
        self._file = LastingFile(str(place), "line", lambda: appending(place), tell)
        self._file.flush()
        while self._early:
            self._file.write(self._early.popleft())

    def write(self, text: str) -> None:
        """Add a line (or several), each with the time."""
        if self._closed:
            return
        now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S%z")
        for line in text.splitlines() or [""]:
            record = f"{now}  {line}\n".encode(errors="replace")
            if self._file is not None:
                self._file.write(record)
            else:
                self._early.append(record)

    def close(self) -> None:
        """Close the file, after which nothing is logged; a second call does nothing."""
        if self._file is not None:
            self._file.close()
            self._file, self._closed = None, True
