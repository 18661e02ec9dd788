"""What a search may choose from: checked, counted, and put into Optuna's terms."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trainer.errors import Refused
from trainer.sweep.axes import Axis, Choices, Interval, Space

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

# Text that an override takes as it stands; all else is put into quotes.
_PLAIN = re.compile(r"[A-Za-z_/][\w./:+@-]*")
_WORDS = ("true", "false", "null", "nan", "inf")
_KEYS = {"low": "a number", "high": "a number", "log": "true or false", "integer": "true or false"}


def problems(space: Space) -> list[str]:
    """Every problem of a space, a line each."""
    if not space:
        return [
            "there is nothing to search: no key has an interval or several values; give one, such "
            "as 'optimizer.lr=tag(log,interval(1e-4,1e-1))'"
        ]
    return [f"{key}: {problem}" for key, axis in space.items() for problem in _problems(axis)]


def _problems(axis: Axis) -> Iterator[str]:
    if isinstance(axis, Choices):
        if not axis.values:
            yield "there are no values to choose from"
        double = sorted({value for value in axis.values if axis.values.count(value) > 1})
        if double:
            yield f"{', '.join(double)} is there more than once; leave the others out"
    elif not (math.isfinite(axis.low) and math.isfinite(axis.high)):
        yield f"an interval has finite bounds, not {axis.low:g} and {axis.high:g}"
    else:
        if axis.low >= axis.high:
            yield f"the lower bound ({axis.low:g}) has to be below the upper one ({axis.high:g})"
        if axis.log and axis.low <= 0:
            yield f"a logarithmic scale begins above 0, not at {axis.low:g}"
        if axis.integer and not (axis.low == int(axis.low) and axis.high == int(axis.high)):
            yield f"whole numbers lie between whole bounds, not {axis.low:g} and {axis.high:g}"


def size(space: Space) -> int | None:
    """How many points a space has; None where one of its axes is a continuum."""
    points = 1
    for axis in space.values():
        if isinstance(axis, Choices):
            points *= len(axis.values)
        elif axis.integer:
            points *= int(axis.high) - int(axis.low) + 1
        else:
            return None
    return points


def distribution(axis: Axis) -> "BaseDistribution":
    """The axis in Optuna's terms."""
    from optuna import distributions

    if isinstance(axis, Choices):
        return distributions.CategoricalDistribution(axis.values)
    if axis.integer:
        return distributions.IntDistribution(int(axis.low), int(axis.high), axis.log)
    return distributions.FloatDistribution(float(axis.low), float(axis.high), axis.log)


def override(key: str, value: str | float) -> str:
    """The override that sets a key to a value of its axis; a float comes back bit for bit."""
    return f"{key}={value if isinstance(value, str) else repr(value)}"


def shown(told: Mapping[str, Any]) -> str:
    """An axis as `told` writes it, as it is typed."""
    if "values" in told:
        return ",".join(told["values"])
    kind = int if told["integer"] else float
    text = f"interval({kind(told['low'])},{kind(told['high'])})"
    text = f"int({text})" if told["integer"] else text
    return f"tag(log,{text})" if told["log"] else text


def told(axis: Axis) -> dict[str, Any]:
    """The axis as plain data, to be stored and compared."""
    return {name: list(v) if isinstance(v, tuple) else v for name, v in vars(axis).items()}


def described(key: str, description: object) -> Axis:
    """Read an axis from plain data, as YAML has it under `sweep.space`.

    A mapping `{low, high, log, integer}` is an interval; a list is a choice, and so is a single
    value. Raises Refused with every problem.
    """
    if isinstance(description, Mapping):
        axis: Axis = _interval(key, description)
    elif isinstance(description, Sequence) and not isinstance(description, str):
        axis = Choices(tuple(written(value) for value in description))
    else:
        axis = Choices((written(description),))
    if found := problems({key: axis}):
        raise Refused(*(f"sweep.space.{line}" for line in found))
    return axis


def _interval(key: str, description: Mapping[Any, Any]) -> Interval:
    where = f"sweep.space.{key}"
    found = [
        f"{where}.{name}: an interval has no such key; it has {', '.join(_KEYS)}"
        for name in description
        if name not in _KEYS
    ]
    found += [f"{where}.{name} is missing" for name in ("low", "high") if name not in description]
    for name, expected in _KEYS.items():
        value = description.get(name, 0 if expected == "a number" else False)
        flag = isinstance(value, bool)
        good = flag if expected != "a number" else not flag and isinstance(value, int | float)
        if not good:
            found.append(f"{where}.{name}={value!r}: it has to be {expected}")
    if found:
        raise Refused(*found)
    low, high = description["low"], description["high"]
    log, integer = description.get("log", False), description.get("integer", False)
    return Interval(float(low), float(high), log, integer)


def written(value: object) -> str:
    """A plain value as it is written in an override."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{key}:{written(item)}' for key, item in value.items())}}}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{','.join(written(item) for item in value)}]"
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    # Hydra's grammar: a backslash is an escape only before a quote or at the end.
    text = re.sub(r"(\\*)'", r"\1\1\\'", text)
    return "'" + re.sub(r"(\\+)$", r"\1\1", text) + "'"
