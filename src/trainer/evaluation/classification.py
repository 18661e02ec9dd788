"""How a classifier is judged: which metrics, which of them names the best, when it is enough."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeGuard

import torch

from trainer.errors import Refused
from trainer.evaluation.counts import PER_CLASS, Counts
from trainer.evaluation.sums import Metric

METRICS = ("loss", "accuracy", "precision", "recall", "f1", "balanced_accuracy")
# Keys of evaluation/<split>.json that are no metric.
RESERVED = ("per_class", "confusion_matrix", "num_samples", "baseline", "classes", "split", "step")
PREFIX = "validation/"


class Classification:
    """Single-label classification: confusion matrix, macro scores, loss, and a user's own metrics.

    `select` names the metric that chooses the best checkpoint: one of METRICS, a name in `metrics`,
    or a score of one class such as `recall/cat`, with or without the prefix `validation/`.
    `direction` says which way is better; `auto` is min for the loss and max for all else, extra
    metrics included. `every` counts epochs between evaluations. `patience` is the number of
    evaluations in a row that may fail to improve by more than `min_delta` before training stops.
    `mistakes` is how many of the worst mistakes are drawn; 0 draws none.

    Raises Refused, with every problem at once, for what is out of range.
    """

    def __init__(
        self,
        select: str = "accuracy",
        direction: Literal["auto", "max", "min"] = "auto",
        every: int = 1,
        patience: int | None = None,
        min_delta: float = 0.0,
        baselines: bool = True,
        mistakes: int = 25,
        metrics: Mapping[str, Metric] | None = None,
    ) -> None:
        problems = [
            *_select_problems(select),
            *_range_problems(direction, every, patience, min_delta, mistakes),
            *_metric_problems(metrics),
        ]
        if problems:
            raise Refused(*problems)
        self.select = select.removeprefix(PREFIX)
        self.direction: Literal["max", "min"] = (
            ("min" if self.select == "loss" else "max") if direction == "auto" else direction
        )
        self.every = every
        self.patience = patience
        self.min_delta = float(min_delta)
        self.baselines = baselines
        self.mistakes = mistakes
        self.metrics: dict[str, Metric] = dict(metrics or {})

    def names(self, classes: Sequence[str] = ()) -> tuple[str, ...]:
        """Every name that `select` may have, given the labels of the classes.

        A score of one class is among the values only where it is selected.
        """
        single = (f"{score}/{label}" for label in classes for score in PER_CLASS)
        return (*METRICS, *self.metrics, *single)

    def start(
        self,
        num_classes: int,
        device: torch.device | str,
        *,
        keep: bool = False,
        classes: Sequence[str] | None = None,
    ) -> Counts:
        """Begin an evaluation; `classes` has the labels, needed where one class is selected."""
        known = self.select in METRICS or self.select in self.metrics
        return Counts(
            num_classes,
            device,
            keep=keep,
            metrics=self.metrics,
            selected=None if known or "/" not in self.select else self.select,
            classes=classes,
        )

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
    direction: object, every: object, patience: object, min_delta: object, mistakes: object
) -> list[str]:
    problems = []
    if direction not in ("auto", "max", "min"):
        problems.append(f"evaluation.direction={direction}: it has to be auto, max or min")
    if not _is_count(every, 1):
        problems.append(f"evaluation.every={every}: it has to be a number of epochs, 1 or more")
    if patience is not None and not _is_count(patience, 1):
        problems.append(
            f"evaluation.patience={patience}: it has to be a number of evaluations, 1 or more, or "
            "null for no early stop"
        )
    if not _is_number(min_delta) or not 0 <= min_delta < math.inf:
        problems.append(f"evaluation.min_delta={min_delta}: it has to be a number, 0 or more")
    if not _is_count(mistakes, 0):
        problems.append(
            f"evaluation.mistakes={mistakes}: it has to be a number of pictures, 0..100"
        )
    elif mistakes > 100:
        problems.append(f"evaluation.mistakes={mistakes}: one picture holds up to 100")
    return problems


def _metric_problems(metrics: Mapping[Any, object] | None) -> list[str]:
    problems = []
    for name, metric in (metrics or {}).items():
        where = f"evaluation.metrics.{name}"
        if not isinstance(name, str) or not name:
            problems.append(f"{where}: a metric's name has to be text")
        elif name in (*METRICS, *RESERVED) or "/" in name:
            problems.append(f"{where}: this name is taken (or has a /); choose another")
        if not callable(metric):
            problems.append(
                f"{where}={metric!r}: it has to be a callable(outputs, target) -> (sum, count); "
                "in YAML: {_target_: mypkg.metric, _partial_: true}"
            )
    return problems


def _is_count(value: object, least: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
