"""What rows are to be learned for: their classes, or the numbers of their target columns."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.errors import DataError
from data.shards.columns import NUMBERS
from data.shards.row_groups import RowGroups
from data.splits import Indices
from data.splitting.rules import first

FEW_CLASSES = 50
PROBLEMS = ("classification", "regression")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Targets:
    """What all rows are to be learned for; -1 and False stand for rows without a target."""

    problem: str
    """"classification" or "regression"."""
    labels: Indices | None
    """Class of each row [N]."""
    classes: tuple[str, ...]
    """Class names."""
    known: np.ndarray
    """Whether a row has a target, bool [N]."""


def targets_of(groups: RowGroups, names: Sequence[str], problem: str | None) -> Targets:
    """Return what the rows are to be learned for; of classes one for each row is kept.

    Args:
        groups: the files' row groups.
        names: the target columns.
        problem: "classification" or "regression"; None for `problem_of` them.

    Raises:
        DataError: targets of the wrong kind.
    """
    if problem is not None and problem not in PROBLEMS:
        raise DataError(f"problem ({problem!r}) in data.problem; choose {' or '.join(PROBLEMS)}")
    if problem == "classification" and len(names) > 1:
        raise DataError(
            f"{len(names)} columns in data.target for classification; give one, or "
            "data.problem=regression"
        )
    if problem is None:
        problem, why = problem_of(groups, names)
        logger.warning("%s: %s; data.problem says otherwise", problem, why)
    if problem == "regression":
        return _numbers(groups, names)
    found = _classes(groups, names[0])
    if len(found.classes) < 2:
        raise DataError(
            f"{len(found.classes)} class in column {names[0]!r} "
            f"({first(found.classes) or 'no value'}), and 2 or more are needed; name another "
            "column in data.target"
        )
    return found


def problem_of(groups: RowGroups, names: Sequence[str]) -> tuple[str, str]:
    """Return "classification" or "regression", and why: by the target's first row group alone."""
    if len(names) > 1:
        return "regression", f"{len(names)} targets"
    kind = groups.types[names[0]]
    if kind == "number":
        return "regression", f"{names[0]} has numbers with a point"
    if kind != "whole number":
        return "classification", f"{names[0]} has {kind}"
    values = groups.numbers(0, names)
    different = len(np.unique(values[np.isfinite(values)]))
    if different > FEW_CLASSES:
        return "regression", f"{names[0]} has {different} different whole numbers and more"
    return "classification", f"{names[0]} has {different} different whole numbers"


def _classes(groups: RowGroups, name: str) -> Targets:
    codes = dict[object, int]()
    parts = []
    for table in groups.values([name]):
        column = table[name].combine_chunks().dictionary_encode()
        values = column.dictionary.to_pylist()
        own = np.array([*(_code(value, codes) for value in values), -1])
        places = column.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
        parts.append(own[places.astype(np.int64)])
    labels = np.concatenate(parts).astype(np.int64)
    numbers = all(isinstance(value, int | float) for value in codes)
    ordered = sorted(codes, key=lambda value: value if numbers else str(value))  # type: ignore[arg-type,return-value]
    place = np.empty(len(codes) + 1, dtype=np.int64)
    place[-1] = -1
    for number, value in enumerate(ordered):
        place[codes[value]] = number
    names = tuple(_text(value) for value in ordered)
    return Targets("classification", place[labels], names, labels >= 0)


def _numbers(groups: RowGroups, names: Sequence[str]) -> Targets:
    wrong = [name for name in names if groups.types[name] not in NUMBERS]
    if wrong:
        raise DataError(
            f"{len(wrong)} columns in data.target are no numbers ({wrong[0]!r}: "
            f"{groups.types[wrong[0]]}), as regression needs; choose data.problem=classification"
        )
    known = [
        np.isfinite(groups.numbers(group, names)).all(axis=1) for group in range(len(groups.number))
    ]
    return Targets("regression", None, (), np.concatenate(known))


def _code(value: object, codes: dict[object, int]) -> int:
    return -1 if value is None or value != value else codes.setdefault(value, len(codes))


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value == int(value) else str(value)
