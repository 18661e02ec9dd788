"""What lies in a folder of images: classes, files, splits, and everything that is wrong with it."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.cpus import available_cpus
from data.errors import DataError, SampleError
from data.images.targets import Targets
from data.inputs import EXTENSIONS, nearest

SPLIT_FOLDERS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "testing"),
}
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
    splits = _split_folders(folder)
    listing = Listing()
    top = _entries(folder)
    if splits:
        listing.ignored += [e.name for e in top if Path(e.path) not in splits.values()]
        classes = {name: _classes(place, listing, folder) for name, place in splits.items()}
    else:
        splits = {WHOLE: folder}
        classes = {WHOLE: _classes(folder, listing, folder)}
    learnt = next(iter(classes.values()))
    listing.classes = sorted(learnt)
    for split, found in classes.items():
        extra = sorted(set(found) - set(learnt))
        if extra:
            listing.problems.append(
                f"{_several('class', extra)} of {splits[split]} not in {splits['train']}; "
                "add training images or remove the folder"
            )
        for label, name in enumerate(listing.classes):
            files = found.get(name, [])
            listing.names += files
            listing.labels += [label] * len(files)
            listing.groups += [split] * len(files)
    _judge(folder, learnt, listing)
    return listing


def failures(check: Callable[[int], object], indices: Sequence[int]) -> dict[int, str]:
    """Run `check` on every index, in threads; the messages of all SampleErrors by their index."""

    def message(index: int) -> str | None:
        try:
            check(index)
        except SampleError as error:
            return str(error)
        return None

    # Pillow lets go of the interpreter while it decodes.
    with ThreadPoolExecutor(min(8, available_cpus())) as pool:
        texts = pool.map(message, indices)
        return {index: text for index, text in zip(indices, texts, strict=True) if text is not None}


def _judge(folder: Path, learnt: dict[str, list[str]], listing: Listing) -> None:
    """Add what is wrong with the classes as a whole."""
    filled = [name for name, files in learnt.items() if files]
    if not listing.names:
        loose = [name for name in listing.ignored if Path(name).suffix.lower() in EXTENSIONS]
        what = "has no class folders, only loose images" if loose else "holds no images"
        if not any(_entries(folder)):
            what = "is empty"
        listing.problems.append(
            f"{folder} in data.path {what}; put images ({', '.join(sorted(EXTENSIONS))}) into "
            f"one folder for each class{_tables(folder, listing) if loose else ''}"
        )
        return
    empty = sorted(set(learnt) - set(filled))
    if empty:
        listing.problems.append(
            f"{_several('class folder', empty)} of {folder} without an image; "
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
    if train is None:
        return {}
    inside = _entries(train)
    # A class may be called "train" too: then it holds images, not folders.
    if any(Path(entry.name).suffix.lower() in EXTENSIONS for entry in inside):
        return {}
    return found if any(entry.is_dir() for entry in inside) or len(found) > 1 else {}


def _classes(place: Path, listing: Listing, root: Path) -> dict[str, list[str]]:
    """Return the image files of each class folder in `place`, relative to `root`."""
    found: dict[str, list[str]] = {}
    for entry in _entries(place):
        if not entry.is_dir():
            listing.ignored.append(Path(entry.path).relative_to(root).as_posix())
            continue
        files = found.setdefault(entry.name, [])
        for below, folders, names in os.walk(entry.path, onerror=_refuse, followlinks=True):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                if name.startswith("."):
                    continue
                path = (Path(below) / name).relative_to(root).as_posix()
                if Path(name).suffix.lower() not in EXTENSIONS:
                    listing.ignored.append(path)
                    continue
                files.append(path)
                if not (root / path).is_file():  # reading a pipe would wait for ever
                    listing.bad[path] = (
                        f"{root / path} is no file but a broken link, a pipe or a device; remove it"
                    )
    return found


def _refuse(error: OSError) -> None:
    raise DataError(f"{error.filename} can't be listed ({error.strerror}); change its permissions")


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is directly in a folder, sorted, hidden entries left out."""
    with os.scandir(folder) as entries:
        shown = [entry for entry in entries if not entry.name.startswith(".")]
    return sorted(shown, key=lambda entry: entry.name)


def _several(what: str, names: list[str]) -> str:
    plural = "es" if what.endswith("s") else "s"
    shown = ", ".join(repr(name) for name in names[:5]) + (", ..." if len(names) > 5 else "")
    return f"{what} {shown}" if len(names) == 1 else f"{len(names)} {what}{plural} ({shown})"
