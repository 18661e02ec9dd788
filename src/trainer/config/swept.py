"""What `train -m` asks for: several values told from single ones, and each of them checked."""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import (
    Glob,
    IntervalSweep,
    Quote,
    QuotedString,
    RangeSweep,
)
from hydra.core.override_parser.types import Override as Parsed
from hydra.errors import HydraException

from trainer.config.catalogue import Group, groups
from trainer.config.compose import Judged, is_choice, judge
from trainer.config.overrides import Known, find, grammar, judge_choice, judge_value, parse
from trainer.config.schema import problems as schema_problems
from trainer.errors import Refused
from trainer.sweep.axes import Axis, Choices, Interval
from trainer.sweep.space import described, override

# What is the sweep's own, and no trial hears of.
OWN = re.compile(r"[+~]{0,2}(?:sweep[.=]|run\.dir=|hydra[./])")
MOST = 10_000  # values of one key
PLAIN = re.compile(r"[A-Za-z0-9_./+@%-]+")  # text that Hydra reads without quotes
# Paths in which a comma is part of the name: they are the sweep's own and have one value.
SINGLE = ("run.dir", "run.name", "resume", "sweep.resume")


@dataclass(frozen=True)
class Asked:
    """The words of a sweep, sorted and checked."""

    judged: Judged  # with the first value of each key
    fixed: tuple[str, ...]  # words with one value, as typed; the sweep's own among them
    space: dict[str, Axis]  # by key as typed
    problems: tuple[str, ...] = ()


def ask(words: Sequence[str], config_dirs: Sequence[Path] = ()) -> Asked:
    """Sort the words of a sweep and check every single value in them, without importing torch.

    The values of a group are composed one by one, the values of a key held against its rule; their
    product is not gone through. What `sweep.space` says in YAML counts like words, for keys that no
    word names. Raises Refused, with what is known by then, where no config can be composed.
    """
    catalogue = groups(config_dirs)
    fixed, space, problems = sort(words, catalogue)
    asked = Asked(judge_first(fixed, space, config_dirs, problems), tuple(fixed), space)
    more = from_yaml(asked, catalogue, problems)
    if more:
        space = space | more
        asked = Asked(judge_first(fixed, space, config_dirs, problems), tuple(fixed), space)
    problems += [*asked.judged.problems, *value_problems(asked, config_dirs)]
    return replace(asked, problems=tuple(dict.fromkeys(problems)))


def sort(
    words: Sequence[str], catalogue: Mapping[str, Group]
) -> tuple[list[str], dict[str, Axis], list[str]]:
    """Words with one value, keys with several, and what is wrong; the last word on a key counts."""
    fixed: dict[str, str] = {}
    space: dict[str, Axis] = {}
    problems: list[str] = []
    for word in words:
        key = word.partition("=")[0]
        axis = read(word, catalogue)
        fixed.pop(key, None)
        space.pop(key, None)
        if isinstance(axis, str):
            problems.append(axis)
        elif axis is None:
            fixed[key] = word
        else:
            space[key] = axis
    return list(fixed.values()), space, problems


def read(word: str, catalogue: Mapping[str, Group]) -> Axis | str | None:
    """The values that a word gives; None for a word with one value; or what is wrong with them."""
    key = word.partition("=")[0]
    parsed = None if key in SINGLE else grammar(word, catalogue)
    if not isinstance(parsed, Parsed) or not parsed.is_sweep_override():
        return None  # what can't be read is told when all words are judged
    if parsed.is_delete():
        return f"{word!r}: a key is taken away or not; there is nothing to go through"
    try:
        return axis_of(parsed, catalogue)
    except (HydraException, ValueError, ArithmeticError) as error:
        return f"{word!r} can't be read: {next(iter(str(error).splitlines()), '')}"


def axis_of(parsed: Parsed, catalogue: Mapping[str, Group]) -> Axis:
    """The values of an override; raises ValueError for those that make no sense."""
    value: Any = parsed._value
    if isinstance(value, IntervalSweep):
        if strange := value.tags - {"log"}:
            raise ValueError(
                f"there is no tag {', '.join(sorted(strange))}; there is tag(log, ...)"
            )
        assert value.start is not None and value.end is not None
        whole = isinstance(value.start, int) and isinstance(value.end, int)
        return Interval(value.start, value.end, "log" in value.tags, whole)
    if isinstance(value, Glob):
        group = catalogue.get(str(parsed.key_or_group))
        if group is None:
            raise ValueError("glob is for groups; list the values")
        found = value.filter(list(group.choices))
        if not found:
            raise ValueError(f"no choice is like that; choices: {', '.join(group.choices)}")
        return Choices(tuple(found))
    several = numbers(value) if isinstance(value, RangeSweep) else parsed.sweep_iterator()
    values = [typed(each) for each in islice(several, MOST + 1)]
    if not values:
        raise ValueError("it has no values")
    if len(values) > MOST:
        raise ValueError(f"it has more than {MOST:,} values")
    if isinstance(value, RangeSweep) and value.shuffle:
        random.shuffle(values)  # the order is kept with the sweep, for when it goes on
    return Choices(tuple(values))


def numbers(sweep: RangeSweep) -> Iterator[int | float]:
    """The numbers of a range, the end left out; 0.1, 0.2, 0.3 and not 0.30000000000000004."""
    assert sweep.start is not None and sweep.stop is not None
    start, stop, step = (Decimal(repr(n)) for n in (sweep.start, sweep.stop, sweep.step))
    if step == 0:
        raise ValueError("its step is 0")
    whole = all(isinstance(n, int) for n in (sweep.start, sweep.stop, sweep.step))
    while start < stop if step > 0 else start > stop:
        yield int(start) if whole else float(start)
        start += step


def typed(value: Any) -> str:
    """A value as it can be typed after a `=` and is read the same again."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and not PLAIN.fullmatch(value):
        # A path is taken as it stands, backslashes too: it is quoted and not escaped.
        value = QuotedString(value, Quote.single)
    return str(Parsed._get_value_element_as_str(value))


def from_yaml(asked: Asked, catalogue: Mapping[str, Group], problems: list[str]) -> dict[str, Axis]:
    """The keys of `sweep.space` that no word names; adds to the problems."""
    section = asked.judged.plain.get("sweep")
    space = section.get("space") if isinstance(section, Mapping) else None
    named = {*asked.space, *(word.partition("=")[0] for word in asked.fixed)}
    found: dict[str, Axis] = {}
    for key, description in space.items() if isinstance(space, Mapping) else ():
        if key in named:
            continue
        try:
            axis = read(f"{key}={description}", catalogue) if isinstance(description, str) else None
            found[str(key)] = refuse(axis) if axis is not None else described(key, description)
        except Refused as error:
            problems += error.problems
    return found


def refuse(axis: Axis | str) -> Axis:
    """The axis; raises Refused where it is a line about what is wrong."""
    if isinstance(axis, str):
        raise Refused(f"sweep.space: {axis}")
    return axis


def ends(axis: Axis) -> list[str | float]:
    """The values of an axis that stand for all of it."""
    if isinstance(axis, Choices):
        return list(axis.values)
    numbers = [axis.low, axis.high]
    return [int(number) if axis.integer else float(number) for number in numbers]


def judge_first(
    fixed: Sequence[str], space: Mapping[str, Axis], config_dirs: Sequence[Path], found: list[str]
) -> Judged:
    """The config with the first value of each key; raises Refused, with what was found before."""
    first = [override(key, ends(axis)[0]) for key, axis in space.items()]
    try:
        return judge([*fixed, *first], config_dirs)
    except Refused as error:
        raise Refused(*dict.fromkeys([*found, *error.problems])) from error.__cause__


def value_problems(asked: Asked, config_dirs: Sequence[Path]) -> list[str]:
    """What is wrong with the other values of each key, the first being in the config already."""
    found: list[str] = []
    for key, axis in asked.space.items():
        for value in ends(axis)[1:]:
            found += other_value(asked, key, override(key, value), config_dirs)
    return found


def other_value(asked: Asked, key: str, text: str, config_dirs: Sequence[Path]) -> Iterator[str]:
    """What is wrong with one other value of one key."""
    known, before = asked.judged.known, asked.judged.problems
    parsed = parse(text, known.groups)
    if isinstance(parsed, str):
        yield parsed
    elif not is_choice(parsed, known.folders):
        if not find(known.config, parsed.key).exists:
            return  # told with the first value
        yield from judge_value(parsed, known)
        plain = deepcopy(asked.judged.plain)
        if put(plain, parsed.key, parsed.value):
            yield from (line for line in schema_problems(plain) if line not in before)
    elif wrong := judge_choice(parsed, Known({}, known.groups, known.folders)):
        yield from wrong
    else:
        others = [override(k, ends(axis)[0]) for k, axis in asked.space.items() if k != key]
        judged = judge([*asked.fixed, *others, text], config_dirs)
        yield from (line for line in judged.problems if line not in before)
        for path in ("evaluation.select", "evaluation.direction", "sweep"):
            one, other = at(asked.judged.plain, path), at(judged.plain, path)
            if one != other:
                yield f"{text} changes {path} ({one} to {other}), which all trials share"


def at(config: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path of a plain config; None where nothing is there."""
    node: Any = config
    for key in path.split("."):
        node = node.get(key) if isinstance(node, Mapping) else None
    return node


def put(config: dict[str, Any], path: str, value: Any) -> bool:
    """Change a value at a dotted path of a plain config, if its section is there."""
    section, _, key = path.rpartition(".")
    node = at(config, section) if section else config
    if not isinstance(node, dict):
        return False
    node[key] = value
    return True
