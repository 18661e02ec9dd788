"""What should never lie in the place of a file: pickles, bombs, links, pipes, endless files."""

import json
import os
import pickle
import shutil
import stat
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Singing:
    """What sings when it is unpickled: a shell makes the canary."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.canary}'",)


def pickled(canary: Path) -> bytes:
    """A pickle that makes the canary; protocol 2, which torch's own has as well."""
    return pickle.dumps(Singing(canary), protocol=2)


def torch_zip(file: Path, data: bytes, *, deflated: bool = False, more: int = 0) -> None:
    """A file as torch.save writes it, with a pickle of ours, and perhaps `more` zeros in it."""
    kind = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", kind) as archive:
        archive.writestr("training/data.pkl", data)
        archive.writestr("training/version", "3\n")
        archive.writestr("training/byteorder", "little")
        if more:
            archive.writestr("training/data/0", bytes(more))


def claiming(file: Path, count: int) -> None:
    """A checkpoint of torch whose only tensor claims `count` numbers, and has one."""
    import torch

    torch.save({"a": torch.ones(1)}, file)
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            if name.endswith("data.pkl"):
                place = data.index(b"cpuq") + 5
                assert data[place : place + 2] == b"K\x01"
                data = data[:place] + b"J" + struct.pack("<i", count) + data[place + 2 :]
            archive.writestr(name, data)


def tensors(header: Mapping[str, Any], data: bytes = b"") -> bytes:
    """A safetensors file with a header of ours."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def sparse(file: Path, size: int = 1_000_000_000) -> None:
    """A file that is long and takes no room."""
    file.unlink(missing_ok=True)
    with file.open("wb") as opened:
        opened.truncate(size)


def put(file: Path, kind: str, canary: Path) -> None:
    """Replace a file by one of another kind; the canary's folder has a `victim` for links."""
    whole = file.read_bytes() if file.is_file() else b""
    if file.is_dir():
        shutil.rmtree(file)
    file.unlink(missing_ok=True)
    if kind == "pickle":
        file.write_bytes(pickled(canary))
    elif kind == "zip":
        torch_zip(file, pickled(canary))
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "long":
        sparse(file)
    elif kind == "deep":
        file.write_text("[" * 900_000)
    elif kind == "laughs":
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
        file.write_text("\n".join(lines))
    elif kind == "python":
        file.write_text(f"!!python/object/apply:os.system ['touch {canary}']\n")
    elif kind == "folder":
        file.mkdir()
    else:
        assert kind == "link"
        victim = canary.with_name("victim")
        victim.write_bytes(whole)
        file.symlink_to(victim)
        assert stat.S_ISLNK(file.lstat().st_mode)
