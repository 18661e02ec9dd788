"""Which metric chooses the best checkpoint, how often it is asked, and when it is enough."""

import math
from collections.abc import Sequence
from typing import Literal, TypeGuard

from trainer.errors import Refused

PREFIX = "validation/"
# The metrics of all evaluations of which less is better; all others are better when they are more.
LOWER = ("loss", "rmse", "mae", "perplexity", "hamming_loss")


def direction_of(chosen: object, select: str) -> Literal["max", "min"]:
    """Which way is better, where "auto" leaves it to the metric; "mae/price" is an MAE."""
    if chosen in ("max", "min"):
        return "max" if chosen == "max" else "min"
    return "min" if select.removeprefix(PREFIX).partition("/")[0] in LOWER else "max"


class Selection:
    """The part of every evaluation that compares values; an evaluation adds what is measured.

    `select` names the metric that chooses the best checkpoint, with or without the prefix
    `validation/`. `direction` says which way is better; `auto` is min for the metrics in LOWER
    and max for all else. `every` counts epochs between evaluations. `patience` is the number of
    evaluations in a row that may fail to improve by more than `min_delta` before training stops.
    `problems` is what else is wrong with an evaluation's own options.

    Raises Refused, with every problem at once, for what is out of range.
    """

    def __init__(
        self,
        select: str,
        direction: Literal["auto", "max", "min"],
        every: int,
        patience: int | None,
        min_delta: float,
        *,
        problems: Sequence[str] = (),
    ) -> None:
        found = [
            *_select_problems(select),
            *_range_problems(direction, every, patience, min_delta),
            *problems,
        ]
        if found:
            raise Refused(*found)
        self.select = select.removeprefix(PREFIX)
        self.direction = direction_of(direction, self.select)
        self.every = every
        self.patience = patience
        self.min_delta = float(min_delta)

    def better(self, new: float, old: float | None) -> bool:
        """Whether `new` is strictly better than `old` (None: there was none); NaN never is."""
        return self._ahead(new, old, 0.0)

    def improved(self, new: float, old: float | None) -> bool:
        """Whether `new` beats `old` by more than `min_delta`, which is what `patience` asks.

        `old` is the value of the last improvement, not the best one, so that many steps smaller
        than `min_delta` add up to an improvement.
        """
        return self._ahead(new, old, self.min_delta)

    def _ahead(self, new: float, old: float | None, margin: float) -> bool:
        if math.isnan(new):
            return False
        if old is None or math.isnan(old):
            return True
        return new > old + margin if self.direction == "max" else new < old - margin


def count_problems(name: str, value: object, what: str, most: int | None = None) -> list[str]:
    """What is wrong with a number of things that may be 0, such as pictures."""
    if not is_count(value, 0):
        upper = "" if most is None else f"..{most}"
        return [f"evaluation.{name}={value}: it has to be a number of {what}, 0{upper}"]
    if most is not None and value > most:
        return [f"evaluation.{name}={value}: one picture holds up to {most}"]
    return []


def _select_problems(select: object) -> list[str]:
    if not isinstance(select, str) or not select.removeprefix(PREFIX):
        return [f"evaluation.select={select!r}: it has to name a metric, e.g. accuracy or loss"]
    for split in ("train/", "test/"):
        if select.startswith(split):
            rest = select.removeprefix(split)
            return [
                f"evaluation.select={select}: the best checkpoint is chosen on the validation "
                f"split, never on {split[:-1]}; say {rest}"
            ]
    return []


def _range_problems(
    direction: object, every: object, patience: object, min_delta: object
) -> list[str]:
    problems = []
    if direction not in ("auto", "max", "min"):
        problems.append(f"evaluation.direction={direction}: it has to be auto, max or min")
    if not is_count(every, 1):
        problems.append(f"evaluation.every={every}: it has to be a number of epochs, 1 or more")
    if patience is not None and not is_count(patience, 1):
        problems.append(
            f"evaluation.patience={patience}: it has to be a number of evaluations, 1 or more, or "
            "null for no early stop"
        )
    if not _is_number(min_delta) or not 0 <= min_delta < math.inf:
        problems.append(f"evaluation.min_delta={min_delta}: it has to be a number, 0 or more")
    return problems


def is_count(value: object, least: int) -> TypeGuard[int]:
    """Whether a value is a whole number of at least that much."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
