"""Whether a plain value from a config is what a type annotation says, and the words if it isn't."""

import math
import re
import types
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from trainer.config.catalogue import did_you_mean
from trainer.options import Form, Range


def problems_of(value: Any, annotation: Any, where: str) -> list[str]:
    """What is wrong with a plain value for a type annotation, a line each; empty if nothing is.

    Understood are int, float (takes an int too), bool (is no int), str, None, Path (given as
    text), Any, Literal, unions, list, tuple and dict of these, and Annotated with a Range or Form.
    Where an annotation says something else, and for values that are only known later
    (interpolations, nodes with a `_target_`), nothing is wrong.
    """
    if is_open(value) or not understood(annotation) or fits(value, annotation):
        return []
    if isinstance(value, list | tuple) and (item := item_of(annotation)) is not None:
        return [p for i, v in enumerate(value) for p in problems_of(v, item, f"{where}[{i}]")]
    told = f"{where} is {shown(value)}; it has to be {expected(annotation)}"
    number = as_number(value)
    if number is not None and fits(number, annotation):
        return [f"{told}. It is text here: remove the quotes"]
    item = item_of(annotation)
    if item is not None and len(members(annotation)) == 1 and fits(value, item):
        return [f"{told}; write [{value}]"]
    options = [v for v in literals(annotation) if isinstance(v, str)]
    return [told + (did_you_mean(value, options) if isinstance(value, str) else "")]


def is_open(value: Any) -> bool:
    """Whether the value is only known later: an interpolation or a node to be built."""
    if isinstance(value, str):
        return "${" in value or value == "???"
    if isinstance(value, Mapping):
        return "_target_" in value or any(is_open(part) for part in value.values())
    return isinstance(value, list | tuple) and any(is_open(part) for part in value)


def members(annotation: Any) -> tuple[Any, ...]:
    """The parts of a union, or the annotation itself."""
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(part for each in get_args(annotation) for part in members(each))
    return (annotation,)


def literals(annotation: Any) -> list[Any]:
    """Every value that a Literal in the annotation names."""
    found = [part for part in members(annotation) if get_origin(part) is Literal]
    return [value for part in found for value in get_args(part)]


def sequences(annotation: Any) -> bool:
    """Whether the annotation is a list, a tuple or another kind of sequence."""
    return (get_origin(annotation) or annotation) in (list, tuple, Sequence, Iterable, Collection)


def item_of(annotation: Any) -> Any:
    """The annotation of an item where exactly one member is a sequence of one type, else None."""
    found = [part for part in members(annotation) if sequences(base(part)[0])]
    if len(found) != 1:
        return None
    kind, rules = base(found[0])
    args = [arg for arg in get_args(kind) if arg is not Ellipsis]
    if not args or any(arg != args[0] for arg in args[1:]):
        return None
    if get_origin(kind) is tuple and Ellipsis not in get_args(kind):
        return None
    return Annotated[args[0], *rules] if rules else args[0]


def base(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """An annotation without `Annotated`, and the rules that were in it."""
    if get_origin(annotation) is Annotated:
        inner, *rules = get_args(annotation)
        return inner, tuple(rule for rule in rules if isinstance(rule, Range | Form))
    return annotation, ()


def understood(annotation: Any) -> bool:
    """Whether `fits` can judge a plain value by this annotation."""
    kind, _ = base(annotation)
    parts = members(kind)
    if len(parts) > 1:
        return all(understood(part) for part in parts)
    if kind in (int, float, bool, str, None, types.NoneType, Path) or is_tensor(kind):
        return True
    if get_origin(kind) is Literal:
        return True
    args = [arg for arg in get_args(kind) if arg is not Ellipsis]
    if sequences(kind) or (get_origin(kind) or kind) in (dict, Mapping):
        return all(arg is Any or understood(arg) for arg in args)
    return False


def is_tensor(kind: Any) -> bool:
    """Whether the annotation is a tensor, which no plain value can be."""
    return isinstance(kind, type) and kind.__name__ == "Tensor" and "torch" in kind.__module__


def fits(value: Any, annotation: Any) -> bool:
    """Whether a plain value is one that the annotation allows."""
    kind, rules = base(annotation)
    if rules and not all(obeys(value, rule) for rule in rules):
        return False
    parts = members(kind)
    if len(parts) > 1:
        return any(fits(value, part) for part in parts)
    origin, args = get_origin(kind) or kind, get_args(kind)
    if origin is Any:
        return True
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in args)
    if origin in (None, types.NoneType):
        return value is None
    if origin is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and not_nan(value)
    if origin is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if origin in (str, Path):
        return isinstance(value, str | Path)
    if sequences(kind):
        return isinstance(value, list | tuple) and items_fit(value, origin, args)
    if origin in (dict, Mapping):
        key, item = args or (Any, Any)
        return isinstance(value, Mapping) and all(
            fits(k, key) and fits(v, item) for k, v in value.items()
        )
    return isinstance(origin, type) and isinstance(value, origin)


def not_nan(value: float) -> bool:
    """Whether it is a number at all; no parameter of anything is meant to be nan."""
    return not math.isnan(value)


def items_fit(value: Sequence[Any], origin: Any, args: tuple[Any, ...]) -> bool:
    """Whether each item fits; a tuple of fixed length has a type for each place."""
    if not args:
        return True
    if origin is tuple and Ellipsis not in args:
        return len(value) == len(args) and all(map(fits, value, args))
    return all(fits(item, args[0]) for item in value)


def obeys(value: Any, rule: Any) -> bool:
    """Whether the value obeys a Range or a Form; values of another kind are left to the type."""
    if isinstance(value, list | tuple):
        return all(obeys(item, rule) for item in value)
    if isinstance(rule, Form):
        return not isinstance(value, str) or re.fullmatch(rule.pattern, value) is not None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return not number or rule.holds(value)


def as_number(value: Any) -> float | None:
    """The number that a text holds, whole where it can be; None where it holds none."""
    if not isinstance(value, str):
        return None
    try:
        return int(value)
    except ValueError:
        try:
            return float(value)
        except ValueError:
            return None


def shown(value: Any) -> str:
    """A value as the config file would show it, cut where it is long."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = str(value) if isinstance(value, int | float) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def expected(annotation: Any) -> str:
    """What an annotation asks for, in words: `a whole number, 1 or more, or null`."""
    kind, rules = base(annotation)
    parts = members(kind)
    if len(parts) > 1:
        nothing = [part for part in parts if base(part)[0] in (None, types.NoneType)]
        named = [repr_plain(value) for value in literals(kind)]
        others = [
            word
            for part in parts
            if part not in nothing and get_origin(part) is not Literal and not is_tensor(part)
            for word in (["true", "false"] if part is bool else [expected(part)])
        ]
        return listed([*others, *named, *(["null"] if nothing else [])])
    if get_origin(kind) is Literal:
        return listed([repr_plain(value) for value in get_args(kind)])
    forms = [rule.words for rule in rules if isinstance(rule, Form)]
    item = item_of(annotation)
    if item is not None:
        return f"a list of {expected(item).removeprefix('a ')}"
    limits = "".join(f", {rule}" for rule in rules if isinstance(rule, Range))
    return (forms[0] if forms else NAMES.get(get_origin(kind) or kind, "another value")) + limits


NAMES: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "a path",
    None: "null",
    types.NoneType: "null",
    list: "a list",
    tuple: "a list",
    Sequence: "a list",
    Iterable: "a list",
    Collection: "a list",
    dict: "a mapping",
    Mapping: "a mapping",
}


def repr_plain(value: Any) -> str:
    """A literal as it is typed in YAML."""
    return value if isinstance(value, str) else shown(value)


def listed(words: Sequence[str]) -> str:
    """`a, b or c`; a comma before the `or` where the parts have commas of their own."""
    if len(words) < 2:
        return "".join(words)
    comma = "," if any("," in word for word in words) else ""
    return f"{', '.join(words[:-1])}{comma} or {words[-1]}"
