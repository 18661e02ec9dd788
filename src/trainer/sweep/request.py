"""What a sweep was asked for: kept in `sweep.yaml`, and compared when it goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from trainer.errors import Refused
from trainer.recording.flat import flat
from trainer.storage.environment import masked, masked_override
from trainer.storage.stored_config import write_yaml
from trainer.sweep.axes import Axis, Choices, Interval, Space
from trainer.sweep.space import shown, told

FILE = "sweep.yaml"
AGAIN = "use what the sweep began with, or start a new one without sweep.resume"


@dataclass(frozen=True)
class Request:
    """What a user wants of a sweep."""

    command: tuple[str, ...]  # what follows `train -m`, as typed
    method: str  # grid, random, bayes, or the name of another Hydra sweeper
    space: Space  # with seed and fold
    select: str
    direction: Literal["max", "min"]
    trials: int | None = None
    prune: Literal["none", "median", "halving"] = "none"
    seed: int = 0
    threads: int | None = None  # of each trial
    config: Mapping[str, Any] = field(default_factory=dict)  # of the first trial, but for `space`

    def stored(self) -> dict[str, Any]:
        """The request as plain data, secrets masked."""
        plain = dict(vars(self))
        plain["command"] = [masked_override(word) for word in self.command]
        plain["space"] = {key: told(axis) for key, axis in self.space.items()}
        plain["config"] = masked(self.config)
        return plain

    def write(self, folder: Path) -> None:
        """Write sweep.yaml, signed; raises CannotWrite."""
        write_yaml(folder / FILE, "What the sweep was asked for.", self.stored())


def stored_space(stored: Mapping[str, Any]) -> Space:
    """The space of a stored request; Refused where it is damaged."""
    try:
        return {str(key): axis_of(plain) for key, plain in stored["space"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused(f"{FILE} is damaged (space: {error}); restore it from a copy") from error


def axis_of(plain: Mapping[str, Any]) -> Axis:
    """An axis from plain data."""
    if "values" in plain:
        return Choices(tuple(str(value) for value in plain["values"]))
    low, high = float(plain["low"]), float(plain["high"])
    return Interval(low, high, bool(plain["log"]), bool(plain["integer"]))


def differences(stored: Mapping[str, Any], request: Request, free: Sequence[str]) -> list[str]:
    """A line for each thing that is no longer what the sweep was begun with.

    The order of values, the number of jobs and of trials, and the keys in `free` may change.
    """
    now = request.stored()
    names = {
        "method": "sweep.method",
        "prune": "sweep.prune",
        "seed": "sweep.seed",
        "select": "evaluation.select",
        "direction": "evaluation.direction",
    }
    found = [
        f"{key} was {stored.get(name)} and is now {now[name]}; {AGAIN}"
        for name, key in names.items()
        if stored.get(name) != now[name]
    ]
    old, new = stored_space(stored), request.space
    for key in dict.fromkeys([*old, *new]):
        if key not in new:
            found.append(f"{key} was swept over and is not any more; {AGAIN}")
        elif key not in old:
            found.append(f"{key} is swept over now and was not before; {AGAIN}")
        elif not same(old[key], new[key]):
            was, is_now = shown(told(old[key])), shown(told(new[key]))
            found.append(f"{key} was {was} and is now {is_now}; {AGAIN}")
    before, after = flat(stored.get("config", {})), flat(now["config"])
    # What is swept over was compared, with all that belongs to a choice from a group.
    swept = tuple(key.lstrip("+") for key in new)
    for key in sorted({*before, *after}):
        covered = key in swept or key.startswith(tuple(f"{name}." for name in swept))
        if before.get(key) != after.get(key) and key not in free and not covered:
            found.append(f"{key} was {before.get(key)!r} and is now {after.get(key)!r}; {AGAIN}")
    return found


def same(one: Axis, other: Axis) -> bool:
    """Whether two axes have the same values, in any order."""
    if isinstance(one, Choices) and isinstance(other, Choices):
        return set(one.values) == set(other.values)
    return one == other
