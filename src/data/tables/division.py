"""Which rows are used, and which split each is in."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.bad_samples import BadFile, OnError, too_many
from data.errors import DataError
from data.splits import Indices
from data.splitting import split
from data.tables.columns import Column, Floats
from data.tables.features import Feature, blank, stored
from data.tables.frame import Frame
from data.tables.roles import Roles
from data.tables.target import Target
from data.tables.values import Misread, cell, line

Parts = tuple[Indices, Indices, Indices]
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Plan:
    """What the user wants of a table, beside the roles of its columns."""

    problem: str | None = None
    label_separator: str | None = None
    missing: Sequence[str] | None = None
    drops_missing_target: bool = False
    most_levels: int = 100
    split: str | None = None
    splits: str | Path | None = None
    validation: float = 0.1
    test: float = 0.2
    split_seed: int = 0
    folds: int | None = None
    fold: int | None = None
    on_error: OnError = "stop"
    max_bad: int = 20


def sound_rows(
    frame: Frame, target: Target, misread: Sequence[Misread], plan: Plan
) -> tuple[Indices, int, dict[int, str]]:
    """Return the rows that are split, how many have no target, and why rows are left out later."""
    absent = target.missing
    for each in target.bad:
        absent[each.rows] = False
    blank = _blank(frame)
    missing = np.flatnonzero(absent & ~blank)
    absent |= blank
    problems = []
    found = [*misread, *target.bad]
    if len(missing) and not plan.drops_missing_target:
        name = target.columns[0]
        for other in target.columns:
            if frame.columns[other].missing[missing[0]]:
                name = other
                break
        problems.append(line(frame, Misread(name, missing, "is missing", "missing")))
    bad: dict[int, str] = {}
    if plan.on_error == "stop":
        problems += [line(frame, each) for each in found]
    else:
        for each in found:
            for row in each.rows[: plan.max_bad + 1].tolist():
                bad.setdefault(row, cell(frame, each, row))
        if len(bad) > plan.max_bad:
            problems.append(too_many("rows", list(bad.values()), plan.max_bad))
    if problems:
        raise DataError(*problems)
    kept = np.flatnonzero(~absent)
    if not len(kept):
        raise DataError(f"{frame.file}: no row has a value of {', '.join(target.columns)}")
    return kept, len(frame) - len(kept), bad


def _blank(frame: Frame) -> NDArray[np.bool_]:
    """Return which rows have no value at all, as spreadsheets leave them below a table."""
    blank = np.ones(len(frame), dtype=bool)
    for column in frame.columns.values():
        blank &= column.missing
        if not blank.any():
            break
    return blank


def divided(frame: Frame, target: Target, chosen: Roles, plan: Plan, kept: Indices) -> Parts:
    """Return the rows of each split."""
    names = frame.names if len(kept) == len(frame) else frame.names.take(kept)
    labels = None
    if target.problem != "regression":
        labels = np.nan_to_num(target.values[kept]).astype(np.int64)

    def texts(name: str | None) -> list[str] | None:
        return None if name is None else _texts(frame.columns[name], kept)

    times = None
    if chosen.time is not None:
        times = _times(frame, frame.columns[chosen.time], kept)
    found = split(
        count=len(kept),
        method=plan.split,
        validation=plan.validation,
        test=plan.test,
        seed=plan.split_seed,
        labels=labels,
        groups=texts(chosen.group),
        times=times,
        given=texts(chosen.split_column),
        names=names,
        classes=target.classes or None,
        folds=plan.folds,
        fold=plan.fold,
        splits=plan.splits,
    )
    if len(kept) == len(frame):
        return found
    return kept[found[0]], kept[found[1]], kept[found[2]]


def _texts(column: Column, rows: Indices) -> list[str]:
    plain = column.as_texts()
    assert plain.codes is not None
    texts = [*plain.texts, ""]
    return [texts[code] for code in plain.codes[rows].tolist()]


def _times(frame: Frame, column: Column, rows: Indices) -> Floats:
    """Return when each row is from, as a number; raises DataError for rows that don't say."""
    values, wrong = column.values, np.flatnonzero(column.missing)
    if values is None:
        shape = blank(column, "date")
        values, wrong, _ = stored(column, shape, ".")
        if len(wrong) * 2 > len(column):
            values, wrong, _ = stored(column, Feature(column.name, "number"), ".")
        wrong = np.union1d(wrong, np.flatnonzero(column.missing))
    concerned = wrong[np.isin(wrong, rows)]
    if len(concerned):
        bad = Misread(column.name, concerned, "is not a date", "time")
        raise DataError(line(frame, bad))
    return values[rows]


def without(frame: Frame, parts: Parts, bad: dict[int, str]) -> tuple[Parts, tuple[BadFile, ...]]:
    """Return the splits less the rows that can't be read; the others stay where they are."""
    if not bad:
        return parts, ()
    sound = np.ones(len(frame), dtype=bool)
    sound[list(bad)] = False
    left_out = [
        BadFile(name, None, frame.names[row], bad[row])
        for name, part in zip(SPLITS, parts, strict=True)
        for row in part[~sound[part]].tolist()
    ]
    train, validation, test = (part[sound[part]] for part in parts)
    for name, old, new in zip(SPLITS, parts, (train, validation, test), strict=True):
        if len(old) and not len(new):
            raise DataError(f"{frame.file}: no row of the {name} split can be read; mend the data")
    return (train, validation, test), tuple(left_out)
