"""How samples lie in folders: one for each class, in one for each split, or all in one."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from data.errors import DataError
from data.splits import SPLIT_WORDS


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is directly in a folder, sorted, hidden entries left out; raises DataError."""
    try:
        with os.scandir(folder) as found:
            shown = [entry for entry in found if not entry.name.startswith(".")]
    except OSError as error:
        raise _unlisted(error) from error
    return sorted(shown, key=lambda entry: entry.name)


def files_below(folder: str | Path) -> Iterator[Path]:
    """Yield the files anywhere below a folder, a folder's own before those of its folders.

    Both are sorted, hidden ones are left out, links are followed. Raises DataError where a folder
    can't be listed.
    """
    for below, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(below) / name


def child(folder: Path, names: Sequence[str]) -> Path | None:
    """Return the first of these folders that lies in `folder`; upper case doesn't matter."""
    there = {entry.name.lower(): Path(entry.path) for entry in entries(folder) if entry.is_dir()}
    return next((there[name] for name in names if name in there), None)


def split_folders(folder: Path) -> dict[str, Path]:
    """Return the folder of each split, training first; {} without training."""
    named = {split: child(folder, names) for split, names in SPLIT_WORDS.items()}
    found = {split: place for split, place in named.items() if place is not None}
    return found if "train" in found else {}


def split_folders_of_classes(folder: Path, is_sample: Callable[[str], bool]) -> dict[str, Path]:
    """Return the folder of each split, or {} where the folders are the classes themselves."""
    found = split_folders(folder)
    inside = entries(found["train"]) if found else []
    # A class may be called "train" too: then it holds samples, not folders.
    if any(is_sample(entry.name) for entry in inside):
        return {}
    return found if len(found) > 1 or any(entry.is_dir() for entry in inside) else {}


def class_files(
    place: Path, root: Path, is_sample: Callable[[str], bool], ignored: list[str]
) -> dict[str, list[str]]:
    """Return the samples of each class folder in `place`, as paths below `root`.

    What is no class folder, and no sample, is added to `ignored`.
    """
    found: dict[str, list[str]] = {}
    for entry in entries(place):
        if not entry.is_dir():
            ignored.append(Path(entry.path).relative_to(root).as_posix())
            continue
        files = found.setdefault(entry.name, [])
        for path in files_below(entry.path):
            (files if is_sample(path.name) else ignored).append(path.relative_to(root).as_posix())
    return found


def split_in_name(name: str) -> str:
    """Return the split that a file's name, or else a folder above it, speaks of; "" for none.

    So does "wiki.train.tokens", or "val/part-3.tar".
    """
    for part in reversed(name.lower().split("/")):
        words = set(re.split(r"[^a-z]+", part))
        for split, names in SPLIT_WORDS.items():
            if words & set(names):
                return split
    return ""


def several(what: str, names: list[str]) -> str:
    """Return "class 'a'", or "2 classes ('a', 'b')"; of more than five the first are named."""
    plural = "es" if what.endswith("s") else "s"
    shown = ", ".join(repr(name) for name in names[:5]) + (", ..." if len(names) > 5 else "")
    return f"{what} {shown}" if len(names) == 1 else f"{len(names)} {what}{plural} ({shown})"


def _unlisted(error: OSError) -> DataError:
    return DataError(f"{error.filename} can't be listed ({error.strerror}); change its permissions")


def _refuse(error: OSError) -> None:
    raise _unlisted(error) from error
