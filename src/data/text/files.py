"""Folders of text files: flat, a folder for each class, or split folders with classes in them."""

from dataclasses import dataclass, field
from pathlib import Path

from data.folders import files_below
from data.splits import SPLIT_WORDS
from data.text.rows import TABLES

TEXTS = (".txt", ".text", ".md", ".tokens")
UNLABELLED = ("unsup", "unsupervised", "unlabeled", "unlabelled")


@dataclass
class Listing:
    """The text files of a folder with a folder for each class."""

    names: list[str] = field(default_factory=list)
    """Path of each file below the folder, with forward slashes."""
    classes: list[str] = field(default_factory=list)
    """The class of each file: the name of its folder."""
    splits: list[str] = field(default_factory=list)
    """The split of each file, "" where none is given."""
    ignored: list[str] = field(default_factory=list)
    """What was left out because it is no text of a class."""
    unlabelled: int = 0
    """Files in folders that are called "unsup" or the like, and were left out."""


def text_files(folder: Path) -> list[str]:
    """Return the text files anywhere below a folder, sorted, hidden ones left out."""
    found = (path for path in files_below(folder) if is_text(path.name))
    return sorted(path.relative_to(folder).as_posix() for path in found)


def is_text(name: str) -> bool:
    """Whether a file is called like a text; those of 20 newsgroups have no ending at all."""
    ending = Path(name).suffix.lower()
    return ending in TEXTS or (not ending and name.lower() not in ("readme", "license"))


def class_folders(folder: Path) -> Listing:
    """List a folder with a folder for each class, or with split folders that hold these."""
    listing = Listing()
    splits = split_entries(folder, folders=True)
    places = splits if "train" in splits and _folders(splits["train"]) else {"": folder}
    for place in sorted(folder.iterdir()):
        if place not in places.values() and (places is splits or not place.is_dir()):
            listing.ignored.append(place.name)
    for split, place in places.items():
        if split:
            listing.ignored += [f"{place.name}/{e.name}" for e in place.iterdir() if e.is_file()]
        for each in _folders(place):
            files = text_files(each)
            if each.name.lower() in UNLABELLED:
                listing.unlabelled += len(files)
                continue
            listing.names += [(each / name).relative_to(folder).as_posix() for name in files]
            listing.classes += [each.name] * len(files)
            listing.splits += [split] * len(files)
    listing.ignored = [name for name in listing.ignored if not Path(name).name.startswith(".")]
    return listing


def split_entries(folder: Path, *, folders: bool) -> dict[str, Path]:
    """Return the folder, or the table, of each split: train.csv, valid.csv, test.csv."""
    found: dict[str, Path] = {}
    entries = sorted(folder.iterdir())
    for split, names in SPLIT_WORDS.items():
        for entry in entries:
            fits = entry.is_dir() if folders else entry.suffix.lower() in TABLES
            stem = entry.name if folders else entry.stem
            if fits and split not in found and stem.lower() in names:
                found[split] = entry
    return found


def _folders(place: Path) -> list[Path]:
    return sorted(e for e in place.iterdir() if e.is_dir() and not e.name.startswith("."))
