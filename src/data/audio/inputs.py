"""What a user hands in, as single files of sound: a file, a folder, a pattern, or a table."""

import glob
import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from data.audio.labels import ENDINGS as TABLES
from data.audio.labels import file_column, place_of, read_labels
from data.audio.waveform import EXTENSIONS
from data.errors import DataError
from data.given import Given
from data.inputs import nearest

# Sound too, but libsndfile has no decoder for it.
UNREADABLE = frozenset((".aac", ".amr", ".m4a", ".mp4", ".webm", ".wma"))
CONVERT = "convert it to WAV or FLAC"


def expand(source: str) -> Iterator[str | Given]:
    """Return the files of sound that a path or a pattern stands for, one after the other.

    A file is taken whatever its name; a CSV, TSV or Parquet file stands for the files in its column
    of paths, whose other columns come along. Of a folder all sound below it comes, sorted by name,
    and so of each folder that a pattern matches; hidden entries are left out. `~` is the user's
    home, `**` stands for any number of folders.

    Raises:
        DataError: there is no such path, or no sound in it; before the first file is given.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        found, what = _below(path), "holds no sound"
    elif os.path.lexists(path):
        return _listed(path) if path.suffix.lower() in TABLES else iter([str(path)])
    elif glob.has_magic(str(path)):
        found, what = _matching(str(path)), "matches no sound"
    else:
        raise DataError(f"{path} does not exist{nearest(path)}")
    first = next(found, None)
    if first is None:
        raise DataError(f"{path} {what} ({', '.join(sorted(EXTENSIONS))}); give another path")
    return chain([first], found)


def is_sound(name: str) -> bool:
    """Whether a file is named like sound that can be read."""
    return Path(name).suffix.lower() in EXTENSIONS


def _below(folder: Path) -> Iterator[str]:
    for place, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and is_sound(name):
                yield os.path.join(place, name)  # noqa: PTH118  # "." stays out of the name


def _matching(pattern: str) -> Iterator[str]:
    for match in sorted(glob.iglob(pattern, recursive=True)):  # noqa: PTH207  # it may begin with /
        path = Path(match)
        if path.is_dir():
            yield from _below(path) if "**" not in pattern else ()
        elif is_sound(match):
            yield match


def _listed(path: Path) -> Iterator[Given]:
    table = read_labels(path)
    column = file_column(table)
    for row in table.rows:
        place = place_of(row.cells[column], path.parent)
        yield Given(f"{path}:{row.line}", str(place), row.cells)
