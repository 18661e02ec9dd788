"""The ways of splitting by name, and what each of them needs."""

from collections.abc import Sequence
from typing import Any

from data.errors import DataError
from data.folds import fold_problems
from data.splits import check_fractions

METHODS = {
    "stratified": "each class, or label, keeps its share in every split",
    "random": "by chance",
    "group": "no group (person, place, recording) is in two splits",
    "time": "the oldest train, the newest test",
    "hash": "by the hash of the name: a sample stays where it is when data is added",
    "column": "a column says which split a sample is in",
}
NEEDS = {
    "stratified": ("labels", "classes to keep the shares of; choose data.split=random"),
    "group": ("groups", "groups; name their column in data.group, or choose data.split=random"),
    "time": ("times", "times; name their column in data.time, or choose data.split=random"),
    "hash": ("names", "names; choose data.split=random"),
    "column": ("given", "such a column; name it in data.split_column, or choose data.split=random"),
}


def argument_problems(
    method: str,
    present: Sequence[str],
    *,
    validation: float,
    test: float,
    folds: int | None,
    fold: int | None,
) -> list[str]:
    """Return all that is wrong with the options of a split; `present` names what there is."""
    problems = []
    if method not in METHODS:
        problems.append(f"split ({method!r}) in data.split; choose {', '.join(METHODS)}")
    elif method in NEEDS and NEEDS[method][0] not in present:
        problems.append(f"data.split={method}, but the data has no {NEEDS[method][1]}")
    try:
        check_fractions(validation=validation, test=test)
    except DataError as error:
        problems += error.problems
    problems += fold_problems(folds, fold)
    if method == "time" and folds is not None:
        problems.append(
            f"folds ({folds}) in data.folds with data.split=time would train on what comes after "
            "the validation; leave data.folds out, or choose another data.split"
        )
    return problems


def count_problem(count: int, parts: int) -> list[str]:
    """Return what is wrong where there are fewer samples than splits."""
    if count == 0:
        return ["no samples (0) to split; check the data's path"]
    if count < parts:
        return [
            f"{count} {'sample' if count == 1 else 'samples'}, too few for {parts} splits; add "
            "samples, or set data.validation=0 or data.test=0"
        ]
    return []


def first(names: Sequence[Any], largest: int = 5) -> str:
    """Return the first few of something for a message."""
    shown = ", ".join(
        repr(name) if isinstance(name, str) else str(name) for name in names[:largest]
    )
    return shown + (", ..." if len(names) > largest else "")


def is_missing(cell: Any) -> bool:
    """Whether a cell of a table is empty: None, "", NaN, NaT or pandas.NA."""
    if cell is None:
        return True
    try:
        return bool(cell != cell) or bool(cell == "")
    except TypeError:
        return True  # pandas.NA answers neither yes nor no
