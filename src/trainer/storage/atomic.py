"""Files that are wholly there or not there at all, and errors that say why a disk refused."""

import errno
import hashlib
import io
import json
import math
import os
import re
import secrets
import shutil
import socket
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from trainer.errors import CannotWrite, UserError

_ELSEWHERE = "choose another folder with run.dir=FOLDER"
_REMEDIES = {
    errno.ENOSPC: f"free some space, or {_ELSEWHERE}",
    errno.EDQUOT: f"your disk quota is used up: free some space, or {_ELSEWHERE}",
    errno.EFBIG: f"raise the limit on file sizes (ulimit -f), or {_ELSEWHERE}",
    errno.EROFS: f"the file system is mounted read-only: {_ELSEWHERE}",
    errno.EACCES: f"you have no right to write there: {_ELSEWHERE}",
    errno.EPERM: f"you have no right to write there: {_ELSEWHERE}",
    errno.EIO: f"the disk reports a fault: check it (dmesg), and {_ELSEWHERE}",
    errno.ENAMETOOLONG: "choose a shorter run.name or run.dir",
    errno.ENOTDIR: f"a part of the path is a file: {_ELSEWHERE}",
    errno.EEXIST: f"a file is in the way: {_ELSEWHERE}",
    errno.EISDIR: f"a folder is in the way: {_ELSEWHERE}",
    errno.EINVAL: f"what is in the way is no file: {_ELSEWHERE}",
    errno.ENOENT: "the folder is gone: do not move or delete it while it is in use",
    errno.ELOOP: f"a link in the path points at itself: {_ELSEWHERE}",
    errno.ENXIO: f"the device is gone: {_ELSEWHERE}",
    errno.ESTALE: f"the network file system lost the folder: mount it again, or {_ELSEWHERE}",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n)",
    errno.ENOLCK: f"the file system can't lock files: {_ELSEWHERE}",
    errno.ENOSYS: f"the file system can't lock files: {_ELSEWHERE}",
    errno.EOPNOTSUPP: f"the file system lacks what is needed: {_ELSEWHERE}",
}
_TEMPORARY = re.compile(r"\.tmp-.+-(?P<host>[^-]+)-(?P<pid>\d+)-[0-9a-f]{8}")
_OS_ERROR = re.compile(r"\(os error (\d+)\)")


def write_bytes(path: Path, data: bytes, *, flush: bool = True) -> None:
    """Write `data` so that `path` holds either all of it or what it held before.

    The temporary file lies in the same folder (a rename across file systems is a copy), and file
    and folder are flushed to the disk; without `flush` only a crash of this process is harmless,
    not one of the machine. Raises CannotWrite; the temporary file is then gone.
    """
    building = temporary(path)
    with writing(path, len(data)):
        try:
            with building.open("xb") as file:
                file.write(data)
                if flush:
                    file.flush()
                    os.fsync(file.fileno())
            building.replace(path)
        except BaseException:
            building.unlink(missing_ok=True)
            raise
        if flush:
            sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all; raises CannotWrite."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: object, *, flush: bool = True) -> None:
    """Write strict JSON, whole or not at all; `flush` as for `write_bytes`. Raises CannotWrite.

    JSON has no NaN or infinity: they are written as the strings "nan", "inf" and "-inf", which
    `float()` reads back.
    """
    text = json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(path, text.encode(), flush=flush)


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(float(value))
    return value


def temporary(path: Path) -> Path:
    """Return a fresh name beside `path` for building it: `.tmp-<name>-<host>-<pid>-<random>`."""
    unique = f"{_host()}-{os.getpid()}-{secrets.token_hex(4)}"
    return path.with_name(f".tmp-{path.name}-{unique}")


def sweep(folder: Path) -> None:
    """Delete what processes of this machine that are dead have left half built in `folder`.

    For the holder of the run's lock only: whatever carries its own process id is then left over
    from an earlier process with the same id, as in a container that was started again.
    """
    for path in folder.glob(".tmp-*"):
        match = _TEMPORARY.fullmatch(path.name)
        if match and match["host"] == _host() and not _alive(int(match["pid"])):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9.]", "_", socket.gethostname())[:64]


def _alive(pid: int) -> bool:
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def sync_file(path: Path) -> None:
    """Flush a finished file to the disk; an error of the disk surfaces here as OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(path: Path) -> None:
    """Flush a folder's entries, so that a rename in it outlives a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems have no fsync for folders and say so with these two.
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
    finally:
        os.close(handle)


@contextmanager
def open_regular(path: Path) -> Iterator[io.BufferedReader]:
    """Open a file for reading in binary, only when it is a regular file and no link.

    Raises OSError: ELOOP for a link, EISDIR or EINVAL for anything else that is no file.
    """
    # O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
            raise OSError(number, "not a regular file", str(path))
        with os.fdopen(handle, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(handle)


def read_regular(path: Path, limit: int) -> bytes:
    """Return the bytes of a regular file of at most `limit` bytes; OSError(EFBIG) when longer."""
    with open_regular(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"longer than the {human(limit)} expected", str(path))
    return data


def digest(path: Path) -> tuple[int, str]:
    """Return size in bytes and SHA-256 (hex) of a regular file; OSError when it is none."""
    with open_regular(path) as file:
        return os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def writing(path: Path, needed: int | None = None) -> Iterator[None]:
    """Turn the disk's refusal within the block into CannotWrite (exit 4) with the remedy.

    `needed` is how many bytes were to be written, where that is known. Any other error passes.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        number = _error_number(error, path, needed)
        if number is None:
            raise
        raise CannotWrite(describe(number, path, needed)) from error


def _error_number(error: BaseException, path: Path, needed: int | None) -> int | None:
    """Return the errno behind `error` when it is one that has a remedy, else None.

    torch and safetensors hide it: torch raises RuntimeError and keeps the OSError of a Python
    handle only as `__context__`; safetensors keeps the number only in its message.
    """
    if isinstance(error, OSError):
        return error.errno if error.errno in _REMEDIES else None
    if not isinstance(error, RuntimeError) and type(error).__name__ != "SafetensorError":
        return None
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        told = _OS_ERROR.search(str(link))
        number = link.errno if isinstance(link, OSError) else int(told[1]) if told else None
        if number in _REMEDIES:
            return number
        link = link.__cause__ or link.__context__
    full = needed is not None and _free(path) < needed
    return errno.ENOSPC if full and "inline_container" in str(error) else None


def describe(number: int, path: Path, needed: int | None = None) -> str:
    """Say in one line what could not be written, why, what is free, and what to do."""
    room = f"{human(_free(path))} free there"
    if needed is not None:
        room = f"{human(needed)} needed, {room}"
    name = errno.errorcode.get(number, str(number))
    reason = f"{os.strerror(number)} ({name}; {room})"
    return f"cannot write {path}: {reason}; {_REMEDIES.get(number, _ELSEWHERE)}"


def _free(path: Path) -> int:
    """Return the bytes free where `path` is or would be."""
    for place in (path, *path.absolute().parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue  # Not there (yet), or no folder: its parent answers for it.
    return 0


def human(num_bytes: int) -> str:
    """Return a size that can be read, in decimal units: 1.5 MB."""
    size = float(num_bytes)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
