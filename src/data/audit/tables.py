"""Rows of columns: single columns, leakage of the target, shift between splits, equal rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.audit import columns as single
from data.audit import leakage, shift
from data.audit.columns import Column
from data.audit.duplicates import Contents
from data.audit.figures import Bars, Figure, histogram
from data.audit.finding import Finding, many, percent, places
from data.audit.inputs import as_columns
from data.audit.parts import Part, row_digests
from data.audit.study import Study

DRAWN, BARS = 24, 8


def study(
    parts: Sequence[Part],
    info: Any,
    targets: Sequence[NDArray[np.float64]],
    columns: Sequence[Column] | None = None,
) -> Study:
    """Look at all columns and rows.

    Args:
        parts: the splits.
        info: what the data says of itself.
        targets: for regression, the targets [N, T] of each part; else empty.
        columns: the columns; by default those of the dataset, or of its inputs.
    """
    columns = columns_of(parts, info) if columns is None else columns
    if not columns:
        return Study()
    result = Study(findings=[*single.findings(columns), *unused(parts)])
    result.findings += leaks(parts, info, columns, targets)
    result.findings += shift.findings(columns, [part.split for part in parts])
    table = [
        np.stack([column.values[side] for column in columns], axis=1) for side in range(len(parts))
    ]
    # All that isn't a number counts as one value: what is missing is missing.
    marks = [row_digests(np.where(np.isnan(own), -1e300, own)) for own in table]
    result.contents.append(Contents(marks, "row", rich=False, chance=coincidence(parts, table)))
    result.figures += figures(parts, columns)
    result.facts = {"columns": [column.name for column in columns]}
    return result


def columns_of(parts: Sequence[Part], info: Any) -> list[Column]:
    """Return the columns as they stand in the file where the dataset has them, else its inputs."""
    source = getattr(parts[0].dataset, "source", None)
    if source is None or not hasattr(source, "features"):
        return as_columns(parts, info)
    found = []
    for feature, stored in zip(source.features, source.values, strict=True):
        values, categories = np.asarray(stored, dtype=np.float64), None
        if feature.kind == "category":
            # The codes of the file: those of the model have one for all unknown categories.
            plain = source.frame.columns[feature.name].as_texts()
            values, categories = plain.codes.astype(np.float64), list(plain.texts)
            values[values < 0] = np.nan
        own = [values[np.asarray(part.dataset.rows)[part.rows]] for part in parts]
        found.append(Column(feature.name, own, categories, is_date=feature.kind == "date"))
    return found


def unused(parts: Sequence[Part]) -> list[Finding]:
    """Columns that the table itself has left out, since nothing can be learned from them."""
    source = getattr(parts[0].dataset, "source", None)
    if source is None or not hasattr(source, "frame"):
        return []
    from data.tables.kinds import useless

    taken = {*(feature.name for feature in source.features), *source.target.columns}
    reasons = {
        name: why
        for name, column in source.frame.columns.items()
        if name not in taken and (why := useless(column))
    }
    if not reasons:
        return []
    return [
        Finding(
            "note",
            f"{many(len(reasons), 'column')} left out, since nothing can be learned from them",
            places(f"{name!r}: {why}" for name, why in reasons.items()),
            "name them in data.features if they are to be used",
        )
    ]


def leaks(
    parts: Sequence[Part],
    info: Any,
    columns: Sequence[Column],
    targets: Sequence[NDArray[np.float64]],
) -> list[Finding]:
    """Columns that give the target away, whatever it is."""
    labels = [part.labels for part in parts]
    known = [each for each in labels if each is not None]
    if len(known) == len(parts) and getattr(info, "problem", "") != "regression":
        return leakage.of_classes(columns, known)
    found = []
    for place in range(targets[0].shape[1] if targets else 0):
        names = getattr(info, "targets", ())
        name = str(names[place]) if place < len(names) else f"target {place + 1}"
        found += leakage.of_numbers(columns, [own[:, place] for own in targets], name)
    return found


def coincidence(parts: Sequence[Part], table: Sequence[NDArray[np.float64]]) -> float:
    """Return the chance that two rows are equal, if columns were independent within a class."""
    rows = np.concatenate(list(table))
    labels = [part.labels for part in parts]
    known = [each for each in labels if each is not None]
    groups = np.concatenate(known) if len(known) == len(parts) else np.zeros(len(rows), dtype=int)
    total = 0.0
    for group in np.unique(groups):
        own = rows[groups == group]
        chance = 1.0
        for place in range(own.shape[1]):
            _, counts = np.unique(own[:, place], return_counts=True)
            pairs = float((counts * (counts - 1.0)).sum())
            chance *= pairs / max(len(own) * (len(own) - 1.0), 1.0)
        total += chance * (len(own) / len(rows)) ** 2
    return total


def figures(parts: Sequence[Part], columns: Sequence[Column]) -> list[Figure]:
    """Return how the values of the first columns are spread."""
    drawn: list[Figure | None] = []
    splits = [part.split for part in parts]
    for column in columns[:DRAWN]:
        missing = float(np.isnan(column.all).mean())
        note = f"{percent(missing)} missing" if missing else ""
        if column.categories is not None:
            drawn.append(of_categories(column, splits, note))
            continue
        values = [*zip(splits, column.values, strict=True)]
        drawn.append(histogram(column.name, values, note, is_date=column.is_date))
    return [each for each in drawn if each is not None]


def of_categories(column: Column, splits: Sequence[str], note: str) -> Bars:
    """Return how often each of the most frequent categories comes."""
    names = column.categories or ()
    counts = np.stack(
        [
            np.bincount(own[~np.isnan(own)].astype(int), minlength=len(names))
            for own in column.values
        ]
    )
    order = sorted(range(len(names)), key=lambda k: (-int(counts[:, k].sum()), names[k]))
    rows = [(str(names[k]), counts[:, k].tolist()) for k in order[:BARS]]
    rest = f"the first {BARS} of {len(names):,} categories" if len(names) > BARS else ""
    return Bars(column.name, rows, splits, "; ".join(filter(None, [note, rest])), is_wide=False)
