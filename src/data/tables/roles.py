"""What each column of a table is for: target, feature of some kind, group, time, or nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from data.errors import DataError
from data.splitting.rules import first
from data.tables.frame import Frame
from data.tables.kinds import kind_of, useless
from data.tables.values import near

TARGETS = ("target", "targets", "label", "labels", "class", "classes", "y", "outcome", "response")
SPLIT_COLUMNS = ("split", "subset", "partition", "fold_name")
SPLIT_VALUES = frozenset(["train", "training", "val", "valid", "validation", "dev", "test", ""])


@dataclass(frozen=True)
class Options:
    """What the user says of the columns; None and () for what is to be inferred."""

    target: Sequence[str] | None = None
    features: Sequence[str] | None = None
    ignore: Sequence[str] = ()
    categorical: Sequence[str] = ()
    numeric: Sequence[str] = ()
    group: str | None = None
    time: str | None = None
    weight: str | None = None
    split_column: str | None = None


@dataclass(frozen=True)
class Roles:
    """What each column is for."""

    target: tuple[str, ...]
    """Names of the columns that are to be predicted."""
    features: Mapping[str, str]
    """The kind of each feature by its name, in the order of the table."""
    ignored: Mapping[str, str] = field(default_factory=dict)
    """Why a column is left out, by its name; those that the user left out are not told."""
    group: str | None = None
    time: str | None = None
    weight: str | None = None
    split_column: str | None = None
    chosen: str = ""
    """Why this column is the target, where nobody has said so."""


def roles(frame: Frame, options: Options) -> Roles:
    """Return what each column is for.

    Raises:
        DataError: all names that no column has, names with two roles, or no feature left.
    """
    names = list(frame.columns)
    problems = _name_problems(frame.file, names, options)
    if problems:
        raise DataError(*problems)
    split_column = options.split_column or _split_column(frame, options)
    special = {options.group, options.time, options.weight, split_column}
    free = [name for name in names if name not in special and name not in options.ignore]
    target, chosen = list(options.target or ()), ""
    if not target and free:
        filled = [name for name in free if not frame.columns[name].is_empty]
        target, chosen = _target(filled or free)
    if not target:
        raise DataError(f"{frame.file} has no column left to be the target; name it in data.target")
    kinds: dict[str, str] = {}
    ignored: dict[str, str] = {}
    for name in names if options.features is None else options.features:
        if name in target or name in special or name in options.ignore:
            continue
        forced = "category" if name in options.categorical else ""
        forced = "number" if name in options.numeric else forced
        column = frame.columns[name]
        why = "" if forced or options.features is not None else useless(column)
        if why:
            ignored[name] = why
        else:
            kinds[name] = forced or kind_of(column)
    if not kinds:
        if len(names) == 1:
            raise DataError(
                f"{frame.file} has one column only ({names[0]!r}), so there is nothing to learn "
                "from; add columns, or name what stands between the cells in data.separator"
            )
        left = f" ({'; '.join(f'{n}: {w}' for n, w in list(ignored.items())[:5])})"
        raise DataError(
            f"{frame.file} has no column to learn {', '.join(target)} from"
            f"{left if ignored else ''}; add columns, or name them in data.features"
        )
    return Roles(
        tuple(target),
        kinds,
        ignored,
        options.group,
        options.time,
        options.weight,
        split_column,
        chosen,
    )


def unknown_column(file: str, name: str, names: Sequence[str], key: str) -> str:
    """Return the line about a name that no column has."""
    return f"{file} has no column {name!r} ({key}); {near(name, names)}it has {first(names, 12)}"


def _target(names: Sequence[str]) -> tuple[list[str], str]:
    for wanted in TARGETS:
        for name in names:
            if name.casefold() == wanted:
                return [name], "by its name"
    return [names[-1]], "the last column"


def _split_column(frame: Frame, options: Options) -> str | None:
    """Return the column that says which split a row is in, where there is one."""
    taken = {*(options.target or ()), *options.ignore, *(options.features or ())}
    for name, column in frame.columns.items():
        if name.casefold() in SPLIT_COLUMNS and name not in taken and column.codes is not None:
            values = {text.casefold() for text in column.texts}
            if values <= SPLIT_VALUES and len(values) > 1:
                return name
    return None


def _name_problems(file: str, names: Sequence[str], options: Options) -> list[str]:
    lists = {
        "data.target": options.target or (),
        "data.features": options.features or (),
        "data.ignore": options.ignore,
        "data.categorical": options.categorical,
        "data.numeric": options.numeric,
    }
    single = {"group": options.group, "time": options.time, "weight": options.weight}
    single["split_column"] = options.split_column
    lists |= {f"data.{key}": (name,) for key, name in single.items() if name is not None}
    problems = [
        unknown_column(file, name, names, key)
        for key, given in lists.items()
        for name in given
        if name not in names
    ]
    for name in options.target or ():
        others = [k for k, given in lists.items() if name in given and k != "data.target"]
        others = [key for key in others if key not in ("data.categorical", "data.numeric")]
        if others:
            problems.append(
                f"column {name!r} is in data.target and in {' and '.join(others)}; leave it in one"
            )
    both = sorted({*options.categorical} & {*options.numeric})
    if both:
        problems.append(f"column {both[0]!r} is in data.categorical and data.numeric; choose one")
    return problems
