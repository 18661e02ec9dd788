"""How a segmentation is judged: overlap of each class over all pixels."""

from collections.abc import Mapping
from typing import Any, Literal

import torch

from trainer.evaluation.own_metrics import metric_problems
from trainer.evaluation.pixel_counts import PixelCounts
from trainer.evaluation.selection import Selection, count_problems
from trainer.evaluation.sums import Metric

METRICS = ("loss", "mean_iou", "pixel_accuracy")
PREFIX = "iou/"


class Segmentation(Selection):
    """A class for each pixel: intersection over union, pixel accuracy, loss.

    `select` is one of METRICS, a name in `metrics`, or the overlap of one class such as `iou/road`;
    see `Selection` for it and for `direction`, `every`, `patience` and `min_delta`. `examples` is
    how many of the worst test images are drawn; 0 draws none.

    Raises Refused, with every problem at once, for what is out of range.
    """

    problem = "segmentation"

    def __init__(
        self,
        select: str = "mean_iou",
        direction: Literal["auto", "max", "min"] = "auto",
        every: int = 1,
        patience: int | None = None,
        min_delta: float = 0.0,
        examples: int = 6,
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

    def start(self, info: Any, device: torch.device | str, *, keep: bool = False) -> PixelCounts:
        """Begin an evaluation of `info.classes`; with `keep` of every single image too."""
        return PixelCounts(
            info.classes,
            device,
            keep=keep,
            selected=self.select.removeprefix(PREFIX) if self.select.startswith(PREFIX) else None,
            examples=self.examples,
            metrics=self.metrics,
        )
