"""Whose config is believed, and what one from elsewhere may name."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.config.catalogue import conf_folder
from trainer.errors import Refused
from trainer.pasting import nearest
from trainer.recording.flat import flat
from trainer.storage.environment import MASK

# The name of a model, which is an argument of it, can be an address or a file of weights.
_FETCHING = ("timm.create_model",)


def refuse_untrusted(config: Any, trusted: Sequence[str], path: Path) -> None:
    """A config from elsewhere could name any callable there is: only known names pass.

    Nor does an interpolation: OmegaConf's own resolvers make nodes (`oc.create`), whose names
    nobody has seen, and read the environment. What a run stores has none.
    """
    if any("${" in text for text in texts_in(config)):
        raise Refused(
            f"{path}/config.yaml was not written by you on this machine (its signature is not "
            "yours) and holds an interpolation, ${...}, which a stored config never does; write "
            "its value there, or start a run of your own"
        )
    known = {*shipped_targets(), *trusted}
    found = sorted(set(targets_in(config)) - known)
    if found:
        options = " ".join(f"--trust {name}" for name in found)
        raise Refused(
            f"{path}/config.yaml was not written by you on this machine (its signature is not "
            f"yours) and names {', '.join(found)}, which would be run; if you know where it comes "
            f"from, add {options}"
        )


def refuse_masked(config: Mapping[str, Any], path: Path, remedy: str) -> None:
    """Raise Refused for a stored config in which secrets are left out, so that it can't be used."""
    if names := [name for name, value in flat(config).items() if value == MASK]:
        raise Refused(
            f"{nearest(path)}/config.yaml has {', '.join(names)} masked, as secrets are not "
            f"stored; {remedy}"
        )


def targets_in(config: Any) -> Iterator[str]:
    """Every `_target_` of a config, at any depth."""
    if isinstance(config, Mapping):
        if "_target_" in config:
            yield str(config["_target_"])
        for value in config.values():
            yield from targets_in(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from targets_in(value)


def texts_in(config: Any) -> Iterator[str]:
    """Every text in a config, keys too."""
    if isinstance(config, str):
        yield config
    elif isinstance(config, Mapping):
        for key, value in config.items():
            yield from texts_in(key)
            yield from texts_in(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from texts_in(value)


def shipped_targets() -> set[str]:
    """The names in our own conf/ that a stranger's config may use, with any arguments."""
    texts = (path.read_text() for path in conf_folder().rglob("*.yaml"))
    names = {n for text in texts for n in re.findall(r"(?m)^\s*_target_:\s*([\w.]+)", text)}
    return names - {*_FETCHING}
