"""What lies in a folder of images: classes, files, splits, and everything that is wrong with it."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.folders import class_files, entries, several, split_folders_of_classes
from data.images.targets import Targets
from data.inputs import EXTENSIONS, nearest

WHOLE = "whole"
TABLES = (".csv", ".tsv", ".txt", ".parquet")


@dataclass
class Listing:
    """The image files below a folder, sorted, with their class and the split they are laid in."""

    classes: list[str] = field(default_factory=list)
    """Class names, sorted."""
    names: list[str] = field(default_factory=list)
    """Path of each file below the folder, with forward slashes."""
    labels: list[int] = field(default_factory=list)
    """Class of each file."""
    groups: list[str] = field(default_factory=list)
    """The split of each file: "train", "validation", "test", or "whole" where not split yet."""
    bad: dict[str, str] = field(default_factory=dict)
    """Among the names those that are no files, each with what it is."""
    problems: list[str] = field(default_factory=list)
    """What has to be mended before training."""
    ignored: list[str] = field(default_factory=list)
    """Paths that were left out because they are no images or no classes."""
    root: Path | None = None
    """What the names are relative to, where it isn't the folder that was listed."""
    values: NDArray[Any] | None = None
    """Labels or numbers of each file [N, K], where there aren't just classes."""
    problem: str = "classification"
    """What there is to learn, see `data.images.targets`."""
    grouped: list[str] | None = None
    """Files with the same text stay in one split."""

    @property
    def targets(self) -> Targets:
        """The truth about each file."""
        values = np.array(self.labels, dtype=np.int64) if self.values is None else self.values
        return Targets(self.problem, tuple(self.classes), values)


def existing_path(path: str | Path | None) -> Path:
    """Return `path` as a folder or table that exists, or raise DataError with the nearest name."""
    if path is None or not str(path).strip():
        raise DataError(
            "data.path is needed: data.path=FOLDER, with one folder of images for each class, or "
            "data.path=TABLE, a CSV or Parquet file with a column of paths"
        )
    place = Path(path).expanduser()
    if place.is_dir():
        if not os.access(place, os.R_OK | os.X_OK):
            raise DataError(f"{place} in data.path may not be read; change its permissions")
        return place
    if place.is_file() and place.suffix.lower() in TABLES:
        return place
    if place.exists():
        raise DataError(
            f"{place} in data.path is a file; give the folder that holds the classes, or a table "
            f"({', '.join(TABLES)})"
        )
    hint = nearest(place, "; check data.path", folders=not place.suffix)
    raise DataError(f"{place} in data.path does not exist{hint}")


def scan(folder: Path) -> Listing:
    """List `folder`: one folder per class, or train/, test/ ... with one folder per class each."""
    splits = split_folders_of_classes(folder, is_picture)
    listing = Listing()
    if splits:
        listing.ignored += [e.name for e in entries(folder) if Path(e.path) not in splits.values()]
    else:
        splits = {WHOLE: folder}
    classes = {
        name: class_files(place, folder, is_picture, listing.ignored)
        for name, place in splits.items()
    }
    learnt = next(iter(classes.values()))
    listing.classes = sorted(learnt)
    for split, found in classes.items():
        extra = sorted(set(found) - set(learnt))
        if extra:
            listing.problems.append(
                f"{several('class', extra)} of {splits[split]} not in {splits['train']}; "
                "add training images or remove the folder"
            )
        for label, name in enumerate(listing.classes):
            files = found.get(name, [])
            listing.names += files
            listing.labels += [label] * len(files)
            listing.groups += [split] * len(files)
    for name in listing.names:
        if not (folder / name).is_file():  # reading a pipe would wait for ever
            listing.bad[name] = (
                f"{folder / name} is no file but a broken link, a pipe or a device; remove it"
            )
    _judge(folder, learnt, listing)
    return listing


def is_picture(name: str) -> bool:
    """Whether a file is called like a picture that can be read."""
    return Path(name).suffix.lower() in EXTENSIONS


def _judge(folder: Path, learnt: dict[str, list[str]], listing: Listing) -> None:
    """Add what is wrong with the classes as a whole."""
    filled = [name for name, files in learnt.items() if files]
    if not listing.names:
        loose = [name for name in listing.ignored if is_picture(name)]
        what = "has no class folders, only loose images" if loose else "holds no images"
        if not any(entries(folder)):
            what = "is empty"
        listing.problems.append(
            f"{folder} in data.path {what}; put images ({', '.join(sorted(EXTENSIONS))}) into "
            f"one folder for each class{_tables(folder, listing) if loose else ''}"
        )
        return
    empty = sorted(set(learnt) - set(filled))
    if empty:
        listing.problems.append(
            f"{several('class folder', empty)} of {folder} without an image; "
            "add images or remove the folder"
        )
    if len(filled) == 1:
        listing.problems.append(
            f"only one class ({filled[0]!r}) in {folder}; classification needs two or more: "
            f"add a folder of images of another class{_tables(folder, listing)}"
        )


def _tables(folder: Path, listing: Listing) -> str:
    """Return a hint at the tables that lie in a folder beside its images."""
    beside = [name for name in listing.ignored if Path(name).suffix.lower() in TABLES]
    named = [str(folder / name) for name in beside if "/" not in name and name[-4:] != ".txt"]
    return f"; or give data.path={' or '.join(named[:3])}" if named else ""
