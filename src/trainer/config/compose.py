"""From YAML files and overrides to one config, with every problem in it told at once; no torch."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import (
    InterpolationKeyError,
    InterpolationToMissingValueError,
    OmegaConfBaseException,
)

from trainer.config.catalogue import Group, did_you_mean, folder_problems, groups, sources
from trainer.config.loading import Loaded, load, with_values
from trainer.config.looking import AUTO, GROUPS, OVERLAYS, Suited, kind_of_path, suited, unlooked
from trainer.config.overrides import Known, Override, dotted, judge_choice, judge_value, parse
from trainer.config.schema import SECTIONS
from trainer.config.schema import problems as schema_problems
from trainer.errors import Refused

# Filled in after the composition, by what the data and the length of the run turn out to be.
LATER = ("info", "plan")


def compose(
    overrides: Sequence[str] = (),
    config_dirs: Sequence[Path] = (),
    *,
    tell: Callable[[str], object] | None = None,
) -> DictConfig:
    """The config of a run: train.yaml, one choice from each group, then the overrides.

    What is left open (`auto`, or null in the data) is chosen by a first look at the data; `tell`
    gets a line for each such choice.

    `config_dirs` add groups and choices; one with a name of ours stands in for ours. The result
    is struct (a wrong key raises) and keeps its interpolations, `${info.*}` and `${plan.*}` too.
    `run.name` is filled in from the choices where it is null. Raises Refused with every problem:
    grammar, groups, choices, keys, types, ranges, interpolations, values that are still missing.
    """
    judged = judge(overrides, config_dirs)
    if judged.problems:
        raise Refused(*dict.fromkeys(judged.problems))
    if tell is not None:
        for note in judged.notes:
            tell(note)
    config = judged.loaded.config
    if config.run.name is None:
        config.run.name = f"{judged.loaded.choices['data']}-{judged.loaded.choices['model']}"
    return config


@dataclass(frozen=True)
class Judged:
    """A composed config with every problem in it."""

    loaded: Loaded
    plain: dict[str, Any]  # interpolations resolved as far as they can be
    known: Known  # what a further override could refer to
    problems: list[str]
    notes: tuple[str, ...] = ()  # what was chosen for the user, and why
    filled: tuple[str, ...] = ()  # the same as overrides


def judge(overrides: Sequence[str], config_dirs: Sequence[Path] = ()) -> Judged:
    """Compose the overrides that are right, and find every problem.

    Raises Refused, with every problem found so far, where nothing can be composed.
    """
    if missing := folder_problems(config_dirs):
        raise Refused(*missing)
    catalogue, folders = groups(config_dirs), sources(config_dirs)
    parsed = [parse(text, catalogue) for text in overrides]
    problems = [each for each in parsed if isinstance(each, str)]
    read = [each for each in parsed if isinstance(each, Override)]
    chosen = [each for each in read if is_choice(each, folders)]
    try:
        known = Known({}, catalogue, folders)
        choices, found = sort_out(chosen, known, judge_choice)
        problems += found
        # Null stands for no choice, and leaves the ones of train.yaml as they are.
        choices = [each for each in choices if each.value is not None or each.kind == "delete"]
        suited = Filled()
        if not config_dirs:  # a folder's files may choose for themselves
            suited.add(unlooked(choices, read, catalogue), catalogue)
        loaded = load([*choices, *suited.choices], folders)
        loaded = suit(suited, loaded, choices, read, catalogue, folders)
        read += suited.values
        known = Known(raw(loaded.config), catalogue, folders)
        bad = {each.key for each in chosen} - {each.key for each in choices}
        values = [each for each in read if each not in chosen and can_judge(each, bad, catalogue)]
        values, found = sort_out(values, known, judge_value)
        problems += found
        loaded = with_values(loaded, values, folders)
    except Refused as error:
        raise Refused(*problems, *error.problems) from error.__cause__
    plain, found = resolved(loaded.config)
    problems += [*found, *shape_problems(plain, catalogue), *schema_problems(plain)]
    filled = tuple(each.text for each in (*suited.choices, *suited.values))
    return Judged(loaded, plain, known, problems, suited.notes, filled)


@dataclass
class Filled:
    """What was chosen where the user left it open."""

    choices: list[Override] = field(default_factory=list)
    values: list[Override] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    def add(self, found: Suited, catalogue: Mapping[str, Group]) -> None:
        """Take what a look at the data has found."""
        for texts, place in ((found.choices, self.choices), (found.values, self.values)):
            read = [parse(text, catalogue) for text in texts]
            place += [each for each in read if isinstance(each, Override)]
        self.notes += found.notes


def suit(
    filled: Filled,
    loaded: Loaded,
    choices: Sequence[Override],
    read: Sequence[Override],
    catalogue: Mapping[str, Group],
    folders: Sequence[Path],
) -> Loaded:
    """Choose what suits the data for whatever is `auto`, or null, and compose again."""
    data = catalogue.get("data")
    default = data.default if data is not None and data.default is not None else ""
    kind = kind_of_path(read, loaded.choices["data"], default)
    filled.add(kind, catalogue)
    if kind.choices:
        loaded = load([*choices, *filled.choices], folders)
    groups = [name for name in GROUPS if loaded.choices.get(name) == AUTO]
    filled.add(suited(loaded.choices["data"], raw(loaded.config), read, groups), catalogue)
    if groups:
        loaded = load([*choices, *filled.choices], folders)
    return loaded


def is_choice(override: Override, folders: Sequence[Path]) -> bool:
    """Whether the override chooses from a group, by Hydra's rule: its key is a folder."""
    return not isinstance(override.value, dict) and any(
        (folder / override.key).is_dir() for folder in folders
    )


def can_judge(override: Override, bad: set[str], catalogue: Mapping[str, Group]) -> bool:
    """Whether the keys that the override refers to are known in spite of wrong choices."""
    section = override.key.split(".")[0]
    # A wrong experiment could have chosen anything.
    return section not in bad and not (section in catalogue and bad.intersection(OVERLAYS))


def sort_out(
    overrides: Sequence[Override], known: Known, judge: Any
) -> tuple[list[Override], list[str]]:
    """The overrides that are right, and the lines about those that are not."""
    right, problems = [], []
    for override in overrides:
        found = judge(override, known)
        problems += found
        if not found:
            right.append(override)
    return right, problems


def raw(config: DictConfig) -> dict[str, Any]:
    """The config as plain containers, interpolations as they are written."""
    plain: Any = OmegaConf.to_container(config, resolve=False)
    return {str(key): value for key, value in plain.items()}


def resolved(config: DictConfig) -> tuple[dict[str, Any], list[str]]:
    """The config as plain containers, interpolations resolved but for what is known later.

    Also a line for each value that is missing and each interpolation that leads nowhere.
    """
    problems: list[str] = []
    circular: list[str] = []
    paths = [*dotted(raw(config))]

    def walk(node: DictConfig | ListConfig, prefix: str) -> Any:
        keys: list[Any] = list(node.keys() if isinstance(node, DictConfig) else range(len(node)))
        values = [value_of(node, key, f"{prefix}{key}") for key in keys]
        return dict(zip(keys, values, strict=True)) if isinstance(node, DictConfig) else values

    def value_of(node: Any, key: Any, path: str) -> Any:
        if OmegaConf.is_missing(node, key):
            problems.append(f"{path} is missing; give it: {path}=...")
            return "???"
        if not OmegaConf.is_interpolation(node, key):
            child = node[key]
            return walk(child, f"{path}.") if OmegaConf.is_config(child) else child
        plain: Any = OmegaConf.to_container(node, resolve=False)
        written = plain[key]
        try:
            child = node[key]
        except InterpolationToMissingValueError:
            return written  # the value that is missing has its own line
        except OmegaConfBaseException as error:
            if not later(error):
                told = interpolation_problem(error, path, paths)
                (problems if told else circular).append(told or path)
            return written
        return OmegaConf.to_container(child) if OmegaConf.is_config(child) else child

    plain = walk(config, "")
    if circular:
        problems.append(f"these refer to each other in a circle: {', '.join(circular)}")
    return plain, problems


def later(error: Exception) -> bool:
    """Whether an interpolation is open only because the data or the plan is not there yet."""
    wanted = re.search(r"Interpolation key '(\w+)", str(error))
    return isinstance(error, InterpolationKeyError) and wanted is not None and wanted[1] in LATER


def interpolation_problem(error: Exception, path: str, paths: Sequence[str]) -> str:
    """The line for an interpolation that can't be resolved; "" for one that goes in a circle."""
    text = str(error).splitlines()[0]
    if "Recursive" in text:
        return ""
    if wanted := re.search(r"Interpolation key '([^']+)' not found", text):
        hint = did_you_mean(wanted[1], paths, "${{{}}}")
        return f"{path} refers to ${{{wanted[1]}}}, which does not exist{hint}"
    return f"{path} can't be resolved: {text.rpartition('interpolation: ')[2]}"


def shape_problems(config: Mapping[str, Any], catalogue: Mapping[str, Group]) -> list[str]:
    """Sections that should not be there, are missing, or do not say what to build."""
    found = []
    for name in config:
        if name in OVERLAYS:
            found.append(f"{name}: its file has to begin with the line '# @package _global_'")
        elif name not in SECTIONS and name not in catalogue:
            hint = did_you_mean(name, [*SECTIONS, *catalogue])
            found.append(f"{name}: there is no such section{hint}")
    for name in groups():
        if name in OVERLAYS or name in SECTIONS:
            continue
        section = config.get(name)
        nodes = section.values() if name == "optimizer" and isinstance(section, Mapping) else ()
        several = bool(nodes) and all(isinstance(n, Mapping) and "_target_" in n for n in nodes)
        if not several and not (isinstance(section, Mapping) and "_target_" in section):
            what = "is missing" if name not in config else "does not say what to build"
            found.append(f"{name} {what}; its file needs _target_: package.module.Name")
    return found
