"""A lock on a folder that is gone the moment its holder is, however that ended."""

import fcntl
import json
import os
import socket
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from trainer.errors import FolderInUse
from trainer.storage.atomic import read_regular, writing

NAME = ".lock"


class Lock:
    """An exclusive lock on `folder`, by flock on `.lock`, held until `release`.

    The kernel frees it when the process dies, so there are no stale locks. The file tells a second
    process who holds it; it stays behind, since only the lock itself counts. Child processes don't
    inherit it. Raises FolderInUse (exit 6) or CannotWrite.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        with writing(self.path):
            self._handle = self._acquire()
        # A forked child would hold the lock for as long as it outlives us.
        os.register_at_fork(after_in_child=self.release)
        told = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now().astimezone().isoformat(timespec="seconds"),
        }
        try:
            with writing(self.path):
                os.ftruncate(self._handle, 0)
                os.pwrite(self._handle, json.dumps(told).encode(), 0)
        except BaseException:
            with suppress(OSError):
                self.path.unlink()  # nobody else could tell who holds it
            self.release()
            raise

    def _acquire(self) -> int:
        while True:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            handle = os.open(self.path, flags, 0o666)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Between opening and locking, its holder may have deleted the whole folder.
                if self.path.exists():
                    here, mine = self.path.stat(), os.fstat(handle)
                    if (here.st_dev, here.st_ino) == (mine.st_dev, mine.st_ino):
                        return handle
            except BlockingIOError:
                os.close(handle)
                raise FolderInUse(self._in_use()) from None
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)

    def _in_use(self) -> str:
        try:
            told = json.loads(read_regular(self.path, 1000))
            holder = f"process {told['pid']} on {told['host']} since {told['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            holder = "a process that has just started"
        return (
            f"{self.path.parent} is in use by {holder}; wait for it, stop it, or choose another"
            " folder with run.dir=FOLDER"
        )

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
