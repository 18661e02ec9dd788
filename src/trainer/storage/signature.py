"""Tells the user's own files from a stranger's, with a key that never leaves the user's home.

What a good signature proves: these bytes, under this file name, were written by someone who could
read the key, that is by the same user with the same home. What it does not prove: that the content
is harmless, when it was written, or that it belongs to the folder in which it lies now. It protects
nothing from a program that runs as the user. The key is symmetric (HMAC-SHA256, RFC 2104): nobody
else can check a signature, and a copied key makes its holder the user.
"""

import functools
import hashlib
import hmac
import os
import re
import secrets
import stat
import warnings
from pathlib import Path
from typing import Literal

from trainer.storage.atomic import read_regular, temporary, write_text

Origin = Literal["own", "stranger", "tampered"]

_KEY_BYTES = 32
_MARK = "# signature: "
_SIGNATURE = re.compile(r"[0-9a-f]{16}:[0-9a-f]{64}")


def home() -> Path | None:
    """Return the folder of the user's own settings, or None where the user has no home.

    `$FIVESTEP_HOME`, else `$XDG_CONFIG_HOME/fivestep`, else `~/.config/fivestep`.
    """
    chosen = os.environ.get("FIVESTEP_HOME")
    if chosen:
        return Path(chosen).absolute()
    base = os.environ.get("XDG_CONFIG_HOME", "")
    # A relative XDG path is to be ignored: XDG Base Directory Specification 0.8.
    if base.startswith("/"):
        return Path(base) / "fivestep"
    try:
        return Path.home() / ".config" / "fivestep"
    except RuntimeError:
        return None


def sign(data: bytes, name: str = "") -> str:
    """Return the signature of `data` under the file name `name`: `<key id>:<HMAC-SHA256>` in hex.

    Makes the key on first use. Returns "" when there can be no key (a home that can't be written);
    a warning then says so once, and such files count as a stranger's later.
    """
    key = _key(home(), create=True)
    return "" if key is None else f"{_key_id(key)}:{_code(key, data, name)}"


def verify(data: bytes, signature: str, name: str = "") -> bool:
    """Return whether `signature` was made with this user's key for exactly this data and name."""
    return origin(data, signature, name) == "own"


def origin(data: bytes, signature: str, name: str = "") -> Origin:
    """Return whose `data` is.

    "own": signed with this user's key. "tampered": it claims this key, but the data or the
    signature was changed afterwards. "stranger": no signature, or one of another key.
    """
    key = _key(home(), create=False)
    if key is None or not _SIGNATURE.fullmatch(signature):
        # A damaged signature that still begins with our key's name was ours.
        ours = key is not None and signature.startswith(_key_id(key))
        return "tampered" if ours else "stranger"
    key_id, _, code = signature.partition(":")
    if hmac.compare_digest(_code(key, data, name), code):
        return "own"
    return "tampered" if key_id == _key_id(key) else "stranger"


def write_signed(path: Path, text: str) -> None:
    """Write a text whose comments begin with `#`, its signature as the last line; CannotWrite.

    Text and signature are one file, so that no crash can part them.
    """
    text = text if text.endswith("\n") else text + "\n"
    write_text(path, f"{text}{_MARK}{sign(text.encode(), path.name)}\n")


def read_signed(path: Path, limit: int = 1_000_000) -> tuple[str, Origin]:
    """Return text and origin of a file that `write_signed` made.

    Raises OSError when it is no regular file or longer than `limit` bytes, and UnicodeDecodeError.
    """
    raw = read_regular(path, limit).decode()
    text, mark, signature = raw.rpartition(_MARK)
    if not mark:
        return raw, "stranger"
    # Without the strict end, text after the signature would be read but not be signed.
    if not signature.endswith("\n") or "\n" in signature[:-1]:
        return raw, "tampered"
    return text, origin(text.encode(), signature[:-1], path.name)


def _code(key: bytes, data: bytes, name: str) -> str:
    # The name is signed too: one file of a run can't be passed off as another.
    return hmac.new(key, name.encode() + b"\0" + data, hashlib.sha256).hexdigest()


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"fivestep signing key id\0" + key).hexdigest()[:16]


def _key(folder: Path | None, create: bool) -> bytes | None:
    if folder is None:
        if create:
            _warn("there is no home folder")
        return None
    path = folder / "signing.key"
    if not create and not path.exists():
        return None
    return _load_key(path)


@functools.cache
def _load_key(path: Path) -> bytes | None:
    """Return the key at `path`, made when it is absent; one look a process, so one warning too."""
    try:
        if not path.exists():
            _make_key(path)
        mode = path.stat().st_mode
        key = read_regular(path.resolve(), _KEY_BYTES)
    except OSError as error:
        _warn(f"{path}: {error.strerror or error}")
        return None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        _warn(f"{path} is open to others: chmod 600 it, or delete it to get another")
        return None
    if len(key) != _KEY_BYTES:
        _warn(f"{path} is damaged: delete it to get another")
        return None
    return key


def _make_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    building = temporary(path)
    handle = os.open(building, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        # A link, not a rename: of two processes at once the second must not replace the key.
        path.hardlink_to(building)
    except FileExistsError:
        return
    finally:
        building.unlink(missing_ok=True)


def _warn(reason: str) -> None:
    warnings.warn(
        f"files of this run are not signed ({reason}); they will count as a stranger's when they"
        " are opened again; set FIVESTEP_HOME to a folder that only you can write",
        stacklevel=2,
    )
