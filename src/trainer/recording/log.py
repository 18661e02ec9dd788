"""train.log: all that was said, as plain text with the time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import IO

EARLY_LINES = 1000  # kept until there is a file; what is said before training is far less


class Log:
    """Keeps lines until it gets a file, then writes each at once.

    A file that can't be written is told once, to the function given to `open`, and never raises.
    """

    def __init__(self) -> None:
        self._early: deque[str] = deque(maxlen=EARLY_LINES)
        self._file: IO[str] | None = None
        self._tell: Callable[[str], None] | None = None
        self._path: Path | None = None

    def open(self, path: str | os.PathLike[str], tell: Callable[[str], None]) -> None:
        """Append to `path` from here on, beginning with what was said before."""
        self.close()
        self._path, self._tell = Path(path), tell
        try:
            # Line buffered: a killed process has its last line in the file.
            self._file = self._path.open("a", buffering=1, encoding="utf-8", errors="replace")
        except OSError as error:
            self._failed(error)
        while self._early and self._file is not None:
            self._append(self._early.popleft())

    def write(self, text: str) -> None:
        """Add a line (or several), each with the time."""
        now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S%z")
        for line in text.splitlines() or [""]:
            if self._file is not None:
                self._append(f"{now}  {line}\n")
            elif self._path is None:
                self._early.append(f"{now}  {line}\n")

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                self._failed(error)

    def _append(self, line: str) -> None:
        if self._file is None:
            return
        try:
            self._file.write(line)
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(f"{self._path} can't be written ({error.strerror}); training goes on without it")
