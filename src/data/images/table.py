"""Images that a table names: a column of paths, and one or several of what is to be learnt."""

import difflib
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import DataError
from data.images.folder import WHOLE, Listing
from data.images.targets import PROBLEMS
from data.inputs import EXTENSIONS
from data.tables.cells import number
from data.tables.columns import Column, Floats, converted
from data.tables.frame import Frame, read_frame
from data.tables.layout import layout

PROBED_ROWS = 100
MOST_CLASSES = 100
BETWEEN_LABELS = "|"
TARGET_NAMES = ("target", "label", "labels", "class", "category", "y")
FILE_NAMES = ("path", "file", "filename", "file_name", "image", "image_path", "filepath")
SPLIT_WORDS = frozenset(["train", "training", "val", "valid", "validation", "dev", "test", ""])
logger = logging.getLogger(__name__)


def scan_table(
    path: Path,
    *,
    file: str | None = None,
    target: str | Sequence[str] | None = None,
    problem: str | None = None,
    root: str | Path | None = None,
    group: str | None = None,
    split_column: str | None = None,
    separator: str | None = None,
    encoding: str | None = None,
    decimal: str | None = None,
) -> Listing:
    """List the images of a table, and what it says of them; arguments as of `data.images.images`.

    Raises:
        DataError: the table can't be read, columns that it lacks, or that can't be told apart.
    """
    chosen = layout(separator=separator, encoding=encoding, decimal=decimal)
    folder = path.parent if root is None else Path(root).expanduser()
    found = chosen.problems()
    if root is not None and not folder.is_dir():
        found.append(f"{folder} in data.root is no folder; give what the paths are relative to")
    if problem is not None and problem not in PROBLEMS:
        found.append(f"problem ({problem!r}) in data.problem; choose {', '.join(PROBLEMS)}")
    if found:
        raise DataError(*found)
    frame = read_frame(path, chosen)
    for remark in frame.remarks:
        logger.warning("%s", remark)
    asked = [target] if isinstance(target, str) else list(target or [])
    named = {"file": file, "group": group, "split_column": split_column}
    _refuse_unknown(frame, [(key, name) for key, name in named.items() if name is not None])
    _refuse_unknown(frame, [("target", name) for name in asked])
    paths = frame.columns[file] if file else path_column(frame)
    if paths is None:
        raise DataError(
            f"{frame.file} has no column of image files among {_shown(list(frame.columns))}; name "
            "it in data.file"
        )
    given = frame.columns[split_column] if split_column else split_column_of(frame)
    used = {paths.name, *([given.name] if given else []), *([group] if group else [])}
    columns = [frame.columns[name] for name in asked] or target_columns(frame, used)
    if not columns:
        rest = [name for name in frame.columns if name not in used]
        raise DataError(
            f"{frame.file} has {'no column' if not rest else _shown(rest)} beside the paths; name "
            "what is to be learnt in data.target"
        )
    listing = Listing(problem=problem or problem_of(columns), root=folder)
    _fill_targets(listing, frame, columns)
    _fill_files(listing, frame, paths, folder)
    texts = [given.text(row) for row in range(len(frame))] if given else [""] * len(frame)
    listing.groups = [text or WHOLE for text in texts]
    if group is not None:
        listing.grouped = [frame.columns[group].text(row) for row in range(len(frame))]
    if file is None or not asked or problem is None:
        logger.warning(
            "%s: files in %r, %s of %s%s",
            frame.file,
            paths.name,
            listing.problem,
            _shown([column.name for column in columns]),
            f", split by {given.name!r}" if given else "",
        )
    return listing


def path_column(frame: Frame) -> Column | None:
    """Return the column whose entries are called like image files; by its name among several."""
    rows = range(min(len(frame), PROBED_ROWS))
    found = [
        column
        for column in frame.columns.values()
        if column.values is None
        and sum(Path(column.text(row)).suffix.lower() in EXTENSIONS for row in rows) * 2 > len(rows)
    ]
    named = [column for column in found if column.name.strip().lower() in FILE_NAMES]
    return next(iter([*named, *found]), None)


def split_column_of(frame: Frame) -> Column | None:
    """Return a column called split whose every entry is the name of one."""
    for name, column in frame.columns.items():
        if name.strip().lower() == "split" and column.values is None:
            return column if {text.lower() for text in column.texts} <= SPLIT_WORDS else None
    return None


def target_columns(frame: Frame, used: set[str]) -> list[Column]:
    """Return what is probably to be learnt; none where it can't be told."""
    rest = [column for name, column in frame.columns.items() if name not in used]
    named = [column for column in rest if column.name.strip().lower() in TARGET_NAMES]
    if len(named) == 1 or len(rest) == 1:
        return (named or rest)[:1]
    return rest if rest and all(_is_binary(column) for column in rest) else []


def problem_of(columns: Sequence[Column]) -> str:
    """Return what there is to learn from columns, by what they hold."""
    if len(columns) > 1:
        return "multilabel" if all(_is_binary(column) for column in columns) else "regression"
    (column,) = columns
    if column.values is None:
        several = any(BETWEEN_LABELS in text for text in column.texts)
        if not several and _mostly_numbers(column):
            return "regression"
        return "multilabel" if several else "classification"
    known = np.unique(column.values[~column.missing])
    whole = column.holds == "truths" or bool((known == np.rint(known)).all())
    return "classification" if whole and len(known) <= MOST_CLASSES else "regression"


def _mostly_numbers(column: Column) -> bool:
    """Whether texts are numbers that are measured rather than classes, but for a few cells."""
    values, wrong = converted(column, number)
    values = values[np.isfinite(values)]
    if not len(values) or 4 * len(wrong) > len(values):
        return False
    different = len(np.unique(values))
    whole = bool((values == np.rint(values)).all())
    return not whole or different > MOST_CLASSES or 5 * different > len(values)


def _fill_targets(listing: Listing, frame: Frame, columns: Sequence[Column]) -> None:
    """Add classes and labels, or the numbers, and what is wrong with them."""
    if listing.problem == "classification" and len(columns) > 1:
        raise DataError(
            f"{len(columns)} columns in data.target with data.problem=classification; give one"
        )
    # A sample may have none of the labels.
    labels_in_one = listing.problem == "multilabel" and len(columns) == 1
    for column in columns if not labels_in_one else ():
        empty = np.flatnonzero(column.missing).tolist()
        if empty:
            listing.problems.append(
                f"{frame.file}: {len(empty)} of {len(frame)} rows without a value in "
                f"{column.name!r} (rows {_rows(frame, empty)}); fill them in or remove the rows"
            )
    if labels_in_one and columns[0].values is None:
        said = [
            {each.strip() for each in columns[0].text(row).split(BETWEEN_LABELS)} - {""}
            for row in range(len(frame))
        ]
        listing.classes = sorted(set().union(*said))
        listing.values = np.array(
            [[float(name in names) for name in listing.classes] for names in said]
        ).reshape(len(frame), len(listing.classes))
        return
    if listing.problem == "classification":
        texts = columns[0].as_texts()
        assert texts.codes is not None
        order = _in_order(texts.texts, columns[0])
        listing.classes = [texts.texts[place] for place in order]
        ranks = np.argsort(np.array(order, dtype=np.int64))
        listing.labels = np.where(texts.codes >= 0, ranks[texts.codes], 0).tolist()
        if len(listing.classes) < 2:
            listing.problems.append(
                f"{frame.file} has only {_shown(listing.classes)} in {columns[0].name!r}; "
                "classification needs two classes or more"
            )
        return
    _fill_numbers(listing, frame, columns)


def _fill_numbers(listing: Listing, frame: Frame, columns: Sequence[Column]) -> None:
    """Add a column for each label or number."""
    listing.classes = [column.name for column in columns]
    values = np.zeros((len(frame), len(columns)))
    for place, column in enumerate(columns):
        numbers, wrong = _numbers(column, frame)
        if numbers is None:
            row = next((r for r in range(len(frame)) if column.text(r)), 0)
            listing.problems.append(
                f"{frame.file}: {column.name!r} holds no numbers (row {frame.row(row)}: "
                f"{column.text(row)!r}); name another column in data.target, or set data.problem"
            )
            continue
        if wrong:
            texts = list(dict.fromkeys(column.text(row) for row in wrong))
            many = len(wrong) > 1
            listing.problems.append(
                f"{frame.file}: {column.name!r} has {len(wrong)} value{'s' if many else ''} that "
                f"{'are no numbers' if many else 'is no number'} (row{'s' if many else ''} "
                f"{_rows(frame, wrong)}: {_shown(texts)}); mend {'them' if many else 'it'}, or set "
                "data.problem=classification"
            )
        values[:, place] = np.nan_to_num(numbers)
        known = ~column.missing
        known[wrong] = False
        odd = ~np.isfinite(numbers) & known
        if listing.problem == "multilabel":
            odd |= ~np.isin(numbers, (0.0, 1.0)) & known
        if odd.any():
            what = "0 or 1" if listing.problem == "multilabel" else "finite numbers"
            rows = np.flatnonzero(odd).tolist()
            listing.problems.append(
                f"{frame.file}: {len(rows)} values in {column.name!r} that are not {what} (rows "
                f"{_rows(frame, rows)}); mend them"
            )
    listing.values = values


def _numbers(column: Column, frame: Frame) -> tuple[Floats | None, list[int]]:
    """Return the numbers of a column, None where it holds hardly any, and the rows without one."""
    if column.values is not None:
        return (None if column.holds == "dates" else column.values), []
    values, wrong = converted(column, lambda text: number(text, frame.layout.decimal or "."))
    return (None if 2 * len(wrong) > len(values) else values), wrong.tolist()


def _fill_files(listing: Listing, frame: Frame, paths: Column, folder: Path) -> None:
    """Add the path of each row, and which are missing."""
    empty = np.flatnonzero(paths.missing).tolist()
    if empty:
        listing.problems.append(
            f"{frame.file}: {len(empty)} rows without a path in {paths.name!r} (rows "
            f"{_rows(frame, empty)}); fill them in or remove the rows"
        )
    for row in range(len(frame)):
        name = paths.text(row)
        if "\\" in name and not (folder / name).is_file():
            name = name.replace("\\", "/")  # written on Windows
        listing.names.append(name)
        if name and name not in listing.bad and not (folder / name).is_file():
            listing.bad[name] = (
                f"{frame.file}: row {frame.row(row)}: {folder / name} is missing; restore it, "
                "remove the row, or name the folder that paths are relative to in data.root"
            )
    counts = Counter(listing.names)
    twice = [name for name, count in counts.items() if count > 1 and name]
    if twice:
        logger.warning(
            "%s: %d files are named in several rows, such as %s; they may be in several splits",
            frame.file,
            len(twice),
            twice[0],
        )


def _refuse_unknown(frame: Frame, named: Sequence[tuple[str, str]]) -> None:
    problems = [
        f"column {name!r} in data.{key} is none of {frame.file}"
        f"; {_closest(name, list(frame.columns))}it has {_shown(list(frame.columns))}"
        for key, name in named
        if name not in frame.columns
    ]
    if problems:
        raise DataError(*problems)


def _closest(name: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}? " if close else ""


def _is_binary(column: Column) -> bool:
    return (
        column.values is not None
        and column.holds != "dates"
        and bool(np.isin(column.values[~column.missing], (0.0, 1.0)).all())
    )


def _in_order(texts: Sequence[str], column: Column) -> list[int]:
    """Return the places of classes in the order of their names, of numbers by their size."""

    def rank(place: int) -> Any:
        return float(texts[place]) if numbers else texts[place]

    numbers = column.values is not None and column.holds == "numbers"
    return sorted(range(len(texts)), key=rank)


def _rows(frame: Frame, rows: Sequence[int]) -> str:
    shown = ", ".join(str(frame.row(row)) for row in rows[:5])
    return shown + (", ..." if len(rows) > 5 else "")


def _shown(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:5])) + (
        f" and {len(names) - 5} more" if len(names) > 5 else ""
    )
