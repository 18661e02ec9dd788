"""What a folder or a table of images seems to be, from its names alone. No torch."""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from data.errors import DataError
from data.images.folder import TABLES, scan
from data.inputs import EXTENSIONS
from data.look import Look

LARGE = 50_000
NOTHING = Look("images", "classification", "cnn", certainty=0.0)


def look_images(path: Path | None, options: Mapping[str, Any]) -> Look:
    """Return what a folder of class folders, or a table with a column of paths, seems to be.

    `options` are what the user has said of `data` already. Never raises for odd data.
    """
    if path is None:
        return NOTHING
    try:
        if path.is_dir():
            return _folder(path)
        if path.is_file() and path.suffix.lower() in TABLES:
            return _table(path, options)
    except (OSError, DataError, ValueError):
        return NOTHING
    return NOTHING


def _folder(path: Path) -> Look:
    """A folder is one of images where class folders hold images and little else."""
    found = next(
        (p for p in islice(path.rglob("*"), LARGE) if p.suffix.lower() in EXTENSIONS), None
    )
    if found is None:
        return NOTHING
    listing = scan(path)
    classes = [name for name, _ in zip(listing.classes, range(5), strict=False)]
    if len(listing.classes) < 2 or not listing.names:
        return Look("images", "classification", "cnn", certainty=0.1)
    share = len(listing.names) / (len(listing.names) + len(listing.ignored))
    more = f" and {len(listing.classes) - 5} more" if len(listing.classes) > 5 else ""
    about = f"{len(listing.names)} image files in {len(listing.classes)} folders"
    certainty = 0.9 * share if not listing.problems else 0.5 * share
    return Look(
        "images",
        "classification",
        "cnn",
        about=(f"{about}, which are the classes: {', '.join(classes)}{more}",),
        certainty=round(certainty, 3),
    )


def _table(path: Path, options: Mapping[str, Any]) -> Look:
    """A table is one of images where a column names image files, and some of them are there."""
    from data.images.table import path_column, problem_of, split_column_of, target_columns
    from data.tables.frame import read_frame
    from data.tables.layout import layout

    kept = {key: options.get(key) for key in ("separator", "encoding", "decimal")}
    frame = read_frame(path, layout(**kept))
    named = options.get("file")
    paths = frame.columns.get(named) if named else path_column(frame)
    if paths is None:
        return NOTHING
    folder = Path(options.get("root") or path.parent).expanduser()
    there = any((folder / paths.text(row)).is_file() for row in range(min(len(frame), 20)))
    split = split_column_of(frame)
    target = options.get("target")
    asked = [target] if isinstance(target, str) else list(target or [])
    used = {paths.name, *([split.name] if split else [])}
    columns = [frame.columns[name] for name in asked if name in frame.columns]
    columns = columns or target_columns(frame, used)
    problem = options.get("problem") or (problem_of(columns) if columns else "classification")
    names = [column.name for column in columns]
    data: dict[str, Any] = {"file": paths.name}
    if names:
        data |= {"target": names[0] if len(names) == 1 else names, "problem": problem}
    learnt = f"{problem} of {', '.join(map(repr, names[:5]))}" if names else "no target is plain"
    return Look(
        "images",
        problem,
        "cnn",
        about=(f"{len(frame)} image files in column {paths.name!r}; {learnt}",),
        data=data,
        certainty=(0.95 if there else 0.6) * (1.0 if names else 0.8),
    )
