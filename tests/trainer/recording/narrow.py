"""A disk with little room."""

import errno
import os
from io import FileIO
from pathlib import Path


class Narrow(FileIO):
    """A file on a disk that takes `room` more bytes, and then fails as a full one does."""

    def __init__(self, path: Path, room: int = 0, mode: str = "a") -> None:
        super().__init__(path, mode)
        self.room = room

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Write what there is room for."""
        if self.room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = super().write(data[: self.room])
        self.room -= taken
        return taken
