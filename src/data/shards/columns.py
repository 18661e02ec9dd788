"""Which columns of Parquet shards are a model's input, and which one is to be learned."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from data.errors import DataError
from data.shards.row_groups import RowGroups
from data.splitting.rules import first

NUMBERS = ("number", "whole number", "truth")
USUAL = ("target", "label", "class", "y")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Columns:
    """The roles of the columns."""

    features: tuple[str, ...]
    """A model's input, all of numbers."""
    targets: tuple[str, ...]
    """What is to be learned."""
    about: tuple[str, ...]
    """What was assumed, in lines for the user."""


def chosen_columns(
    groups: RowGroups,
    *,
    target: str | Sequence[str] | None,
    features: Sequence[str] | None,
    ignore: Sequence[str],
    apart: Sequence[str],
) -> Columns:
    """Return the roles of the columns, as the user says or as they seem to be.

    Args:
        groups: the files' row groups, with the kind of each column.
        target: the column, or columns, to learn; None for one with a usual name, or the last.
        features: columns of the input; None for all others that are of numbers.
        ignore: columns that are left out.
        apart: columns that have another role: group, time, split.

    Raises:
        DataError: columns that are not there, or of the wrong kind; all of them.
    """
    types, about, problems = groups.types, list[str](), list[str]()
    named = [] if target is None else [target] if isinstance(target, str) else list(target)
    for key, names in (
        ("target", named),
        ("features", list(features or ())),
        ("ignore", list(ignore)),
        ("group, data.time or data.split_column", list(apart)),
    ):
        lost = [name for name in names if name not in types]
        if lost:
            problems.append(
                f"no column {first(lost)} for data.{key}; the columns are {first(list(types), 20)}"
            )
    if problems:
        raise DataError(*problems)
    free = [name for name in types if name not in (*ignore, *apart)]
    if target is None:
        usual = [name for wanted in USUAL for name in free if name.lower() == wanted]
        named = usual[:1] or free[-1:]
        about.append(
            f"target: {first(named)} ({'by its name' if usual else 'the last column'}); "
            "data.target names another"
        )
    left = [name for name in free if name not in named]
    chosen = list(features) if features is not None else [n for n in left if types[n] in NUMBERS]
    if features is None and len(chosen) < len(left):
        others = [name for name in left if name not in chosen]
        about.append(f"{len(others)} columns are no numbers and are left out: {first(others)}")
    wrong = [name for name in chosen if types[name] not in NUMBERS]
    if wrong:
        problems.append(
            f"{len(wrong)} columns in data.features are no numbers ({wrong[0]!r}: "
            f"{types[wrong[0]]}); leave them out, or turn them into numbers"
        )
    if both := [name for name in chosen if name in named]:
        problems.append(f"{first(both)} in data.features and in data.target; leave one out")
    if not chosen and not problems:
        problems.append(
            f"no column of numbers besides the target ({first(named)}); the columns are "
            f"{', '.join(f'{name} ({kind})' for name, kind in list(types.items())[:10])}"
        )
    if problems:
        raise DataError(*problems)
    return Columns(tuple(chosen), tuple(named), tuple(about))
