"""How a detector is judged: average precision of each class, as COCO has it."""

from typing import Any, Literal

import torch

from trainer.evaluation.found_boxes import FoundBoxes
from trainer.evaluation.selection import Selection, count_problems

METRICS = ("loss", "map50", "map", "precision", "recall", "f1")
PREFIX = "ap50/"


class Detection(Selection):
    """Boxes of a dense detector: mean average precision at IoU 0.5 and over 0.5 to 0.95, loss.

    Precision, recall and F1 are those at the one threshold, over all classes, where F1 at IoU 0.5
    is best. `select` is one of METRICS, or the average precision of one class such as `ap50/cat`;
    see `Selection` for it and for `direction`, `every`, `patience` and `min_delta`. `examples` is
    how many of the worst test images are drawn; 0 draws none.

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
    ) -> None:
        problems = count_problems("examples", examples, "pictures", 50)
        super().__init__(select, direction, every, patience, min_delta, problems=problems)
        self.examples = examples

    def names(self, info: Any = None) -> tuple[str, ...]:
        """Every name that `select` may have, given what the data says of itself."""
        return (*METRICS, *(f"{PREFIX}{label}" for label in getattr(info, "classes", ())))

    def start(self, info: Any, device: torch.device | str, *, keep: bool = False) -> FoundBoxes:
        """Begin an evaluation of boxes of `info.classes` on inputs of `info.height` x `width`."""
        return FoundBoxes(
            info.classes,
            (info.height, info.width),
            device,
            selected=self.select.removeprefix(PREFIX) if self.select.startswith(PREFIX) else None,
            examples=self.examples,
        )
