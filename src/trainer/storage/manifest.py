"""The manifest of a checkpoint: what was written, so that bit rot and half a copy are noticed.

Neither torch.load nor safetensors notices a flipped bit in the numbers; the SHA-256 here does.
"""

import errno
import json
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.storage.atomic import digest, open_regular, read_regular, sync_file
from trainer.storage.signature import Origin, origin, sign

FORMAT = 1
NAME = "manifest.json"
_LIMIT = 1_000_000
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Unusable(Exception):
    """A checkpoint that can't be used, and why; `damaged` when it never will be."""

    def __init__(self, reason: str, damaged: bool = True) -> None:
        super().__init__(reason)
        self.damaged = damaged


@dataclass(frozen=True)
class Manifest:
    """What the manifest of a checkpoint says; `origin` tells whose it is."""

    step: int
    best: bool
    files: Mapping[str, Mapping[str, Any]]  # by name: size in bytes, sha256 in hex
    origin: Origin


def write_manifest(
    folder: Path, step: int, best: bool, files: Mapping[str, Mapping[str, Any]], torch: str
) -> None:
    """Write the signed manifest; the last file of a checkpoint, its seal. Raises CannotWrite."""
    content = {
        "format": FORMAT,
        "step": step,
        "best": best,
        "files": files,
        "torch": torch,
        "python": platform.python_version(),
    }
    signature = sign(_text(content).encode(), NAME)
    # Its folder is not in place yet: what makes it whole or absent is the renaming of that.
    (folder / NAME).write_text(_text({**content, "signature": signature}), encoding="utf-8")
    sync_file(folder / NAME)


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def read_manifest(folder: Path) -> Manifest:
    """Return what the manifest says, its form checked, its files not; raises Unusable."""
    try:
        raw = read_regular(folder / NAME, _LIMIT)
    except OSError as error:
        raise _unreadable(folder / NAME, error) from error
    try:
        content = json.loads(raw)
        same = _text(content).encode() == raw
    except (ValueError, RecursionError, TypeError, AttributeError) as error:
        raise Unusable(f"{NAME} is damaged") from error
    if not isinstance(content, dict) or not same:
        raise Unusable(f"{NAME} is damaged")
    told = content.get("format")
    if type(told) is int and told > FORMAT:
        raise Unusable(f"it has format {told}, of a newer version; update fivestep", damaged=False)
    signature = content.pop("signature", None)
    if told != FORMAT or not isinstance(signature, str) or not _well_formed(content):
        raise Unusable(f"{NAME} is damaged")
    whose = origin(_text(content).encode(), signature, NAME)
    if whose == "tampered":
        raise Unusable(f"{NAME} was changed after it was signed")
    return Manifest(content["step"], content["best"], content["files"], whose)


def _well_formed(content: Mapping[str, Any]) -> bool:
    files = content.get("files")
    if type(content.get("step")) is not int or type(content.get("best")) is not bool:
        return False
    if not isinstance(files, dict) or not {"training.pt", "state.json"} <= files.keys():
        return False
    # Plain names only: nothing outside the folder can be meant.
    return any(name.endswith(".safetensors") for name in files) and all(
        _FILE.fullmatch(name)
        and isinstance(entry, dict)
        and type(entry.get("size")) is int
        and isinstance(entry.get("sha256"), str)
        and _SHA256.fullmatch(entry["sha256"])
        for name, entry in files.items()
    )


def verify(folder: Path, step: int) -> Manifest:
    """Return the manifest once every file is a regular one with its size and SHA-256.

    Raises Unusable with the reason.
    """
    if folder.is_symlink():
        raise Unusable("it is a link instead of a folder")
    manifest = read_manifest(folder)
    if manifest.step != step:
        raise Unusable(f"its manifest is of step {manifest.step}: the folder was renamed")
    for name, entry in manifest.files.items():
        try:
            # A file of zeros takes no room, and its SHA-256 hours: the size comes first.
            with open_regular(folder / name) as file:
                size = os.fstat(file.fileno()).st_size
            if size != entry["size"]:
                raise Unusable(f"{name} has {size} bytes instead of {entry['size']}")
            _, sha256 = digest(folder / name)
        except OSError as error:
            raise _unreadable(folder / name, error) from error
        if sha256 != entry["sha256"]:
            raise Unusable(f"{name} is damaged: its SHA-256 is not the one in the manifest")
    return manifest


def _unreadable(path: Path, error: OSError) -> Unusable:
    if error.errno == errno.ENOENT:
        return Unusable(f"{path.name} is missing")
    if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.EINVAL, errno.ENOTDIR):
        return Unusable(f"{path.name} is no regular file")
    if error.errno == errno.EFBIG:
        return Unusable(f"{path.name} is too long")
    # No right to read, too many open files, a network fault: it may be fine the next time.
    return Unusable(f"{path.name} can't be read: {error.strerror or error}", damaged=False)
