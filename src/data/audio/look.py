"""A first look at a path: whether it is sound, and what there is to learn of it. No torch."""

import os
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from data.audio.folder import scan
from data.audio.inputs import CONVERT, UNREADABLE
from data.audio.labels import ENDINGS, Format, file_column, place_of, read_labels
from data.audio.layouts import LISTS, has_eights
from data.audio.listing import opened
from data.audio.targets import problem_of
from data.audio.waveform import EXTENSIONS, header
from data.errors import DataError
from data.look import Look

ENTRIES = 2000
ROWS = 200
MODEL = "audio_cnn"
LOSSES = {"classification": "cross_entropy", "multilabel": "bce", "regression": "mse"}


def look_audio(path: Path | None, options: Mapping[str, Any]) -> Look:
    """Return what a folder or a table of sound seems to be; never raises for odd data.

    Args:
        path: what lies there is listed up to 2,000 entries, of a table 200 rows are read.
        options: keys of `data` that the user has set, see `data.audio.recordings.audio`.
    """
    try:
        if path is None or not path.exists():
            return _look("classification", (), 0.0)  # the builder says what is missing
        return _folder(path) if path.is_dir() else _table(path, options)
    except (DataError, OSError, ValueError) as error:
        return _look("classification", (" ".join(str(error).split()),), 0.0)


def look_speechcommands(path: Path | None, options: Mapping[str, Any]) -> Look:
    """Return what there is to learn of Speech Commands, and whether it is there."""
    name = f"speech_commands_{options.get('version') or 'v0.02'}"
    root = path or Path("datasets")
    found = any(
        (place / LISTS["test"]).is_file()
        for place in (root / "SpeechCommands" / name, root / name, root)
    )
    about = f"spoken words, one second each{'' if found else f'; not in {root}'}"
    return _look("classification", (about,), float(found), kind="speechcommands")


def look_yesno(path: Path | None, options: Mapping[str, Any]) -> Look:
    """Return what there is to learn of YesNo, and whether it is there."""
    del options  # there is nothing to choose
    root = path or Path("datasets")
    found = has_eights(root / "waves_yesno") or has_eights(root)
    about = f"eight words each, yes or no{'' if found else f'; not in {root}'}"
    return _look("multilabel", (about,), float(found), kind="yesno")


def _look(
    problem: str,
    about: tuple[str, ...],
    certainty: float,
    data: Mapping[str, Any] | None = None,
    kind: str = "audio",
) -> Look:
    return Look(
        kind=kind,
        problem=problem,
        model=MODEL,
        about=about,
        data=data or {},
        certainty=certainty,
        loss=LOSSES[problem],
        evaluation=problem,
    )


def _folder(path: Path) -> Look:
    """Look at a folder by the endings of the files below it."""
    for known in (look_speechcommands(path, {}), look_yesno(path, {})):
        if known.certainty == 1:
            return known
    endings = [Path(name).suffix.lower() for name in islice(_names(path), ENTRIES)]
    sound = sum(ending in EXTENSIONS for ending in endings)
    if not sound:
        other = sum(ending in UNREADABLE for ending in endings)
        told = f"{other} files of sound that can't be read; {CONVERT}" if other else "no sound"
        return _look("classification", (told,), 0.1 if other else 0.0)
    share = sound / len(endings)
    listing = scan(path)
    if listing.problems:
        return _look("classification", tuple(listing.problems), 0.4 * share)
    first = path / listing.names[0]
    about = [f"{len(listing.names)} files of sound in {len(listing.classes)} class folders"]
    given = sorted({each for each in listing.given if each})
    if given:
        about.append(f"already split: {', '.join(['train', *given])}")
    about += _heard(first)
    return _look("classification", tuple(about), share)


def _table(path: Path, options: Mapping[str, Any]) -> Look:
    """Look at the first rows of a table with a column of paths."""
    if path.suffix.lower() not in ENDINGS:
        return _look("classification", (f"{path.name} is no table of paths",), 0.0)
    others = (options.get("group"), options.get("split_column"))
    file, target = options.get("file"), options.get("target")
    how = Format(*(options.get(key) for key in ("separator", "encoding", "decimal")))
    try:
        table, columns = opened(path, file=file, target=target, others=others, limit=ROWS, how=how)
    except DataError:  # of sound it is also where what to learn isn't plain
        table, columns = read_labels(path, ROWS, how), ()
    column = file_column(table, file)
    said = options.get("problem")
    problem = problem_of(table, columns, said) if columns else said or "classification"
    root = Path(options.get("root") or path.parent).expanduser()
    place = place_of(table.rows[0].cells[column], root)
    about = [f"a table whose column {column!r} names files of sound"]
    about.append(f"to learn: {', '.join(columns)} ({problem})" if columns else "no target is plain")
    about += _heard(place) if place.exists() else [f"{place} is not there: see data.root"]
    data: dict[str, Any] = {"file": column}
    if columns:
        data |= {
            "target": columns[0] if len(columns) == 1 else list(columns),
            "problem": problem,
        }
    certainty = (0.95 if place.exists() else 0.6) * (1.0 if columns else 0.9)
    return _look(problem, tuple(about), certainty, data)


def _heard(path: Path) -> list[str]:
    """Return a line about one file."""
    try:
        head = header(path)
    except DataError:
        return []
    channels = {1: "mono", 2: "stereo"}.get(head.channels, f"{head.channels} channels")
    return [f"such as {path.name}: {head.seconds:.3g} s, {head.rate} Hz, {channels}"]


def _names(folder: Path) -> list[str]:
    """Return names of files below a folder, class by class, not more than needed."""
    found: list[str] = []
    for _, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [name for name in names if not name.startswith(".")]
        if len(found) >= ENTRIES:
            break
    return found
