"""Which recordings there are, with their targets: in a folder for each class, or in a table."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data.audio.folder import LEFT, scan
from data.audio.labels import (
    ENDINGS,
    Format,
    Labels,
    check_columns,
    file_column,
    place_of,
    read_labels,
)
from data.audio.targets import Targets, of_classes, of_table, target_columns
from data.errors import DataError

SPLIT_COLUMNS = ("split", "subset", "partition")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recordings:
    """Files of sound with their targets, before they are split."""

    root: Path
    """Folder that the names are relative to."""
    names: Sequence[str]
    """Path of each file."""
    targets: Targets
    """What is to be learned of each."""
    given: Sequence[str] | None = None
    """The split of each, "" where it is to be split; None where none is given."""
    groups: Sequence[str] | None = None
    """What is never to be in two splits, such as the speaker of each."""


def in_folder(folder: Path, problem: str | None = None) -> Recordings:
    """Return the recordings of a folder for each class."""
    listing = scan(folder)
    if problem not in (None, "classification"):
        listing.problems.append(
            f"data.problem={problem} needs a table (CSV, TSV, Parquet) with the targets of each "
            f"file; {folder} in data.path is a folder, whose folders are classes"
        )
    if listing.problems:
        raise DataError(*listing.problems)
    if listing.ignored:
        shown = ", ".join(listing.ignored[:3]) + (", ..." if len(listing.ignored) > 3 else "")
        logger.warning(
            "%d ignored in %s, no sound of a class that can be read: %s",
            len(listing.ignored),
            folder,
            shown,
        )
    given = listing.given if any(each != LEFT for each in listing.given) else None
    return Recordings(folder, listing.names, of_classes(listing.labels, listing.classes), given)


def opened(
    path: Path,
    *,
    file: str | None,
    target: str | Sequence[str] | None,
    others: Sequence[str | None] = (),
    limit: int | None = None,
    how: Format = Format(),  # noqa: B008  # it can't be changed
) -> tuple[Labels, tuple[str, ...]]:
    """Return a table and the columns to learn; with `limit` only its first rows."""
    if path.suffix.lower() not in ENDINGS:
        raise DataError(
            f"{path} in data.path is one file; give a folder with a folder of sound for each class,"
            f" or a table with a column of paths ({', '.join(ENDINGS)})"
        )
    table = read_labels(path, limit, how)
    column = file_column(table, file)
    usual = [name for name in table.columns if name.lower() in SPLIT_COLUMNS]
    return table, target_columns(table, target, [column, *others, *usual])


def in_table(
    table: Labels,
    columns: tuple[str, ...],
    *,
    file: str | None,
    problem: str | None,
    root: str | Path | None,
    group: str | None,
    split_column: str | None,
    complete: bool = True,
) -> Recordings:
    """Return the recordings that a table names; unless `complete`, files may be missing.

    Raises:
        DataError: columns or files that aren't there, each with its line; targets that are missing.
    """
    where = (table.path.parent if root is None else Path(root)).expanduser()
    column = file_column(table, file)
    problems: list[str] = []
    for key, name in (("data.group", group), ("data.split_column", split_column)):
        if name is not None:
            check_columns(table, [name], key)
    if split_column is None and group is None:
        usual = [name for name in table.columns if name.lower() in SPLIT_COLUMNS]
        split_column = usual[0] if usual and usual[0] not in (*columns, column) else None
        if split_column:
            logger.warning(
                "column %r of %s says which split a file is in", split_column, table.path
            )
    for row in table.rows:
        cell = row.cells[column]
        if not cell:
            problems.append(f"{table.path}:{row.line} names no file in {column!r}; remove the row")
        elif complete and not place_of(cell, where).exists():
            problems.append(
                f"{table.path}:{row.line} names {cell!r}, which is not in {where}; mend the path, "
                "or say what paths are relative to by data.root=FOLDER"
            )
    try:
        targets = of_table(table, columns, problem)
    except DataError as error:
        problems += error.problems
    if problems:
        raise DataError(*problems)
    if targets.classes and len(targets.classes) < 2:
        raise DataError(
            f"only one class ({targets.classes[0]!r}) in {table.path}; classification needs two or "
            "more: add files of another class"
        )
    return Recordings(
        where,
        [row.cells[column] for row in table.rows],
        targets,
        given=[row.cells[split_column] for row in table.rows] if split_column else None,
        groups=[row.cells[group] for row in table.rows] if group else None,
    )
