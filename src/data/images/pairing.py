"""Images and what belongs to each of them by its name: a mask, or a text file with boxes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from data.folders import child, files_below, split_folders
from data.inputs import EXTENSIONS
from data.splits import SPLIT_WORDS

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "jpegimages")
WHOLE = ""


@dataclass
class Pairs:
    """Images and their partners, sorted, with the split that they are laid in."""

    names: list[str] = field(default_factory=list)
    """Path of each image below the folder, with forward slashes."""
    partners: list[str | None] = field(default_factory=list)
    """Path of what belongs to each, None where there is nothing."""
    groups: list[str] = field(default_factory=list)
    """The split of each: "train", "validation", "test", or "" where not split yet."""
    problems: list[str] = field(default_factory=list)
    """What has to be mended, a line each."""
    alone: list[str] = field(default_factory=list)
    """Partners of no image."""


@dataclass(frozen=True)
class Place:
    """Where the images of a split are, and where what belongs to them."""

    split: str
    images: Path
    partners: Path


def places(folder: Path, partner_folders: Sequence[str]) -> list[Place]:
    """Return where images and partners lie: beside each other, or in the folder of each split.

    `folder/images` and `folder/masks`, `folder/train/images` and `folder/train/masks`, or
    `folder/images/train` and `folder/masks/train`; [] where it is none of these.
    """
    images, partners = child(folder, IMAGE_FOLDERS), child(folder, partner_folders)
    if images and partners:
        inner = split_folders(images)
        found = [
            Place(split, inside, other)
            for split, inside in inner.items()
            if (other := child(partners, SPLIT_WORDS[split]))
        ]
        return (
            found
            if "train" in [place.split for place in found]
            else [Place(WHOLE, images, partners)]
        )
    found = []
    for split, inside in split_folders(folder).items():
        images, partners = child(inside, IMAGE_FOLDERS), child(inside, partner_folders)
        if images and partners:
            found.append(Place(split, images, partners))
    return found if "train" in [place.split for place in found] else []


def pair(
    folder: Path,
    where: Sequence[Place],
    *,
    endings: Collection[str],
    suffixes: Sequence[str] = (),
) -> Pairs:
    """Match images and partners by their path without its ending, and without one of `suffixes`.

    Args:
        folder: what names are relative to.
        where: the places to look at.
        endings: of partners' names, such as ".png".
        suffixes: what a partner's name may have before its ending, such as "_mask".
    """
    found = Pairs()
    for place in where:
        images, twins = _by_stem(place.images, EXTENSIONS)
        if suffixes and place.images == place.partners:
            for stem in [stem for stem in images if stem.endswith(tuple(suffixes))]:
                images.pop(stem)
        partners, doubled = _by_stem(
            place.partners,
            endings,
            suffixes,
            bare=not (suffixes and place.images == place.partners),
        )
        found.problems += [f"{a} and {b} have the same name; rename one" for a, b in twins]
        found.problems += [f"{a} and {b} belong to the same image; remove one" for a, b in doubled]
        for stem, path in sorted(images.items()):
            partner = partners.pop(stem, None)
            found.names.append(path.relative_to(folder).as_posix())
            found.partners.append(
                None if partner is None else partner.relative_to(folder).as_posix()
            )
            found.groups.append(place.split)
        found.alone += [path.relative_to(folder).as_posix() for path in partners.values()]
    return found


def _by_stem(
    root: Path, endings: Collection[str], suffixes: Sequence[str] = (), *, bare: bool = True
) -> tuple[dict[str, Path], list[tuple[Path, Path]]]:
    """Return the files below a folder by their path without ending and suffix, and the doubles.

    Without `bare` only those that have one of the suffixes.
    """
    found: dict[str, Path] = {}
    twins = []
    for path in files_below(root):
        if path.suffix.lower() not in endings:
            continue
        stem = PurePosixPath(path.relative_to(root).as_posix()).with_suffix("").as_posix()
        for suffix in suffixes:
            if stem.endswith(suffix) and stem != suffix:
                stem = stem.removesuffix(suffix)
                break
        else:
            if not bare:
                continue
        if stem in found:
            twins.append((found[stem], path))
        found.setdefault(stem, path)
    return found, twins
