"""What suits the data, where the user left it open: model, loss, evaluation, keys of the data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString

from trainer.config.catalogue import Group
from trainer.config.overrides import Override
from trainer.errors import Refused
from trainer.pasting import pasteable

# The packages meet by name: whoever knows the data is asked.
LOOKS = "data.looks"
# The choice that stands for "what suits the data".
AUTO = "auto"
GROUPS = ("model", "loss", "evaluation")
# Groups whose choice may choose from the others.
OVERLAYS = ("experiment", "debug")
# What is usual for a problem: (loss, evaluation).
USUAL = {
    "classification": ("cross_entropy", "classification"),
    "multilabel": ("bce", "multilabel"),
    "regression": ("mse", "regression"),
    "segmentation": ("cross_entropy", "segmentation"),
    "detection": ("detection", "detection"),
    "language": ("tokens", "language"),
    "translation": ("tokens", "translation"),
}
# For data without a look of its own: the sets of images, and a user's own.
OWN = "own"
PLAIN = {"model": "cnn", "loss": "cross_entropy", "evaluation": "classification"}


@dataclass(frozen=True)
class Suited:
    """What was chosen for the user, as overrides, and the lines that say so."""

    choices: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def kind_of_path(overrides: Sequence[Override], chosen: str, default: str) -> Suited:
    """The kind of data behind a `data.path` that was given without a `data=`.

    `chosen` is the choice as composed and `default` that of train.yaml. Raises Refused where nobody
    can tell.
    """
    keys = {override.key: override for override in overrides}
    if "data" in keys or "data.path" not in keys or chosen != default:
        return Suited()
    path = Path(str(keys["data.path"].value)).expanduser()
    if not path.exists():
        raise Refused(f"data.path={path} does not exist; give a file or a folder")
    found = import_module(LOOKS).looks(path)
    if not found:
        raise Refused(
            f"data.path={path}: it can't be told what it holds; say it with data=table, images, "
            "text ... (fivestep list data)"
        )
    others = [f"data={each.kind}" for each in found[1:3] if each.certainty > 0.2]
    doubt = f" (or else {' or '.join(others)})" if others else ""
    return Suited((f"data={found[0].kind}",), (), (f"data={found[0].kind}{doubt}",))


def unlooked(
    choices: Sequence[Override], overrides: Sequence[Override], catalogue: Mapping[str, Group]
) -> Suited:
    """What suits a set that needs no look, such as MNIST: known before anything is composed."""
    chosen = {override.key: override.value for override in choices}
    typed = {override.key for override in overrides}
    kind = chosen.get("data", catalogue["data"].default)
    looked_at = kind == OWN or kind in import_module(LOOKS).LOOKS
    by_path = "data" not in chosen and "data.path" in typed
    if looked_at or by_path or not chosen.keys().isdisjoint(OVERLAYS):
        return Suited()
    still = [name for name in GROUPS if name not in typed and catalogue[name].default == AUTO]
    return Suited(tuple(f"{name}={PLAIN[name]}" for name in still))


def suited(
    kind: str, config: Mapping[str, Any], overrides: Sequence[Override], open_groups: Sequence[str]
) -> Suited:
    """What suits data of a kind: a choice for each open group, values for keys that are null.

    `config` is as composed, `overrides` what the user typed.
    """
    section = config.get("data")
    if not isinstance(section, Mapping):
        return Suited()
    options = dict(section)
    options |= {
        each.key.removeprefix("data."): each.value
        for each in overrides
        if each.key.startswith("data.") and each.kind != "delete"
    }
    seen = import_module(LOOKS).look(kind, options)
    if seen is None:
        plain = tuple(f"{group}={PLAIN[group]}" for group in open_groups)
        line = f"{' '.join(plain)} (data of your own isn't looked at)"
        return Suited(plain, (), (line,) if kind == OWN and plain else ())
    usual = USUAL.get(seen.problem, USUAL["classification"])
    known = {
        "model": seen.model,
        "loss": seen.loss or usual[0],
        "evaluation": seen.evaluation or usual[1],
    }
    values = {
        f"data.{key}": value
        for key, value in seen.data.items()
        if value is not None and key in section and options.get(key) is None
    }
    typed = {each.key for each in overrides}
    values |= {
        path: value
        for path, value in seen.others.items()
        if path not in typed and is_open(config, path)
    }
    written = [f"{key}={literal(value)}" for key, value in values.items()]
    choices = [f"{group}={known[group]}" for group in open_groups]
    # Nothing is said where nothing was left open, or nothing was there to be looked at.
    said = seen.about and (choices or written)
    told = [*seen.about, " ".join([*choices, *written])] if said else []
    return Suited(tuple(choices), tuple(written), tuple(told))


def is_open(config: Mapping[str, Any], path: str) -> bool:
    """Whether there is a key at a dotted path, and it is null."""
    section, _, key = path.rpartition(".")
    node = config.get(section)
    return isinstance(node, Mapping) and key in node and node[key] is None


def literal(value: Any) -> str:
    """A plain value as Hydra's grammar has it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{literal(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(literal, value)) + "]"
    return str(QuotedString(str(value), Quote.double).with_quotes())


def written_down(path: Path) -> str:
    """The command that writes what was chosen into a file."""
    return pasteable("fivestep", "init", str(path))
