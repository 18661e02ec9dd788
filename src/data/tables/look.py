"""A first look at a file: is it a table, and what is there to learn?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.errors import DataError
from data.look import Look
from data.tables.frame import Frame, read_frame
from data.tables.layout import is_table, layout
from data.tables.remarks import counted
from data.tables.roles import Options, Roles, roles
from data.tables.table import absent_texts, listed
from data.tables.target import target_of

MOST_ROWS = 100_000
NOT_A_TABLE = Look("table", "classification", "tabular", certainty=0.0)
MEDIA = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".wav", ".flac", ".mp3", ".ogg")


def look_table(path: Path | None, options: Mapping[str, Any]) -> Look:
    """Return what a file seems to be as a table: its target, and what there is to learn.

    Args:
        path: a file, or anything else.
        options: the keys of conf/data/table.yaml that the user has set.
    """
    if path is None or not path.is_file() or not is_table(path.name):
        return NOT_A_TABLE
    keys = ("separator", "encoding", "decimal", "header")
    how = layout(**{key: options.get(key) for key in keys})
    if how.problems():
        return NOT_A_TABLE
    missing = absent_texts(options.get("missing"))
    try:
        frame = read_frame(path, how, missing=missing, most_rows=MOST_ROWS)
        return look_frame(frame, "table", options)
    except DataError:
        return NOT_A_TABLE


def look_frame(frame: Frame, kind: str, given: Mapping[str, Any]) -> Look:
    """Return what a table seems to be; raises DataError where nothing can be learned from it.

    Args:
        frame: some of its rows.
        kind: the choice of conf/data.
        given: the keys of that choice that the user has set.
    """
    names = {key: listed(given.get(key)) for key in ("ignore", "categorical", "numeric")}
    named = {key: listed(given[key]) for key in ("target", "features") if given.get(key)}
    single = {key: given.get(key) for key in ("group", "time", "weight", "split_column")}
    options: dict[str, Any] = {**names, **named, **single}
    chosen = roles(frame, Options(**options))
    decimal = frame.layout.decimal or "."
    target = target_of(
        frame, chosen.target, given.get("problem"), given.get("label_separator"), decimal
    )
    data: dict[str, Any] = {
        "target": chosen.target[0] if len(chosen.target) == 1 else list(chosen.target),
        "problem": target.problem,
    }
    if chosen.split_column is not None:
        data["split_column"] = chosen.split_column
    goal = ", ".join(chosen.target)
    why = f" ({goal}: {target.why})" if target.why else ""
    about = [
        f"{frame.file}: a table of {len(frame.columns)} columns, "
        f"{counted(list(chosen.features.values()))} to predict from",
        f"target: {goal}" + (f" ({chosen.chosen})" if chosen.chosen else ""),
        f"problem: {target.problem}{why}",
    ]
    return Look(
        kind,
        target.problem,
        "tabular",
        tuple(about),
        {key: value for key, value in data.items() if given.get(key) is None},
        # The weights are the third field of a batch.
        others={"task.sample_weight": 2} if chosen.weight is not None else {},
        certainty=certainty(frame, chosen),
    )


def certainty(frame: Frame, chosen: Roles) -> float:
    """Return how sure it is a table of its own, and not a list of files or of texts."""
    if len(frame.columns) < 2:
        return 0.1
    names = [*chosen.features, *chosen.ignored]
    texts = [frame.columns[name] for name in names if frame.columns[name].texts]
    if any(column.texts[0].lower().endswith(MEDIA) for column in texts):
        return 0.2
    prose = [c for c in texts if sum(t.count(" ") for t in c.texts[:100]) > 4 * len(c.texts[:100])]
    if prose and len(names) - len(prose) <= 1:
        return 0.3
    return 0.6 if chosen.time or "date" in chosen.features.values() else 0.9
