"""One override of the command line: how it is read, and whether it means something."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override as Parsed
from hydra.core.override_parser.types import OverrideType, Quote, QuotedString
from hydra.errors import HydraException

from trainer.config.catalogue import Group, alike, did_you_mean, nearest
from trainer.config.schema import rule_for
from trainer.config.values import is_open, problems_of, shown
from trainer.pasting import pasteable

# Paths and names are text whatever they contain, so these need no quotes against Hydra's grammar.
TEXT = re.compile(
    r"(\+{0,2}(?:(?:sweep\.)?resume|run\.name|(?:[\w.]+\.)?(?:path|dir|folder|root)))=(.*)",
    re.DOTALL,
)
PREFIX = {"change": "", "add": "+", "force": "++", "delete": "~"}
KINDS: dict[Any, Literal["change", "add", "force", "delete"]] = {
    OverrideType.CHANGE: "change",
    OverrideType.ADD: "add",
    OverrideType.FORCE_ADD: "force",
    OverrideType.DEL: "delete",
}


@dataclass(frozen=True)
class Override:
    """What one argument of the command asks for."""

    text: str  # as Hydra gets it
    key: str  # a group, or the dotted path of a value
    value: Any  # plain
    kind: Literal["change", "add", "force", "delete"]

    @property
    def given(self) -> str:
        """The value as it was typed."""
        return self.text.partition("=")[2]


@dataclass(frozen=True)
class Known:
    """What an override can refer to."""

    config: Mapping[str, Any]  # plain, interpolations as they are written
    groups: Mapping[str, Group]
    folders: Sequence[Path]

    def paths(self) -> list[str]:
        """Every dotted path that can be set."""
        return list(dotted(self.config))


def dotted(node: Any, prefix: str = "") -> Iterator[str]:
    """The path of each value and each mapping in a plain config, without Hydra's own keys."""
    for key, value in node.items() if isinstance(node, Mapping) else ():
        if not str(key).startswith("_"):
            yield f"{prefix}{key}"
            yield from dotted(value, f"{prefix}{key}.")


def parse(text: str, groups: Mapping[str, Group]) -> Override | str:
    """The override that a text stands for, or what is wrong with it."""
    plain = TEXT.fullmatch(text)
    if plain and not plain[2].startswith(("'", '"', "${")) and plain[2] not in ("null", ""):
        text = f"{plain[1]}={QuotedString(plain[2], Quote.double).with_quotes()}"
    parsed = grammar(text, groups)
    if isinstance(parsed, str):
        return parsed
    key = str(parsed.key_or_group)
    if parsed.is_sweep_override():
        value = text.partition("=")[2]
        return (
            f"{text!r} gives several values and one run takes one; to run each of them: "
            f"train -m {text}; for a list write {key}=[{value}], for text with a comma "
            f"'{key}=\"{value}\"'"
        )
    assert parsed.type is not None
    return Override(text, key, parsed.value(), KINDS[parsed.type])


def grammar(text: str, groups: Mapping[str, Group]) -> Parsed | str:
    """What Hydra reads in a text, several values for a sweep included, or what is wrong with it."""
    if "=" not in text and not text.startswith("~"):
        return f"{text!r} is not an override{nearest_override(text, groups)}"
    try:
        parsed = OverridesParser.create().parse_override(text)
    except HydraException as error:
        reason = str(error).splitlines()[0]
        key, _, value = text.partition("=")
        if not re.fullmatch(r"[+~]{0,2}[\w./@:-]+", key, re.ASCII):
            return f"{text!r} can't be read: {key!r} is no name of a key; write key=value"
        remedy = f"put text with special characters in quotes: '{key}=\"{value}\"'"
        return f"{text!r} can't be read: {reason}; {remedy}"
    key = str(parsed.key_or_group)
    if not key:
        return f"{text!r} has nothing before the =; write key=value"
    if key.split(".")[0].split("/")[0] == "hydra":
        return f"{text!r}: Hydra's own settings are not used here; run.dir names the run's folder"
    if parsed.package is not None:
        return f"{text!r}: a group can't be put elsewhere with @; write {key}=..."
    return parsed


def nearest_override(word: str, groups: Mapping[str, Group]) -> str:
    """What somebody may have meant who typed a single word."""
    if word in groups:
        return f"; write {word}= and one of {', '.join(groups[word].choices)}"
    exact = [f"{name}={word}" for name, group in groups.items() if word in group.choices]
    if exact:
        return f"; did you mean {' or '.join(exact)}?"
    choices = [f"{name}.{choice}" for name, group in groups.items() for choice in group.choices]
    near = [match.replace(".", "=", 1) for match in nearest(f".{word}", choices, 2, 0.7)]
    return f"; did you mean {' or '.join(near)}?" if near else "; write key=value"


def judge_choice(override: Override, known: Known) -> list[str]:
    """What is wrong with the choice from a group."""
    name, value = override.key, override.value
    group = known.groups.get(name, Group("", None, False, {}))
    choices = f"choices: {', '.join(group.choices)}"
    if override.kind == "delete":
        if group.default is None:
            return []
        off = f"write {name}=none" if "none" in group.choices else f"choose another ({choices})"
        return [f"~{name}: a run needs its {name}; {off}"]
    if value is None:
        return [] if group.default is None else [f"{name}=null: a run needs its {name}; {choices}"]
    if group.listed and override.kind != "change":
        return [f"{override.text}: {name} is chosen already; write {name}={override.given}"]
    if not group.listed and override.kind == "change":
        return [f"{override.text}: no config asks for {name}; write +{name}={override.given}"]
    return [
        f"{name}={choice} is not to be had"
        f"{did_you_mean(str(choice), group.choices, name + '={}') or ';'} {choices}"
        for choice in (value if isinstance(value, list) else [value])
        if not any((folder / name / f"{choice}.yaml").is_file() for folder in known.folders)
    ]


def judge_value(override: Override, known: Known) -> list[str]:
    """What is wrong with the new value of a key: the key, the type or the range."""
    found = find(known.config, override.key)
    if not found.exists:
        return judge_unknown(override, found, known)
    key = override.key
    if override.kind == "delete":
        if "." not in key:
            return [f"~{key}: a run needs {key}; leave the ~ away"]
        return [] if found.target else [f"~{key}: the key has to stay; write {key}=null"]
    if override.kind == "add":
        return [f"+{key}: the key is there already; write {key}={override.given} without the +"]
    if isinstance(override.value, dict) and isinstance(found.value, Mapping):
        parts = override.value.items()
        return [
            problem
            for part, value in parts
            for problem in judge_value(
                replace(override, key=f"{key}.{part}", value=value, text=f"{key}.{part}={value}"),
                known,
            )
        ]
    if (rule := rule_for(key)) is not None:
        return problems_of(override.value, rule, key)
    if override.kind == "force" or (found.target and often_several(override.value, found.value)):
        return []  # the target's signature will say
    return unlike(override.value, found.value, key)


def often_several(value: Any, default: Any) -> bool:
    """Whether arguments are common that take both: `auto` or a switch, one number or several."""
    switch = isinstance(default, str) and isinstance(value, bool | int | float)
    number = isinstance(default, int | float) and not isinstance(default, bool)
    return switch or (number and isinstance(value, list))


def unlike(value: Any, default: Any, key: str) -> list[str]:
    """What is wrong if a value is of another kind than the one in the YAML file."""
    if default is None or (is_open(value) and not isinstance(value, Mapping)):
        return []
    way_out = f"; if that is meant, write ++{key}=..."
    if isinstance(default, Mapping):
        fine = value is None or isinstance(value, Mapping)
        return [] if fine else [f"{key} is {shown(value)}; it has keys of its own{way_out}"]
    if is_open(default):
        return []
    annotation: Any = float if isinstance(default, int | float) else type(default) | None
    annotation = bool if isinstance(default, bool) else annotation
    return [
        problem if "quotes" in problem else f"{problem} like {shown(default)} in the file{way_out}"
        for problem in problems_of(value, annotation, key)
    ]


@dataclass(frozen=True)
class Place:
    """Where a dotted path leads in a plain config."""

    exists: bool
    value: Any  # None where nothing is there
    inside: str  # the longest part of the path that exists
    target: str  # the `_target_` of the innermost node on the way, or ""


def find(config: Mapping[str, Any], path: str) -> Place:
    """Follow a dotted path as far as it goes; numbers count in lists."""
    node: Any = config
    inside: list[str] = []
    target = ""
    for key in path.split("."):
        if isinstance(node, Mapping):
            target = str(node.get("_target_", target))
            found = key in node
            child = node.get(key)
        else:
            found = isinstance(node, list) and key.isdecimal() and int(key) < len(node)
            child = node[int(key)] if found else None
        if not found:
            # A single value has no keys, whatever it belongs to.
            holder = target if isinstance(node, Mapping) or node is None else ""
            return Place(False, None, ".".join(inside), holder)
        node = child
        inside.append(key)
    return Place(True, node, path, target)


def judge_unknown(override: Override, found: Place, known: Known) -> list[str]:
    """The line for a key that no config lists; none for a new argument of a target."""
    key = override.key
    if found.target and override.kind in ("add", "force"):
        return []  # judged by the target's signature, which needs an import
    told = f"{PREFIX[override.kind]}{key}: there is no such key"
    near = suggestions(override, known)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    if found.target and override.kind == "change":
        told = f"{key} is not listed in {found.inside}{hint + ' If' if hint else '; if'}"
        return [f"{told} it is an argument of {found.target}, write +{key}={override.given}"]
    section = known.config.get(key.partition(".")[0])
    if not hint and isinstance(section, Mapping) and "_target_" not in section:
        return [f"{told}; {key.partition('.')[0]} has {', '.join(map(str, section))}"]
    return [told + (hint or f"; {pasteable('fivestep', 'show')} prints every key")]


def suggestions(override: Override, known: Known) -> list[str]:
    """Up to three overrides that somebody may have meant, each as it can be typed."""
    key, value = override.key, override.given
    equals = "" if override.kind == "delete" else f"={value}"
    near: list[str] = []
    if "." not in key and override.kind != "delete":
        names = nearest(key, known.groups, 1)
        names = names or [n for n, group in known.groups.items() if value in group.choices]
        for name in names:
            choices = known.groups[name].choices
            choice = value if value in choices else "".join(nearest(value, choices))
            near.append(f"{name}={choice or '|'.join(choices)}")
    prefix = "~" if override.kind == "delete" else ""
    section, _, last = key.rpartition(".")
    paths = [
        path
        for path in known.paths()
        if path not in known.groups
        # A sweep's own seed is not what somebody means who mistypes a run's.
        and (key.startswith("sweep") or not path.startswith("sweep."))
        # Elsewhere than where it was looked for, only what is nearly the same name.
        and (
            section not in known.config
            or path.startswith(f"{section}.")
            or alike(last, path.rpartition(".")[2]) >= 0.8
        )
    ]
    return (near + [f"{prefix}{path}{equals}" for path in nearest(key, paths, 3, 0.7)])[:3]
