"""Splits that are written down: a column of the data, or a splits.csv of an earlier run."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.errors import DataError
from data.inputs import nearest
from data.splits import SPLIT_WORDS, Indices
from data.splitting.rules import first, is_missing

WORDS = {word: place for place, words in enumerate(SPLIT_WORDS.values()) for word in words}
UNSPLIT = -1


def by_column(given: Sequence[str | None], names: Sequence[str] | None = None) -> Indices:
    """Return 0 (training), 1 (validation), 2 (test), or -1 where the cell is empty, int64 [N].

    Raises:
        DataError: words that name no split, each with how often it occurs.
    """
    words = [_word(cell) for cell in given]
    parts = np.array([WORDS.get(word, UNSPLIT) for word in words], dtype=np.int64)
    unknown: dict[str, list[int]] = {}
    for place, word in enumerate(words):
        if word and word not in WORDS:
            unknown.setdefault(str(given[place]), []).append(place)
    if unknown:
        called: Sequence[object] = range(len(given)) if names is None else names
        told = [
            f"{word!r} ({len(places)} x, first at {called[places[0]]})"
            for word, places in list(unknown.items())[:5]
        ]
        raise DataError(
            f"{len(unknown)} unknown {'word' if len(unknown) == 1 else 'words'} in "
            f"data.split_column: {'; '.join(told)}{'; ...' if len(unknown) > 5 else ''}; write "
            "train, validation or test, or leave the cell empty for samples that are to be split"
        )
    return parts


def read_splits(path: str | Path, names: Sequence[str]) -> Indices:
    """Return 0 (training), 1 (validation) or 2 (test) for each name as a splits.csv says, int64.

    Raises:
        DataError: the file is not there or not of that form, or its names are not just these.
    """
    rows = _rows(Path(path).expanduser())
    problems, parts, wanted = [], dict[str, int](), set(names)
    unknown, twice = [], []
    for line, (name, split) in rows:
        part = WORDS.get(_word(split))
        # A run writes a name that a spreadsheet would take for a formula behind a quote.
        name = name if name in wanted else name.removeprefix("'")
        if part is None:
            unknown.append(f"{split!r} in line {line}")
        elif parts.setdefault(name, part) != part:
            twice.append(name)
    if unknown:
        problems.append(
            f"{len(unknown)} unknown splits in {path} in data.splits ({', '.join(unknown[:5])}); "
            "write train, validation or test"
        )
    if twice:
        problems.append(
            f"{len(twice)} names are in two splits in {path} in data.splits ({first(twice)}); "
            "keep one row of each"
        )
    missing = [name for name in names if name not in parts] if not unknown else []
    if missing:
        problems.append(
            f"{len(missing)} of {len(names)} samples are not in {path} in data.splits "
            f"({first(missing)}); add them, or remove them from the data"
        )
    extra = [name for name in parts if name not in wanted]
    if extra:
        problems.append(
            f"{len(extra)} of {len(parts)} names in {path} in data.splits are not in the data "
            f"({first(extra)}); was it written for this data? remove them, or restore the samples"
        )
    if problems:
        raise DataError(*problems)
    return np.array([parts[name] for name in names], dtype=np.int64)


def _rows(path: Path) -> list[tuple[int, tuple[str, str]]]:
    """Return name and split of each row with its line."""
    if not path.is_file():
        hint = nearest(path, "; give the splits.csv of a run, or null")
        raise DataError(f"{path} in data.splits is no file{hint}")
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.DictReader(file)
            fields = reader.fieldnames or []
            if not {"name", "split"} <= set(fields):
                raise DataError(
                    f"{path} in data.splits has the columns {first(list(fields)) or 'none'}; it "
                    "needs name and split"
                )
            return [(reader.line_num, (row["name"] or "", row["split"] or "")) for row in reader]
    except (OSError, csv.Error) as error:
        raise DataError(f"{path} in data.splits can't be read ({error}); check the file") from error


def _word(cell: object) -> str:
    return "" if is_missing(cell) else str(cell).strip().lower()
