"""How a classifier is judged: which metrics, and which of them names the best."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import torch

from trainer.evaluation.counts import PER_CLASS, Counts
from trainer.evaluation.own_metrics import metric_problems
from trainer.evaluation.selection import Selection, count_problems
from trainer.evaluation.sums import Metric

METRICS = ("loss", "accuracy", "precision", "recall", "f1", "balanced_accuracy")


class Classification(Selection):
    """Single-label classification: confusion matrix, macro scores, loss, and a user's own metrics.

    `select` is one of METRICS, a name in `metrics`, or a score of one class such as `recall/cat`;
    see `Selection` for it and for `direction`, `every`, `patience` and `min_delta`. With
    `baselines` the test result stands beside three simple classifiers. `mistakes` is how many of
    the worst mistakes are drawn; 0 draws none.

    Raises Refused, with every problem at once, for what is out of range.
    """

    problem = "classification"

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
            *count_problems("mistakes", mistakes, "pictures", 100),
            *metric_problems(metrics, METRICS),
        ]
        super().__init__(select, direction, every, patience, min_delta, problems=problems)
        self.baselines = baselines
        self.mistakes = mistakes
        self.metrics: dict[str, Metric] = dict(metrics or {})

    def names(self, info: Any = None) -> tuple[str, ...]:
        """Every name that `select` may have, given what the data says of itself.

        A score of one class is among the values only where it is selected.
        """
        classes = getattr(info, "classes", ())
        single = (f"{score}/{label}" for label in classes for score in PER_CLASS)
        return (*METRICS, *self.metrics, *single)

    def start(self, info: Any, device: torch.device | str, *, keep: bool = False) -> Counts:
        """Begin an evaluation of `info.classes`; with `keep` of every single sample too."""
        known = self.select in METRICS or self.select in self.metrics
        return Counts(
            info.num_classes,
            device,
            keep=keep,
            metrics=self.metrics,
            selected=None if known or "/" not in self.select else self.select,
            classes=info.classes,
            mistakes=self.mistakes,
        )

    def beside(self, train: Iterable[Any], test: Iterable[Any], seed: int) -> dict[str, Any]:
        """The accuracy of simple classifiers on the same split, see `baselines`."""
        from trainer.evaluation.baselines import baselines

        return baselines(train, test, seed=seed)
