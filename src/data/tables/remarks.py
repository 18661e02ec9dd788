"""What is said of a table: the roles of its columns, and all that was assumed."""

import logging
from collections.abc import Sequence

import numpy as np

from data.splits import Indices
from data.splitting.rules import first
from data.tables.cells import unit
from data.tables.columns import Floats
from data.tables.encoding import Encoding
from data.tables.features import UNKNOWN, Feature
from data.tables.frame import Frame
from data.tables.kinds import ambiguous_dates
from data.tables.roles import Roles
from data.tables.target import Target

logger = logging.getLogger(__name__)
PLURALS = {"number": "numbers", "boolean": "yes/no", "date": "dates", "category": "categories"}


def about(encoding: Encoding, target: Target) -> str:
    """Return one phrase: "13 columns (11 numbers, 2 categories), quality in 6 classes"."""
    kinds = counted([each.kind for each in encoding.features])
    number = len(encoding.features)
    what = first(target.columns, 3).replace("'", "")
    if target.problem == "regression":
        goal = f"{what} as {'numbers' if len(target.columns) > 1 else 'a number'}"
    elif target.problem == "multilabel":
        goal = f"{len(target.classes)} labels"
    else:
        goal = f"{what} in {len(target.classes)} classes"
    return _plain(f"{number} {'column' if number == 1 else 'columns'} ({kinds}), {goal}")


def counted(kinds: Sequence[str]) -> str:
    """Return how many there are of each kind: "11 numbers, 2 categories"."""
    singular = {"category": "category", "number": "number", "date": "date", "boolean": "yes/no"}
    found = {kind: kinds.count(kind) for kind in PLURALS if kind in kinds}
    return ", ".join(f"{n} {singular[k] if n == 1 else PLURALS[k]}" for k, n in found.items())


def say(
    frame: Frame,
    chosen: Roles,
    target: Target,
    features: Sequence[Feature],
    dropped: int,
    parts: Sequence[Indices],
    values: Sequence[Floats],
    most_levels: int,
) -> None:
    """Log all that a user would want to know, each in a short line."""
    for line in (
        *frame.remarks,
        *_target_lines(chosen, target, dropped),
        *_role_lines(frame, chosen, features),
        *_unit_lines(frame, chosen, target, features),
        *_value_lines(frame, features, parts, values, most_levels),
    ):
        logger.warning("%s", line)


def role_lines(chosen: Roles) -> list[str]:
    """Return a line for each kind of column: "numbers: 'age', 'fare'"."""
    found = []
    for kind, plural in PLURALS.items():
        names = [name for name, own in chosen.features.items() if own == kind]
        if names:
            found.append(f"{plural}: {first(names, 8)}")
    return found


def _target_lines(chosen: Roles, target: Target, dropped: int) -> list[str]:
    found = []
    names = first(chosen.target, 3)
    if chosen.chosen:
        found.append(f"target is {names}, {chosen.chosen}; another one: data.target=NAME")
    if target.why:
        found.append(f"{names}: {target.why}, so {target.problem}; otherwise set data.problem")
    if dropped:
        found.append(f"{dropped} {'row' if dropped == 1 else 'rows'} without a target left out")
    return found


def _role_lines(frame: Frame, chosen: Roles, features: Sequence[Feature]) -> list[str]:
    found = role_lines(chosen)
    by_reason: dict[str, list[str]] = {}
    for name, why in chosen.ignored.items():
        by_reason.setdefault(why, []).append(name)
    for why, names in by_reason.items():
        found.append(f"ignored, {why}: {first(names)}; data.features names what to use")
    for role in ("group", "time", "weight", "split_column"):
        name = getattr(chosen, role)
        if name is not None:
            found.append(f"{role.replace('_', ' ')}: {name!r}, no feature")
    for feature in features:
        if feature.kind == "date" and ambiguous_dates(frame.columns[feature.name])[1]:
            order = "day/month" if feature.day_first else "month/day"
            found.append(f"dates of {feature.name!r} are read as {order}, nothing tells")
    return found


def _unit_lines(
    frame: Frame, chosen: Roles, target: Target, features: Sequence[Feature]
) -> list[str]:
    """Return a line about columns whose numbers are written with a sign, such as $12 or 12%."""
    names = [each.name for each in features if each.kind == "number"]
    names += chosen.target if target.problem == "regression" else ()
    found = []
    for name in names:
        signs = sorted({sign for text in frame.columns[name].texts if (sign := unit(text))})
        if signs:
            found.append(f"{name!r} ({', '.join(signs)})")
    return [f"numbers are read without their sign: {', '.join(found)}"] if found else []


def _value_lines(
    frame: Frame,
    features: Sequence[Feature],
    parts: Sequence[Indices],
    values: Sequence[Floats],
    most_levels: int,
) -> list[str]:
    found, missing = [], []
    for feature, stored in zip(features, values, strict=True):
        column = frame.columns[feature.name]
        number = column.num_missing
        if number:
            missing.append(f"{feature.name!r} {number}")
        if feature.kind != "category":
            continue
        if len(feature.levels) == most_levels:
            rare = int((stored[parts[0]] == UNKNOWN).sum())
            if rare:
                found.append(
                    f"{feature.name!r} has more than {most_levels} categories (data.max_levels); "
                    f"{rare} training rows with rarer ones are unknown"
                )
        rest = np.concatenate(list(parts[1:]))
        new = int((stored[rest] == UNKNOWN).sum())
        if new and len(feature.levels) < most_levels:
            found.append(
                f"{feature.name!r}: {new} rows of validation and test have categories that "
                "training lacks; they are unknown"
            )
    if missing:
        more = f" and {len(missing) - 5} more columns" if len(missing) > 5 else ""
        found.append(
            f"missing values: {', '.join(missing[:5])}{more}; numbers get the training median and "
            "a column that tells, categories one of their own"
        )
    return found


def _plain(text: str) -> str:
    """Return a text that no config takes for an interpolation."""
    return text.replace("${", "$ {")
