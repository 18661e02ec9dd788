"""What a sweep goes through: by key, a list of values or an interval of numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

# What repeats a configuration instead of making another one.
REPEATS = ("seed", "data.fold")


@dataclass(frozen=True)
class Choices:
    """Values to choose from, each as it is typed after the `=`, in the order given."""

    values: tuple[str, ...]


@dataclass(frozen=True)
class Interval:
    """Numbers from `low` to `high`, both included; evenly, or with `log` evenly by magnitude.

    `integer` says that only whole numbers are meant.
    """

    low: float
    high: float
    log: bool = False
    integer: bool = False


Axis = Choices | Interval
# By key as it is typed before the `=` ("optimizer.lr", "+model.depth"), in the order given.
Space = Mapping[str, Axis]


def key_of(override: str) -> str:
    """The key of an override, without the `+` of one that is added."""
    return override.partition("=")[0].lstrip("+")
