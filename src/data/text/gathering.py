"""Labelled texts of a file or a folder, whichever form they have, as one list."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError, SampleError
from data.text.columns import (
    Labels,
    labels_of,
    no_column,
    split_column,
    target_columns,
    text_columns,
)
from data.text.decoding import read_text, tell_encodings
from data.text.files import Listing, class_folders, split_entries
from data.text.readers import joined
from data.text.rows import TABLES, Rows, cell_text, put_together, read_rows

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Form:
    """How files are read, and which columns are what; None: found by looking."""

    text: str | Sequence[str] | None = None
    target: str | Sequence[str] | None = None
    problem: str | None = None
    split_column: str | None = None
    group: str | None = None
    time: str | None = None
    separator: str | None = None
    encoding: str | None = None
    header: bool | None = None


@dataclass(frozen=True)
class Gathered:
    """All texts with what is said of them."""

    texts: list[str]
    names: list[str]
    labels: Labels
    column: list[str]
    """The columns that the text was in; [] where each text is a file."""
    given: list[str] | None = None
    """The split of each text, "" where it has none."""
    groups: list[str] | None = None
    times: NDArray[Any] | None = None
    bad: dict[int, str] = field(default_factory=dict)
    """Why a text, or its target, can't be read, by its index."""


def gathered(path: Path, form: Form) -> Gathered:
    """Return the texts of a table, of a folder with train.csv and the like, or of class folders.

    Raises:
        DataError: all that is wrong with it.
    """
    if path.is_file():
        return of_rows(read_table(path, form), form)
    tables = split_entries(path, folders=False)
    listing = class_folders(path)
    if "train" in tables:
        parts = {split: read_table(place, form) for split, place in tables.items()}
        rows = put_together(list(parts.values()), path.name)
        given = [split for split, part in parts.items() for _ in range(len(part))]
        return of_rows(rows, form, given)
    if listing.names:
        return of_files(path, listing, form)
    loose = sorted(e.name for e in path.iterdir() if e.suffix.lower() in TABLES)
    if len(loose) == 1:
        return of_rows(read_table(path / loose[0], form), form)
    what = f"several tables ({', '.join(loose[:3])}); name one" if loose else "no class folders"
    remedy = "" if loose else "; put texts (.txt) into one folder for each class, or give a CSV"
    raise DataError(f"{path} in data.path has {what}{remedy}")


def read_table(path: Path, form: Form) -> Rows:
    """Read one table and say what was assumed about it."""
    rows = read_rows(path, separator=form.separator, encoding=form.encoding, header=form.header)
    tell_encodings({rows.name: rows.encoding})
    if rows.headless and form.header is None:
        listed = ", ".join(map(repr, rows.columns))
        logger.warning("%s has no header; its columns are called %s", rows.name, listed)
    return rows


def of_rows(rows: Rows, form: Form, given: list[str] | None = None) -> Gathered:
    """Return the texts of a table with their targets; raises DataError."""
    by_name = form.split_column or (split_column(rows) if given is None else None)
    serving = {"data.split_column": by_name, "data.group": form.group, "data.time": form.time}
    problems = [
        no_column(rows, name, key)
        for key, name in serving.items()
        if name is not None and name not in rows.columns
    ]
    if problems:
        raise DataError(*problems)
    asked = [form.target] if isinstance(form.target, str) else list(form.target or ())
    others = [name for name in serving.values() if name is not None]
    text = text_columns(rows, form.text, [*asked, *others])
    target = target_columns(rows, form.target, text, others)
    labels = labels_of(rows, target, form.problem)
    if form.text is None or form.target is None:
        logger.warning(
            "%s: text in %s, target in %s (%s); data.text and data.target say otherwise",
            rows.name,
            ", ".join(map(repr, text)),
            ", ".join(map(repr, target[:3])) + (", ..." if len(target) > 3 else ""),
            labels.problem,
        )
    if by_name is not None:
        given = [cell_text(cell).strip() for cell in rows.columns[by_name]]
        if form.split_column is None:
            logger.warning("%s: splits as column %r says", rows.name, by_name)
    which = ", ".join(map(repr, target))
    return Gathered(
        [joined(rows, text, row) for row in range(len(rows))],
        rows.places,
        labels,
        text,
        given,
        None if form.group is None else [cell_text(c) for c in rows.columns[form.group]],
        None if form.time is None else times_of(rows, form.time),
        {
            row: f"{rows.places[row]} has no target in column {which}; fill it in or remove the row"
            for row in labels.missing
        },
    )


def of_files(folder: Path, listing: Listing, form: Form) -> Gathered:
    """Return the texts of class folders, each with the name of its folder."""
    if listing.ignored:
        shown = ", ".join(listing.ignored[:3]) + (", ..." if len(listing.ignored) > 3 else "")
        logger.warning("%d ignored in %s: %s", len(listing.ignored), folder, shown)
    if listing.unlabelled:
        logger.warning(
            "%d texts without a label left out (folder unsup or the like)", listing.unlabelled
        )
    unfit = [
        f"{key} is for tables, and {folder} has a folder for each class; leave it out"
        for key in ("text", "target", "split_column", "group", "time")
        if getattr(form, key) is not None
    ]
    if unfit:
        raise DataError(*unfit)
    texts: list[str] = []
    encodings: dict[str, str] = {}
    bad: dict[int, str] = {}
    for place, name in enumerate(listing.names):
        try:
            text, encodings[name] = read_text(folder / name, form.encoding)
        except SampleError as error:
            text, bad[place] = "", str(error)
        texts.append(text)
    tell_encodings(encodings)
    rows = Rows(str(folder), {"class": list(listing.classes)}, listing.names)
    labels = labels_of(rows, ["class"], form.problem or "classification")
    given = listing.splits if any(listing.splits) else None
    return Gathered(texts, listing.names, labels, [], given, bad=bad)


def times_of(rows: Rows, column: str) -> NDArray[Any]:
    """Return when each row is from, of numbers or dates; raises DataError for what is neither."""
    import datetime

    moments: list[float] = []
    problems = []
    for place, cell in zip(rows.places, rows.columns[column], strict=True):
        try:
            moments.append(float(cell))
            continue
        except (TypeError, ValueError):
            pass
        try:
            when = (
                cell
                if isinstance(cell, datetime.date)
                else datetime.datetime.fromisoformat(str(cell).strip())
            )
            full = datetime.datetime(*when.timetuple()[:6], tzinfo=getattr(when, "tzinfo", None))
            moments.append((full.replace(tzinfo=full.tzinfo or datetime.UTC)).timestamp())
        except ValueError:
            problems.append(
                f"{place} has {cell!r} in column {column!r} (data.time), which is no number and no "
                "date such as 2024-05-31; mend it"
            )
    if problems:
        raise DataError(*problems)
    return np.array(moments, dtype=np.float64)
