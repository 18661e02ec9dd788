"""Every target of a config looked up and every argument held against its signature, unbuilt.

The signature is the schema: names, required arguments and, where its annotations say it, types.
"""

import inspect
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args, get_type_hints

from omegaconf import DictConfig

from trainer.config.catalogue import did_you_mean
from trainer.config.compose import resolved
from trainer.config.targets import locate
from trainer.config.values import is_tensor, members, problems_of
from trainer.errors import Refused
from trainer.facts import DERIVED

# What the door adds: these are called again later, with what is only known then.
PARTIAL = ("loader", "optimizer", "scheduler", "checkpoint", "recorder")
GIVEN: Mapping[str, Collection[str]] = {"task": ("model", "loss")}
HYDRA_KEYS = ("_target_", "_partial_", "_args_", "_recursive_", "_convert_")
NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
REFERENCE = re.compile(r"\$\{(info|plan)\.(\w+)")
EARLY = ("data", "trainer", "run", "seed", "resume")


def check(config: DictConfig, given: Mapping[str, Collection[str]] = GIVEN) -> None:
    """Look up what every node names and bind its arguments, without building anything.

    `given` are the arguments that the door itself passes, by the path of the node. The current
    folder becomes importable, after our own packages. Raises Refused with every problem.
    """
    make_importable(Path.cwd())
    plain, _ = resolved(config)
    problems: list[str] = []
    found: dict[str, Any] = {}
    for path, node in nodes(plain):
        target = locate(str(node["_target_"]), path)
        if target.problem:
            problems.append(target.problem)
        else:
            found[path] = target.thing
            problems += node_problems(target.thing, node, path, given.get(path, ()))
    problems += reference_problems(plain, info_fields(found.get("data")))
    if problems:
        raise Refused(*dict.fromkeys(problems))


def make_importable(folder: Path) -> None:
    """Let modules of a folder be imported, after everything that is installed."""
    if not any(Path(entry or ".").resolve() == folder.resolve() for entry in sys.path):
        sys.path.append(str(folder))


def nodes(value: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every node with a `_target_` at any depth, with its dotted path."""
    if isinstance(value, Mapping):
        if "_target_" in value:
            yield path, value
        for key, part in value.items():
            yield from nodes(part, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from nodes(part, f"{path}[{index}]")


def node_problems(
    target: Callable[..., Any], node: Mapping[str, Any], path: str, given: Collection[str]
) -> list[str]:
    """What is wrong with one node's arguments for the thing that it names."""
    name = node["_target_"]
    try:
        parameters = signature_of(target)
    except (TypeError, ValueError):
        return []  # some builtins have no signature to be read
    arguments = {key: v for key, v in node.items() if key not in HYDRA_KEYS}
    hints = {key: Hints(target) for key in parameters}
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if open_ended and (made := made_by(target)):
        open_ended = False
        parameters = {**signature_of(made), **parameters}
        hints = {key: Hints(made) for key in parameters} | hints
    names = [key for key, p in parameters.items() if p.kind in NAMED]
    strange = [] if open_ended else [key for key in arguments if key not in names]
    found = unknown(name, strange, names, path)
    for key, value in arguments.items():
        if key in names and (value is not None or parameters[key].default is not None):
            found += type_problems(value, hints[key].of(key), f"{path}.{key}")
    partial = node.get("_partial_") is True or (path.split(".")[0] in PARTIAL and "." not in path)
    partial = partial or re.fullmatch(r"optimizer\.\w+", path) is not None
    return found if partial else found + missing(target, parameters, node, path, given)


def unknown(target: str, keys: Sequence[str], names: Sequence[str], path: str) -> list[str]:
    """The lines about arguments that a target doesn't take; one for those that resemble none.

    Several of these are what another target was given before, so it is said how they go.
    """
    near = {key: did_you_mean(key, names, path + ".{}") for key in keys}
    found = [f"{path}.{key} is no argument of {target}{near[key]}" for key in keys if near[key]]
    strange = [f"{path}.{key}" for key in keys if not near[key]]
    takes = f"it takes {', '.join(n for n in names if n != 'self') or 'none'}"
    if len(strange) == 1:
        found.append(f"{strange[0]} is no argument of {target}; {takes}")
    elif strange:
        found.append(
            f"{', '.join(strange)} are no arguments of {target}; {takes}; leave them out: "
            + " ".join(f"~{key}" for key in strange)
        )
    return found


def missing(
    target: Callable[..., Any],
    parameters: Mapping[str, inspect.Parameter],
    node: Mapping[str, Any],
    path: str,
    given: Collection[str],
) -> list[str]:
    """A line for the arguments that have no default and that nobody gives."""
    own = signature_of(target)
    by_position = [key for key, p in own.items() if p.kind in POSITIONAL]
    filled = {*by_position[: len(node.get("_args_") or ())], *given, *node}
    empty = [
        key
        for key, p in own.items()
        if p.default is p.empty and key not in filled and p.kind in (*NAMED, *POSITIONAL)
    ]
    if not empty:
        return []
    later = (
        ""
        if inspect.isclass(target)
        else f"; if it is to be called later, write +{path}._partial_=true"
    )
    return [
        f"{path}: {node['_target_']} also needs {', '.join(empty)}; write "
        + " ".join(f"+{path}.{key}=..." for key in empty)
        + later
    ]


def signature_of(target: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """The parameters of a callable; TypeError or ValueError where they can't be read."""
    return inspect.signature(target).parameters


def made_by(target: Callable[..., Any]) -> type | None:
    """The class whose parameters the `**kwargs` of a factory reach: the one it says to return.

    torchvision's factories pass them on to their model's class. None where nothing says so.
    """
    kind = None if inspect.isclass(target) else Hints(target).of("return")
    if not inspect.isclass(kind) or kind.__module__ == "builtins":
        return None
    try:
        parameters = signature_of(kind)
    except (TypeError, ValueError):
        return None
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    return None if open_ended else kind


class Hints:
    """The annotations of a callable, each evaluated by itself: one that can't be spoils no other.

    (A name that only exists while type checking makes `get_type_hints` fail for all of them.)
    """

    def __init__(self, target: Callable[..., Any]) -> None:
        function: Any = target.__init__ if inspect.isclass(target) else target
        self.function = inspect.unwrap(function)
        self.annotations = getattr(self.function, "__annotations__", {})

    def of(self, name: str) -> Any:
        """The annotation of one argument, or of the `return`; Any where it is not known."""
        if name not in self.annotations:
            return Any
        alone: Any = SimpleNamespace(__annotations__={name: self.annotations[name]})
        names = getattr(self.function, "__globals__", {})
        try:
            return get_type_hints(alone, globalns=names, include_extras=True)[name]
        except Exception:  # an annotation is foreign code; unreadable, it says nothing
            return Any


def type_problems(value: Any, annotation: Any, where: str) -> list[str]:
    """What is wrong with a value, with the way to write a tensor where one is asked for."""
    found = problems_of(value, annotation, where)
    if found and any(is_tensor(part) for part in members(annotation)):
        tensor = f"; a tensor is written {{_target_: torch.tensor, data: {value}}}"
        return [found[0] + tensor] if isinstance(value, list) else found
    return found


def reference_problems(config: Mapping[str, Any], info: Sequence[str] | None) -> list[str]:
    """What is wrong with the names that `${info.*}` and `${plan.*}` refer to.

    `info` are the fields that the data will have, None where that is not known yet.
    """
    from trainer.schedule import Plan

    known = {"info": info, "plan": [field.name for field in fields(Plan)]}
    found = []
    for path, text in texts(config):
        section = re.split(r"[.\[]", path)[0]
        for source, name in REFERENCE.findall(text):
            names = known[source]
            if source == "plan" and section != "scheduler":
                found.append(f"{path}: ${{plan.{name}}} is known to the scheduler only")
            elif section in EARLY:
                found.append(f"{path}: ${{{source}.{name}}} is not known yet there")
            elif names is not None and name not in names:
                near = did_you_mean(name, names, "${{" + source + ".{}}}")
                told = near or f"; it has {', '.join(names)}"
                found.append(f"{path}: there is no ${{{source}.{name}}}{told}")
    return found


def info_fields(data: Any) -> list[str] | None:
    """The fields of `info` by the return annotation `Splits[Info]` of a data target, if known."""
    if data is None:
        return None
    hint = Hints(data).of("return")
    shapes = [kind for kind in get_args(hint) if is_dataclass(kind)]
    return (
        [*dict.fromkeys([*(field.name for field in fields(shapes[0])), *DERIVED])]
        if shapes
        else None
    )


def texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a plain config with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from texts(part, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from texts(part, f"{path}[{index}]")
