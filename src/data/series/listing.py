"""Which files hold the series: one file, a folder of them, or a folder for each class."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data.errors import DataError
from data.inputs import nearest
from data.series.files import ENDINGS

OF_A_FOLDER = tuple(ending for ending in ENDINGS if ending != ".txt")


@dataclass(frozen=True)
class Listed:
    """One file."""

    path: Path
    name: str
    """Its path below the folder, with forward slashes; or its name."""
    folder: str
    """The folder right below the whole that it lies in; "" for none."""


def listed(path: str | Path | None) -> list[Listed]:
    """Return the files of series at a path, sorted by name.

    Raises:
        DataError: no path, nothing there, or no file of series in it.
    """
    if path is None or not str(path).strip():
        raise DataError("data.path is needed: data.path=FILE, a CSV with a row for each time")
    place = Path(path).expanduser()
    if place.is_dir():
        files = [
            Listed(file, file.relative_to(place).as_posix(), _first_folder(file, place))
            for file in sorted(place.rglob("*"))
            if file.suffix.lower() in OF_A_FOLDER and file.is_file() and not _hidden(file, place)
        ]
        if not files:
            raise DataError(
                f"{place} in data.path holds no {', '.join(OF_A_FOLDER)}; give the file or folder "
                "of the series"
            )
        return files
    if not place.exists():
        raise DataError(f"{place} in data.path does not exist{nearest(place, '; check data.path')}")
    return [Listed(place, place.name, "")]


def has_classes(files: Sequence[Listed]) -> bool:
    """Whether the files lie in two folders or more, and none beside these."""
    return len({file.folder for file in files}) > 1 and all(file.folder for file in files)


def _first_folder(file: Path, place: Path) -> str:
    parts = file.relative_to(place).parts
    return parts[0] if len(parts) > 1 else ""


def _hidden(file: Path, place: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(place).parts)
