"""Sources and translations of a table, of two files, or of a folder, side by side."""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.errors import DataError, SampleError
from data.folders import split_in_name
from data.text.columns import no_column, split_column
from data.text.decoding import read_text, tell_encodings
from data.text.files import split_entries
from data.text.headings import PAIR_NAMES
from data.text.rows import JSON, PARQUET, TABLES, Rows, cell_text, put_together, read_rows

CODE = re.compile(r"[a-z]{2}([_-][A-Za-z]{2,4})?")
KEYS = ("data.source", "data.target")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pairs:
    """Texts with their translations."""

    sources: list[str]
    targets: list[str]
    names: list[str]
    about: str
    column: list[str] = field(default_factory=list)
    """The column of the sources; [] of files."""
    given: list[str] | None = None
    """The split of each pair, where the data says it."""
    columns: tuple[str, ...] = ()
    """The columns of both sides, of a table."""

    @property
    def bad(self) -> dict[int, str]:
        """Why a pair can't be used, by its index."""
        return {
            place: f"{self.names[place]} has no {side}; fill it in or remove the pair"
            for place, pair in enumerate(zip(self.sources, self.targets, strict=True))
            for side, text in zip(("source", "translation"), pair, strict=True)
            if not text.strip()
        }

    def sound(self) -> "Pairs":
        """Return the pairs that can be used; raises DataError where there is none."""
        bad = self.bad
        if len(bad) == len(self.names):
            raise DataError("no pair has both a source and a translation; check data.path")
        return self.of([i for i in range(len(self.names)) if i not in bad]) if bad else self

    def of(self, indices: Sequence[int]) -> "Pairs":
        """Return some of them."""
        return Pairs(
            [self.sources[i] for i in indices],
            [self.targets[i] for i in indices],
            [self.names[i] for i in indices],
            self.about,
            self.column,
            None if self.given is None else [self.given[i] for i in indices],
            self.columns,
        )


def gathered_pairs(
    path: Path,
    other: Path | None,
    source: str | None,
    target: str | None,
    *,
    separator: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
) -> Pairs:
    """Return all pairs of a table, of two files, or of a folder; raises DataError."""
    how: dict[str, Any] = {"separator": separator, "encoding": encoding, "header": header}
    if other is not None:
        return line_by_line([("", path, other)], encoding)
    if path.is_file():
        if path.suffix.lower() not in (*TABLES, ".txt"):
            raise DataError(
                f"{path.name} in data.path is no table ({', '.join(TABLES)}); give the file with "
                "the translations too: data.target_path=FILE"
            )
        return of_table(_table(path, **how), source, target)
    tables = split_entries(path, folders=False)
    if "train" in tables:
        parts = {split: _table(place, **how) for split, place in tables.items()}
        rows = put_together(list(parts.values()), path.name)
        given = [split for split, part in parts.items() for _ in range(len(part))]
        return of_table(rows, source, target, given)
    return line_by_line(couples(path, source, target), encoding)


def of_table(
    rows: Rows,
    source: str | None,
    target: str | None,
    given: list[str] | None = None,
    *,
    quiet: bool = False,
) -> Pairs:
    """Return the pairs of a table's two columns, and say which; raises DataError."""
    rows = _unfolded(rows)
    by_name = split_column(rows) if given is None else None
    free = [name for name in rows.columns if name not in (source, target, by_name)]
    texts_alone = [name for name in free if not name.strip().lower().endswith("id")]
    wanted = (source is None) + (target is None)
    free = texts_alone if len(texts_alone) >= wanted else free
    problems = [
        no_column(rows, name, key)
        for key, name in zip(KEYS, (source, target), strict=True)
        if name is not None and name not in rows.columns
    ]
    if len(rows.columns) < 2 or len(free) < wanted:
        problems.append(
            f"{rows.name} has too few columns, and a pair takes two; divide them by a tab, or set "
            "data.separator"
        )
    elif source is not None and source == target:
        problems.append(f"column {source!r} is in data.source and in data.target; name two")
    if problems:
        raise DataError(*problems)
    columns = [source or free.pop(0), target or free.pop(0)]
    if by_name is not None:
        given = [cell_text(cell).strip() for cell in rows.columns[by_name]]
    if not quiet and (source is None or target is None):
        more = f"; {len(free)} more columns not used" if free else ""
        logger.warning(
            "%s: from %r to %r%s; data.source and data.target say otherwise",
            rows.name,
            *columns,
            more,
        )
    texts = [[cell_text(cell) for cell in rows.columns[name]] for name in columns]
    about = f"from {columns[0]} to {columns[1]}"
    return Pairs(texts[0], texts[1], rows.places, about, columns[:1], given, tuple(columns))


def couples(
    folder: Path, source: str | None, target: str | None, *, quiet: bool = False
) -> list[tuple[str, Path, Path]]:
    """Return (split, sources, translations) of the files of a folder that differ in the ending.

    Which side is which is logged where nobody has said so, unless `quiet`.

    Raises:
        DataError: no two files have the same stem, or there are more than two endings.
    """
    files = sorted(e for e in folder.iterdir() if e.is_file() and not e.name.startswith("."))
    stems: dict[str, dict[str, Path]] = {}
    for file in files:
        if file.suffix and file.suffix.lower() not in TABLES:
            stems.setdefault(file.stem, {})[file.suffix[1:]] = file
    stems = {stem: found for stem, found in stems.items() if len(found) > 1}
    endings = sorted({ending for found in stems.values() for ending in found})
    if not endings:
        raise DataError(
            f"{folder} in data.path has no two files such as train.en and train.de, and no "
            "train.tsv; name both: data.path=FILE data.target_path=FILE"
        )
    missing = [
        f"there is no file with the ending {ending!r} ({key}) in {folder}; there are "
        f"{', '.join(endings)}"
        for key, ending in zip(KEYS, (source, target), strict=True)
        if ending is not None and ending not in endings
    ]
    free = [ending for ending in endings if ending not in (source, target)]
    if not missing and len(endings) > 2 and (source is None or target is None):
        missing = [
            f"{folder} has files in {len(endings)} languages ({', '.join(endings)}); name two: "
            "data.source=... data.target=..."
        ]
    if missing:
        raise DataError(*missing)
    first = source or free.pop(0)
    second = target or free.pop(0)
    if not quiet and (source is None or target is None):
        logger.warning("from %s to %s; data.source=%s turns it round", first, second, second)
    found = [(stem, f[first], f[second]) for stem, f in stems.items() if {first, second} <= set(f)]
    split = {split_in_name(stem): (s, t) for stem, s, t in found}
    if "train" in split:
        return [(name, *files) for name, files in split.items() if name]
    return [("", s, t) for _, s, t in found]


def line_by_line(files: Sequence[tuple[str, Path, Path]], encoding: str | None) -> Pairs:
    """Return the lines of files side by side; raises DataError where their numbers differ."""
    sources: list[str] = []
    targets: list[str] = []
    names: list[str] = []
    given: list[str] = []
    problems: list[str] = []
    encodings: dict[str, str] = {}
    for split, first, second in files:
        try:
            lines = []
            for file in (first, second):
                text, encodings[file.name] = read_text(file, encoding)
                # Not splitlines: a line separator within a sentence is no end of a line.
                lines.append(text.removesuffix("\n").split("\n"))
        except SampleError as error:
            problems += error.problems
            continue
        if len(lines[0]) != len(lines[1]):
            problems.append(
                f"{first.name} has {len(lines[0]):,} lines and {second.name} has "
                f"{len(lines[1]):,}; line i of one has to be the translation of line i of the other"
            )
            continue
        # A line that is blank on both sides is no pair, only space.
        kept = [n for n, pair in enumerate(zip(*lines, strict=True)) if any(map(str.strip, pair))]
        sources += [lines[0][n] for n in kept]
        targets += [lines[1][n] for n in kept]
        names += [f"{first.name}:{n + 1}" for n in kept]
        given += [split] * len(kept)
    if problems:
        raise DataError(*problems)
    if not names:
        raise DataError("the files of data.path are empty; give files with a sentence in each line")
    tell_encodings(encodings)
    _, first, second = files[0]
    sides = [file.name if len(files) == 1 else file.suffix[1:] for file in (first, second)]
    about = f"from {sides[0]} to {sides[1]}"
    return Pairs(sources, targets, names, about, [], given if any(given) else None)


def _table(path: Path, *, separator: str | None, encoding: str | None, header: bool | None) -> Rows:
    if path.suffix.lower() in (".tsv", ".tab", ".txt") and separator is None:
        separator = "\t"

    def read(headed: bool | None) -> Rows:
        return read_rows(path, separator=separator, encoding=encoding, header=headed)

    rows = read(header) if header is not None else table_of_pairs(read, path.suffix)
    tell_encodings({rows.name: rows.encoding})
    return rows


def table_of_pairs(read: Callable[[bool | None], Rows], ending: str) -> Rows:
    """Return a table whose first row is a header only where it names columns.

    Two short sentences would do as names elsewhere; here these are known words, or languages.

    Args:
        read: gives the table, with a header, without, or as it looks (None).
        ending: of the file; some have names always.
    """
    rows = read(None)
    named = ending.lower() in (*JSON, *PARQUET) or rows.headless
    return rows if named or all(map(is_heading, list(rows.columns)[:2])) else read(False)


def is_heading(cell: str) -> bool:
    """Whether a cell of a first row names a column: "source", "en"."""
    word = cell.strip().lower()
    return word in PAIR_NAMES or CODE.fullmatch(cell.strip()) is not None


def _unfolded(rows: Rows) -> Rows:
    """Return {"translation": {"en": ..., "de": ...}}, as the hub's sets have it, as columns."""
    cells = rows.columns.get("translation")
    if not cells or not all(isinstance(cell, dict) for cell in cells):
        return rows
    others = {name: values for name, values in rows.columns.items() if name != "translation"}
    columns = {name: [cell.get(name) for cell in cells] for name in cells[0]}
    return Rows(rows.name, {**columns, **others}, rows.places, rows.encoding)
