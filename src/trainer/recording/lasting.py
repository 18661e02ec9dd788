"""A log file that outlives a full disk: what the disk doesn't take waits, and is tried again."""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from io import SEEK_END, FileIO
from pathlib import Path

MOST_PENDING = 2**24  # bytes kept while the disk takes none


class LastingFile:
    """Whole records, one after the other, at the end of a file; a disk that refuses is no error.

    what, unit: what it and a record are called in messages.
    make: opens the file for writing, raw and unbuffered; called again until it succeeds.
    tell: takes the two messages, that the disk refuses (the first time), and what is lost (at the
        end). By default they are RuntimeWarnings.
    A record is in the file when `write` returns; otherwise it waits, with all that follow it, and
    is tried again with each call. What waits beyond 16 MB is dropped, whole records at a time. The
    file never holds a part of a record, whether the disk refuses or a signal comes in the middle.
    """

    def __init__(
        self,
        what: str,
        unit: str,
        make: Callable[[], FileIO],
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self._what, self._unit, self._make, self._tell = what, unit, make, tell or _warn
        self._file: FileIO | None = None
        self._pending: deque[bytes] = deque()
        self._waiting = self._dropped = 0
        self._closed = False
        self._problem = ""

    def write(self, record: bytes) -> None:
        """Take one record; write it and what still waits, as far as the disk takes it.

        Raises ValueError when it is closed.
        """
        if self._closed:
            raise ValueError(f"{self._what} is closed")
        if self._waiting + len(record) > MOST_PENDING:
            self.flush()
        if self._waiting + len(record) > MOST_PENDING:
            self._dropped += 1
        else:
            self._pending.append(record)
            self._waiting += len(record)
        self.flush()

    def flush(self) -> None:
        """Open the file if it isn't, and try again to write what waits."""
        try:
            if self._file is None:
                self._file = self._make()
            while self._pending:
                self._write_first(self._file)
        except OSError as error:
            self._refused(error)

    def _write_first(self, file: FileIO) -> None:
        record = rest = self._pending[0]
        begin = file.seek(0, SEEK_END)
        try:
            while rest:
                rest = rest[file.write(rest) or 0 :]
            self._pending[0] = rest
        except BaseException:
            # A signal may have come right behind a write: only the file knows what it holds.
            done = file.seek(0, SEEK_END) - begin
            with suppress(OSError):
                if done < len(record):
                    file.truncate(begin)
                    done = 0
            self._pending[0] = record[done:]
            self._waiting -= done
            raise
        self._pending.popleft()
        self._waiting -= len(record)

    def close(self) -> None:
        """Write what waits, close the file, and say what is lost; a second call does nothing."""
        if self._closed:
            return
        if self._pending:
            self.flush()
        self._closed = True
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:  # some network file systems refuse only now
                self._refused(error)
        if lost := self._dropped + len(self._pending):
            units = self._unit if lost == 1 else f"{self._unit}s"
            self._tell(f"{lost} {units} of {self._what} could not be written ({self._problem})")

    def _refused(self, error: OSError) -> None:
        if not self._problem:
            self._problem = error.strerror or str(error)
            self._tell(
                f"{self._what} can't be written ({self._problem}); training goes on, free space or "
                "check rights"
            )


def appending(path: Path) -> FileIO:
    """Open a file at its end, or make it; OSError (ELOOP) for a link, which may lead anywhere."""
    flags = os.O_NOFOLLOW | os.O_NONBLOCK
    return FileIO(path, "a", opener=lambda name, own: os.open(name, own | flags, 0o666))


def _warn(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=2)
