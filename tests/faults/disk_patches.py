"""A child whose disk takes no more: filled, limited, broken, read-only or somebody else's."""

import ctypes
import os
import resource
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

from crash_points import before, found, path_of
from watching import watched

FILLER = "filler"


def filled(where: str, call: int, place: str) -> None:
    """Fill the disk of a folder before the `call`-th call of a function, "module:Class.name"."""
    watched()
    before(*found(where), call, lambda: fill(Path(place)))


def fill(place: Path) -> None:
    """Write a file that takes all the room there is."""
    with (place / FILLER).open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    with (place / FILLER).open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0")


def refused(number: int, place: str) -> None:
    """Flushing any file or folder whose path contains `place` fails."""
    watched()
    refuse_flushing(number, place)


def refused_from(where: str, call: int, number: int, place: str) -> None:
    """The same, from the `call`-th call of a function on."""
    watched()
    before(*found(where), call, lambda: refuse_flushing(number, place))


def refuse_flushing(number: int, place: str) -> None:
    """Replace os.fsync."""
    fsync = os.fsync

    def refuse(fd: Any) -> None:
        if place in path_of(fd):
            raise OSError(number, os.strerror(number))
        fsync(fd)

    os.fsync = refuse


def limited(size: int, where: str = "", call: int = 1) -> None:
    """No file may become larger than `size` bytes, from the `call`-th call of a function on."""
    watched()
    if where:
        before(*found(where), call, lambda: limit(size))
    else:
        limit(size)


def limit(size: int) -> None:
    """What `ulimit -f` does."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def narrow_logs(size: int, saves: int | None = None) -> None:
    """Logs may become no larger than `size` bytes: ever, or until so many saves were begun."""
    watched()
    from trainer.recording.lasting import LastingFile
    from trainer.storage.checkpoint import Checkpoints

    write, wide = LastingFile._write_first, False

    def widen() -> None:
        nonlocal wide
        wide = True

    def narrow(self: LastingFile, file: FileIO) -> None:
        if not wide:
            limit(size)
        try:
            write(self, file)
        finally:
            limit(resource.RLIM_INFINITY)

    LastingFile._write_first = narrow  # type: ignore[method-assign]
    if saves is not None:
        before(Checkpoints, "save", saves, widen)


def without_rights() -> None:
    """What root may do beyond others, writing into any folder above all, is taken from it."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    if libc.capset(header, (ctypes.c_uint32 * 6)()) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def broken_output() -> None:
    """Standard output is a file on a full disk."""
    watched()
    os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
