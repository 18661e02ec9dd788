"""What lies in a folder of sound: classes, files, splits, and everything that is wrong with it."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from data.audio.inputs import CONVERT, UNREADABLE, is_sound
from data.audio.waveform import EXTENSIONS
from data.errors import DataError
from data.images.folder import SPLIT_FOLDERS
from data.inputs import nearest

LEFT = ""


@dataclass
class Listing:
    """The files of sound below a folder, sorted, each with its class and its split."""

    classes: list[str] = field(default_factory=list)
    """Class names, sorted."""
    names: list[str] = field(default_factory=list)
    """Path of each file below the folder, with forward slashes."""
    labels: list[str] = field(default_factory=list)
    """Class of each file."""
    given: list[str] = field(default_factory=list)
    """The split of each file: "validation", "test", or "" where it is to be split."""
    problems: list[str] = field(default_factory=list)
    """What has to be mended before training."""
    ignored: list[str] = field(default_factory=list)
    """Paths that were left out because they are no sound or no classes."""


def existing(path: str | Path | None) -> Path:
    """Return `path` if it exists and may be read, or raise DataError with the nearest name."""
    if path is None or not str(path).strip():
        raise DataError(
            "data.path is needed: data.path=FOLDER, with one folder of sound for each class, or a "
            "table (CSV, TSV, Parquet) with a column of paths"
        )
    place = Path(path).expanduser()
    if not place.exists():
        raise DataError(f"{place} in data.path does not exist{nearest(place, '; check data.path')}")
    if not os.access(place, os.R_OK | (os.X_OK if place.is_dir() else 0)):
        raise DataError(f"{place} in data.path may not be read; change its permissions")
    return place


def scan(folder: Path) -> Listing:
    """List `folder`: one folder per class, or train/, test/ ... with one folder per class each."""
    listing = Listing()
    splits = _split_folders(folder)
    if splits:
        inside = set(splits.values())
        listing.ignored += [e.name for e in _entries(folder) if Path(e.path) not in inside]
    found = {
        split: _classes(place, listing, folder)
        for split, place in (splits or {"train": folder}).items()
    }
    learnt = found["train"]
    listing.classes = sorted(learnt)
    for split, classes in found.items():
        extra = sorted(set(classes) - set(learnt))
        if extra:
            listing.problems.append(
                f"{_several('class', extra)} of {splits[split]} not in {splits['train']}; "
                "add training files or remove the folder"
            )
        for name in listing.classes:
            files = classes.get(name, [])
            listing.names += files
            listing.labels += [name] * len(files)
            # A split that has no folder is taken from the training files.
            listing.given += [LEFT if split == "train" else split] * len(files)
    _judge(folder, learnt, listing)
    return listing


def _judge(folder: Path, learnt: dict[str, list[str]], listing: Listing) -> None:
    """Add what is wrong with the classes as a whole."""
    if not listing.names:
        endings = {Path(name).suffix.lower() for name in listing.ignored}
        what = "holds no sound"
        if endings & EXTENSIONS:
            what = "has no class folders, only loose files"
        elif endings & UNREADABLE:
            what = f"holds only sound that can't be read ({', '.join(endings & UNREADABLE)})"
            listing.problems.append(f"{folder} in data.path {what}; {CONVERT}")
            return
        elif not any(_entries(folder)):
            what = "is empty"
        listing.problems.append(
            f"{folder} in data.path {what}; put sound ({', '.join(sorted(EXTENSIONS))}) into one "
            "folder for each class, or give a table with a column of paths"
        )
        return
    empty = sorted(name for name, files in learnt.items() if not files)
    if empty:
        listing.problems.append(
            f"{_several('class folder', empty)} of {folder} without sound; "
            "add files or remove the folder"
        )
    elif len(learnt) == 1:
        listing.problems.append(
            f"only one class ({listing.classes[0]!r}) in {folder}; classification needs two or "
            "more: add a folder of another class"
        )


def _split_folders(folder: Path) -> dict[str, Path]:
    """Return the folder of each split, training first, or nothing where classes come first.

    Upper case doesn't matter.
    """
    there = {entry.name.lower(): Path(entry.path) for entry in _entries(folder) if entry.is_dir()}
    found: dict[str, Path] = {}
    for split, names in SPLIT_FOLDERS.items():
        for name in names:
            if split not in found and name in there:
                found[split] = there[name]
    train = found.get("train")
    inside = _entries(train) if train else []
    # A class may be called "train" too: then it holds sound, not folders.
    if any(is_sound(entry.name) for entry in inside):
        return {}
    return found if train and (len(found) > 1 or any(entry.is_dir() for entry in inside)) else {}


def _classes(place: Path, listing: Listing, root: Path) -> dict[str, list[str]]:
    """Return the files of each class folder in `place`, relative to `root`."""
    found: dict[str, list[str]] = {}
    for entry in _entries(place):
        if not entry.is_dir():
            listing.ignored.append(Path(entry.path).relative_to(root).as_posix())
            continue
        files = found.setdefault(entry.name, [])
        for below, folders, names in os.walk(entry.path, onerror=_refuse, followlinks=True):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(name for name in names if not name.startswith(".")):
                path = (Path(below) / name).relative_to(root).as_posix()
                (files if is_sound(name) else listing.ignored).append(path)
    return found


def _refuse(error: OSError) -> None:
    raise DataError(f"{error.filename} can't be listed ({error.strerror}); change its permissions")


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is directly in a folder, sorted, hidden entries left out."""
    try:
        with os.scandir(folder) as entries:
            shown = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        _refuse(error)
        raise
    return sorted(shown, key=lambda entry: entry.name)


def _several(what: str, names: list[str]) -> str:
    plural = "es" if what.endswith("s") else "s"
    shown = ", ".join(repr(name) for name in names[:5]) + (", ..." if len(names) > 5 else "")
    return f"{what} {shown}" if len(names) == 1 else f"{len(names)} {what}{plural} ({shown})"
