"""What lies in a folder of sound: classes, files, splits, and everything that is wrong with it."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from data.audio.inputs import CONVERT, UNREADABLE, is_sound
from data.audio.waveform import EXTENSIONS
from data.errors import DataError
from data.folders import class_files, entries, several, split_folders_of_classes
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
    splits = split_folders_of_classes(folder, is_sound)
    if splits:
        inside = set(splits.values())
        listing.ignored += [e.name for e in entries(folder) if Path(e.path) not in inside]
    found = {
        split: class_files(place, folder, is_sound, listing.ignored)
        for split, place in (splits or {"train": folder}).items()
    }
    learnt = found["train"]
    listing.classes = sorted(learnt)
    for split, classes in found.items():
        extra = sorted(set(classes) - set(learnt))
        if extra:
            listing.problems.append(
                f"{several('class', extra)} of {splits[split]} not in {splits['train']}; "
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
        elif not any(entries(folder)):
            what = "is empty"
        listing.problems.append(
            f"{folder} in data.path {what}; put sound ({', '.join(sorted(EXTENSIONS))}) into one "
            "folder for each class, or give a table with a column of paths"
        )
        return
    empty = sorted(name for name, files in learnt.items() if not files)
    if empty:
        listing.problems.append(
            f"{several('class folder', empty)} of {folder} without sound; "
            "add files or remove the folder"
        )
    elif len(learnt) == 1:
        listing.problems.append(
            f"only one class ({listing.classes[0]!r}) in {folder}; classification needs two or "
            "more: add a folder of another class"
        )
