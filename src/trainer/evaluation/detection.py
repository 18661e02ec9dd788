"""How a detector is judged: average precision of each class, as COCO has it."""

from collections.abc import Mapping
from typing import Any, Literal

import torch

from trainer.evaluation.found_boxes import FoundBoxes
from trainer.evaluation.own_metrics import metric_problems
from trainer.evaluation.selection import Selection, count_problems
from trainer.evaluation.sums import Metric

METRICS = ("loss", "map50", "map", "precision", "recall", "f1")
PREFIX = "ap50/"


class Detection(Selection):
    """Boxes of a dense detector: mean average precision at IoU 0.5 and over 0.5 to 0.95, loss.

    Precision, recall and F1 are those at the one threshold, over all classes, where F1 at IoU 0.5
    is best. `select` is one of METRICS, a name in `metrics`, or the average precision of one class
    such as `ap50/cat`; see `Selection` for it and for `direction`, `every`, `patience` and
    `min_delta`. `examples` is how many of the worst test images are drawn; 0 draws none.

    Raises Refused, with every problem at once, for what is out of range.
    """

    problem = "detection"

    def __init__(
        self,
        select: str = "map50",
        direction: Literal["auto", "max", "min"] = "auto",
        every: int = 1,
        patience: int | None = None,
        min_delta: float = 0.0,
        examples: int = 9,
        metrics: Mapping[str, Metric] | None = None,
    ) -> None:
        problems = metric_problems(metrics, METRICS)
        problems += count_problems("examples", examples, "pictures", 50)
        super().__init__(select, direction, every, patience, min_delta, problems=problems)
        self.examples = examples
        self.metrics: dict[str, Metric] = dict(metrics or {})

    def names(self, info: Any = None) -> tuple[str, ...]:
        """Every name that `select` may have, given what the data says of itself."""
        single = (f"{PREFIX}{label}" for label in getattr(info, "classes", ()))
        return (*METRICS, *self.metrics, *single)

    def start(self, info: Any, device: torch.device | str, *, keep: bool = False) -> FoundBoxes:
        """Begin an evaluation of boxes of `info.classes` on inputs of `info.height` x `width`."""
        return FoundBoxes(
            info.classes,
            (info.height, info.width),
            device,
            selected=self.select.removeprefix(PREFIX) if self.select.startswith(PREFIX) else None,
            examples=self.examples,
            metrics=self.metrics,
        )
