"""What a user hands in, as single image files: a file, a folder, or a pattern with * and **.

Standard library only: a bundle takes this file along.
"""

import difflib
import glob
import heapq
import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import chain, islice
from pathlib import Path

from data.errors import DataError

EXTENSIONS = frozenset(
    [
        ".bmp",
        ".gif",
        ".jfif",
        ".jpe",
        ".jpeg",
        ".jpg",
        ".pbm",
        ".pgm",
        ".png",
        ".ppm",
        ".tif",
        ".tiff",
        ".webp",
    ]
)
KEPT_NAMES = 1 << 17
COMPARED_NAMES = 10_000
ANY_DEPTH = "**"


def expand(source: str) -> Iterator[str]:
    """Return the image files that a path or a pattern stands for, one after the other.

    A file is taken whatever its name. Of a folder all images below it come, in the order of their
    names, and so of each folder that a pattern matches; what is hidden or not named like an image
    is left out, and a link back to a folder above is not followed. `~` is the user's home; `**`
    stands for any number of folders. Memory stays small however many files there are: of a folder
    at most 131,072 names are held at once. A folder that can't be listed comes as itself, so that
    reading it tells what is wrong.

    Raises:
        DataError: there is no such path, or no image in it; before the first file is given.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        found, what = _images(str(path), [ANY_DEPTH]), "holds no image"
    elif os.path.lexists(path):
        return iter([str(path)])
    elif glob.has_magic(str(path)):
        fixed, pattern = _divided(path)
        if not fixed.is_dir():
            raise DataError(f"{fixed} of {source} does not exist{nearest(fixed)}")
        found, what = _images(str(fixed), [*pattern, ANY_DEPTH]), "matches no image"
    else:
        raise DataError(f"{path} does not exist{nearest(path)}")
    first = next(found, None)
    if first is None:
        raise DataError(f"{path} {what} ({', '.join(sorted(EXTENSIONS))}); give another path")
    return chain([first], found)


def nearest(path: Path, otherwise: str = "", *, folders: bool = False) -> str:
    """Return a hint at the entry that was probably meant, or at where the path ends.

    `otherwise` is said where no entry is near; with `folders` only folders are proposed.
    """
    parent, missing = path, path.name
    while not parent.is_dir() and parent != parent.parent:
        missing, parent = parent.name, parent.parent
    try:
        with os.scandir(parent) as entries:
            # Comparing with all names of a huge folder would take minutes.
            some = list(islice(entries, COMPARED_NAMES))
            names = [entry.name for entry in some if not folders or entry.is_dir()]
    except OSError:
        names = []
    close = difflib.get_close_matches(missing, names, n=1)
    if close:
        return f"; did you mean {parent / close[0]}?"
    whence = "" if parent in (path, path.parent) else f" ({parent} does, without {missing!r})"
    return f"{whence}{otherwise}"


def _divided(path: Path) -> tuple[Path, Sequence[str]]:
    """Return the folder that a pattern starts from, and its parts from the first * on."""
    parts = path.parts
    first = next(place for place, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:first]), parts[first:]


def _images(
    folder: str,
    pattern: Sequence[str],
    places: frozenset[int] = frozenset([0]),
    above: tuple[tuple[int, int], ...] = (),
) -> Iterator[str]:
    """Yield the images below a folder that a pattern matches, in the order of their names.

    `places` are the parts of the pattern that may come next, `above` the folders that led here.
    """
    # Path would keep the name of each file for good (it interns them).
    start = "" if folder == os.curdir else folder if folder.endswith(os.sep) else folder + os.sep
    try:
        facts = Path(folder).stat()
        own = (facts.st_dev, facts.st_ino)
        if own in above:
            return
        for name, is_folder in _entries(folder):
            after = _after(name, pattern, places)
            path = start + name
            if is_folder and after:
                yield from _images(path, pattern, after, (*above, own))
            elif not is_folder and len(pattern) in after and _is_named_as_image(name):
                yield path
    except OSError:
        yield folder


def _entries(folder: str) -> Iterator[tuple[str, bool]]:
    """Yield each entry's name and whether it is a folder, sorted, holding a bounded number."""
    last = ""
    while True:
        # Sorting all names would hold them all; so a large folder is read several times.
        with os.scandir(folder) as entries:
            later = ((entry.name, entry.is_dir()) for entry in entries if entry.name > last)
            smallest = heapq.nsmallest(KEPT_NAMES, later)
        yield from smallest
        if len(smallest) < KEPT_NAMES:
            return
        last = smallest[-1][0]


def _after(name: str, pattern: Sequence[str], places: frozenset[int]) -> frozenset[int]:
    """Return which parts of the pattern may follow an entry of that name; none: no match."""
    found = set()
    for place in places:
        for here in _skipping(pattern, place):
            part = pattern[here] if here < len(pattern) else ""
            if name.startswith(".") and not part.startswith("."):
                continue
            if part == ANY_DEPTH:
                found |= {here, *_skipping(pattern, here)}
            elif part and fnmatchcase(name, part):
                found |= {*_skipping(pattern, here + 1)}
    return frozenset(found)


def _skipping(pattern: Sequence[str], place: int) -> Iterator[int]:
    """Yield a place in the pattern and those after it that are reached through `**` alone."""
    yield place
    while place < len(pattern) and pattern[place] == ANY_DEPTH:
        place += 1
        yield place


def _is_named_as_image(name: str) -> bool:
    _, dot, ending = name.rpartition(".")
    return f"{dot}{ending.lower()}" in EXTENSIONS
