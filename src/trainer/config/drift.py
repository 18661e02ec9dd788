"""What may differ when a run goes on, and whose config is believed."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from trainer.config.catalogue import conf_folder
from trainer.config.values import is_open
from trainer.errors import Refused
from trainer.pasting import nearest
from trainer.recording.flat import flat
from trainer.storage.atomic import read_regular

# What changes where and how fast a run goes on, but not what it comes to.
FREE = (
    "loader.num_workers",
    "loader.resident",
    "loader.timeout",
    "trainer.device",
    "trainer.max_minutes",
    "trainer.record_every",
    "checkpoint.every",
    "checkpoint.keep",
)
# Schedules that don't depend on the length of the run: more epochs only append.
ENDLESS = ("StepLR", "MultiStepLR", "ExponentialLR", "ReduceLROnPlateau", "ConstantLR")


def apply(config: DictConfig, word: str) -> str | None:
    """Change one key of a run that goes on; returns the problem where that is not allowed."""
    key, equals, value = word.partition("=")
    if not equals:
        return f"{word!r} is not an override; write key=value"
    schedule = OmegaConf.select(config, "scheduler.schedule._target_")
    endless = schedule is None or str(schedule).rpartition(".")[2] in ENDLESS
    free = (*FREE, "trainer.epochs", "trainer.steps") if endless else FREE
    if key not in free:
        return (
            f"{key} can't be changed when a run goes on: it would no longer be the same run; start "
            f"a new one, or change only {', '.join(free)}"
        )
    try:
        OmegaConf.update(config, key, yaml.safe_load(value))
    except (yaml.YAMLError, OmegaConfBaseException) as error:
        return f"{word!r} can't be read: {next(iter(str(error).splitlines()), '')}"
    return None


def lengthens(word: str) -> bool:
    """Whether an override is about how long the run is, so that a finished one may go on."""
    return word.partition("=")[0] in ("trainer.epochs", "trainer.steps", "trainer.max_minutes")


def refuse_drift(stored: Mapping[str, Any], chosen: Mapping[str, Any], path: Path) -> None:
    """The same command goes on with a run; another one must not change it on the way.

    Values that only the data will know are not compared.
    """
    before, now = flat(stored), flat(chosen)
    problems = [
        f"{key} was {before.get(key)!r} when {nearest(path)} was started and is now "
        f"{now.get(key)!r}; use another run.dir, or the same settings"
        for key in sorted({*before, *now})
        if before.get(key) != now.get(key)
        and key not in FREE
        and not key.startswith("run.")
        and not is_open(now.get(key))
    ]
    if problems:
        raise Refused(*problems)


def refuse_other_data(path: Path, now: Mapping[str, Any]) -> None:
    """Raise Refused when the data is not that with which the run in a folder was started."""
    try:
        before = json.loads(read_regular(path / "info.json", 10_000_000))
    except (OSError, ValueError):
        return  # only what is there can differ
    found = json.loads(json.dumps(now))
    changed = [key for key in found if isinstance(before, dict) and before.get(key) != found[key]]
    if changed:
        raise Refused(
            f"the data is no longer that with which {nearest(path)} was started "
            f"({', '.join(changed)} in its info.json differ); bring it back, or start a new run"
        )


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
    """The names in our own conf/."""
    texts = (path.read_text() for path in conf_folder().rglob("*.yaml"))
    return {name for text in texts for name in re.findall(r"(?m)^\s*_target_:\s*([\w.]+)", text)}
