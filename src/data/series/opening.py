"""Files read, columns told apart, series put in order: what every use of series begins with."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from data.bad_samples import BadFile, OnError, too_many
from data.errors import DataError
from data.series.files import BINARY, COMMA_NUMBER, Dialect, head, read
from data.series.listing import Listed, has_classes
from data.series.roles import Roles, Wanted, find_roles, is_numeric, missing_column
from data.series.rows import Rows, series_of

Problem = Literal["regression", "classification"]
PROBLEMS: tuple[Problem, ...] = ("regression", "classification")


@dataclass(frozen=True)
class Opened:
    """The series of one file."""

    file: Listed
    rows: tuple[Rows, ...]
    labels: tuple[str, ...]
    """Classification by column: the label of each; otherwise empty."""


def open_all(
    files: Sequence[Listed], wanted: Wanted, dialect: Dialect, on_error: OnError, max_bad: int
) -> tuple[list[Opened], Roles, tuple[BadFile, ...]]:
    """Read all files; columns have the roles that they have in the first that can be read.

    Raises:
        DataError: everything that is wrong with all files; with on_error="skip" files that can't be
            read are left out, up to `max_bad` of them.
    """
    opened: list[Opened] = []
    bad: list[tuple[str, tuple[str, ...]]] = []
    roles: Roles | None = None
    for file in files:
        try:
            frame = read(file.path, file.name, dialect)
            if roles is None:
                roles = find_roles(frame, file.name, wanted)
            check_columns(frame, file.name, roles)
            found = list(series_of(frame, file.name, roles, day_first=wanted.day_first))
            labels = [_label(frame, rows, lines, roles) for rows, lines in found]
        except DataError as error:
            bad.append((file.name, tuple(error.problems)))
            continue
        kept = tuple(label for label in labels if label is not None)
        opened.append(Opened(file, tuple(rows for rows, _ in found), kept))
    problems = [line for _, lines in bad for line in lines]
    if on_error == "skip" and opened and len(bad) <= max_bad:
        problems = []
    elif on_error == "skip" and len(bad) > max_bad:
        problems = [too_many("files", problems, max_bad)]
    if problems:
        raise DataError(*problems)
    assert roles is not None
    return opened, roles, tuple(BadFile("train", None, name, lines[0]) for name, lines in bad)


def series_in(
    source: Path | bytes, name: str, roles: Roles, dialect: Dialect, day_first: bool | None
) -> Iterator[Rows]:
    """Yield the series of one file, or its content, whose roles are known; labels are not needed.

    Raises:
        DataError: what is wrong with the file.
    """
    frame = read(source, name, dialect)
    roles = replace(roles, targets=() if roles.is_classification else roles.targets)
    if roles.series and not set(roles.series) & set(frame.columns):
        roles = replace(roles, series=())  # a file of one series
    check_columns(frame, name, roles)
    for rows, _ in series_of(frame, name, roles, day_first=day_first):
        yield rows


def problem_of(files: Sequence[Listed], wanted: Wanted, dialect: Dialect) -> Problem:
    """Return what there is to learn: classes where folders or a target of text stand for them."""
    if wanted.target is None:
        return "classification" if has_classes(files) else "regression"
    if len(wanted.target) > 1:
        return "regression"
    (column,) = wanted.target
    try:
        return "classification" if _is_text(files[0], column, dialect) else "regression"
    except DataError:
        return "regression"  # what is wrong with the file is told when it is read


def _is_text(file: Listed, column: str, dialect: Dialect) -> bool:
    if file.path.suffix.lower() in BINARY:
        frame = read(file.path, file.name, dialect)
        return column in frame.columns and not is_numeric(frame[column])
    header = head(file.path, file.name, dialect)
    if column not in header.names:
        return False
    place = header.names.index(column)
    cells = [row[place].strip() for row in header.rows if len(row) > place]
    return not any(COMMA_NUMBER.fullmatch(cell.replace(".", ",", 1)) for cell in cells if cell)


def check_columns(frame: Any, name: str, roles: Roles) -> None:
    """Raise DataError, with every column that a file should have and hasn't."""
    columns = list(frame.columns)
    wanted = [*([roles.time] if roles.time else ()), *roles.series, *roles.targets, *roles.features]
    missing = [column for column in wanted if column not in columns]
    if missing:
        raise DataError(*(missing_column("needed", c, name, columns) for c in missing))


def _label(frame: Any, rows: Rows, lines: Any, roles: Roles) -> str | None:
    """Return the one label of a series; raises DataError where it changes or is missing."""
    if not (roles.is_classification and roles.targets):
        return None
    (column,) = roles.targets
    cells = frame[column].iloc[lines]
    labels = cells.dropna().unique()
    if cells.isna().any() or len(labels) != 1:
        what = "is empty in some rows" if cells.isna().any() else "changes"
        shown = ", ".join(map(repr, map(str, labels[:5])))
        raise DataError(
            f"column {column!r} {what} within series {rows.name} ({shown}); a series has one "
            "label; name what tells series apart: data.series=..."
        )
    return str(labels[0])
