"""The manifest of an export: what each artefact takes and gives, and what was proven of it.

No torch: whoever predicts with ONNX reads it, too.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainer.errors import Refused
from trainer.export.formats import FILES
from trainer.storage import atomic
from trainer.storage.signature import Origin, origin, sign
from trainer.storage.stored_info import is_node, refuse_interpolation

FORMAT = 1
NAME = "manifest.json"
_LIMIT = 10_000_000
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_OTHER = "{} is not the file that was proven: its size or SHA-256 differs"


@dataclass(frozen=True)
class Manifest:
    """What `export/manifest.json` says; `origin` tells whose it is."""

    classes: list[str]
    inputs: list[dict[str, Any]]  # name, dtype, shape (None: may vary), dimensions (their names)
    output: dict[str, Any]  # name, dtype, shape, activation that makes probabilities of it
    reader: dict[str, Any] | None  # how a file becomes an input
    answer: dict[str, Any]  # what the outputs mean
    artefacts: dict[str, dict[str, Any]]  # by form: file, size, sha256, parity, metrics ...
    failed: dict[str, str]  # by form: why there is none
    metrics: dict[str, float]  # of the model itself, measured beside the artefacts
    origin: Origin
    run: dict[str, Any] = field(default_factory=dict)  # step, weights, name of the folder


def write_manifest(folder: Path, content: Mapping[str, Any]) -> None:
    """Write `content`, plain values, signed; raises CannotWrite."""
    plain = json.loads(json.dumps({"format": FORMAT, **content}, allow_nan=False))
    atomic.write_json(folder / NAME, {**plain, "signature": sign(_text(plain), NAME)})


def read_manifest(folder: Path) -> Manifest:
    """Return what the manifest in an export folder says, its form checked, its files not.

    Raises Refused where there is none, where it is damaged, and where it was changed after it was
    signed.
    """
    path = folder / NAME
    try:
        content = json.loads(atomic.read_regular(path, _LIMIT))
    except FileNotFoundError as error:
        raise Refused(
            f"{folder} is no export (it has no {NAME}); make one with fivestep export RUN"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        told = getattr(error, "strerror", None) or "it is no JSON"
        raise Refused(_damaged(path, told)) from error
    if not isinstance(content, dict):
        raise Refused(_damaged(path, "it holds no manifest"))
    told = content.get("format")
    if type(told) is int and told > FORMAT:
        raise Refused(f"{path} has format {told}, of a newer version; update fivestep")
    signature = content.pop("signature", "")
    if not _well_formed(content):
        raise Refused(_damaged(path, "it is not as fivestep writes it"))
    whose = origin(_text(content), str(signature), NAME)
    if whose == "tampered":
        raise Refused(_damaged(path, "it was changed after it was signed"))
    for name in ("reader", "answer"):
        refuse_interpolation(content[name], whose, path)
    described = {
        name: content[name] for name in ("classes", "inputs", "output", "reader", "answer")
    }
    proven = {name: content[name] for name in ("artefacts", "failed", "metrics", "run")}
    return Manifest(**described, **proven, origin=whose)


def files_of(entry: Mapping[str, Any]) -> dict[str, tuple[int, str]]:
    """The files of an artefact with size and SHA-256."""
    files = {entry["file"]: entry, **entry.get("external", {})}
    return {name: (told["size"], told["sha256"]) for name, told in files.items()}


def changed(folder: Path, entry: Mapping[str, Any]) -> str | None:
    """What is wrong with the files of an artefact: none may be missing, a link, or other bytes."""
    for name, (size, sha256) in files_of(entry).items():
        try:
            # A file of zeros takes no room, and its SHA-256 hours: the size comes first.
            with atomic.open_regular(folder / name) as file:
                other = os.fstat(file.fileno()).st_size != size
            found = None if other else atomic.digest(folder / name)
        except FileNotFoundError:
            return f"{name} is missing"
        except OSError as error:
            return f"{name} can't be read ({error.strerror})"
        if found != (size, sha256):
            return _OTHER.format(name)
    return None


def _well_formed(content: Mapping[str, Any]) -> bool:
    kinds = {
        "classes": list,
        "inputs": list,
        "output": dict,
        "artefacts": dict,
        "failed": dict,
        "metrics": dict,
        "run": dict,
    }
    if content.get("format") != FORMAT or "reader" not in content:
        return False
    if not all(isinstance(content.get(name), kind) for name, kind in kinds.items()):
        return False
    return (
        is_node(content["reader"])
        and isinstance(content.get("answer"), dict)
        and is_node(content["answer"])
        and all(isinstance(each, str) for each in content["classes"])
        and all(isinstance(each, dict) and _is_input(each) for each in content["inputs"])
        and all(form in FILES and _is_entry(e) for form, e in content["artefacts"].items())
        and all(isinstance(why, str) for why in content["failed"].values())
    )


def _is_input(entry: Mapping[str, Any]) -> bool:
    shape, names = entry.get("shape"), entry.get("dimensions", [])
    return (
        isinstance(entry.get("name"), str)
        and isinstance(entry.get("dtype"), str)
        and isinstance(shape, list)
        and all(size is None or type(size) is int for size in shape)
        and isinstance(names, list | None)
        and all(isinstance(name, str | None) for name in names or [])
    )


def _is_entry(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    if not all(isinstance(entry.get(name, {}), dict) for name in ("external", "versions")):
        return False
    files = {entry.get("file"): entry, **entry.get("external", {})}
    # Plain names only: nothing outside the folder can be meant.
    return all(
        isinstance(name, str)
        and _FILE.fullmatch(name)
        and isinstance(told, dict)
        and type(told.get("size")) is int
        and isinstance(told.get("sha256"), str)
        and _SHA256.fullmatch(told["sha256"])
        for name, told in files.items()
    )


def _text(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _damaged(path: Path, why: str) -> str:
    return f"{path} can't be used: {why}; export the run again, or restore it from a copy"
