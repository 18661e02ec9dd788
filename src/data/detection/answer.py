"""From a dense detector's outputs to boxes. NumPy only."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.boxes import decoded
from data.errors import DataError


class BoxAnswer:
    """The boxes that reach a threshold, in pixels of the model's input.

    Args:
        classes: class names, in the order of a model's outputs.
        height: rows of the model's input.
        width: columns.
        threshold: from which probability on a box is given.

    Raises:
        DataError: a threshold outside 0..1.
    """

    columns = ("boxes", "count")

    def __init__(
        self, classes: Sequence[str], height: int, width: int, threshold: float = 0.3
    ) -> None:
        if not 0 <= threshold < 1:
            raise DataError(f"threshold ({threshold}) of an answer; give a probability in 0..1")
        self.classes, self.threshold = tuple(map(str, classes)), threshold
        self.height, self.width = height, width
        self.shape: tuple[int | None, ...] = (len(self.classes) + 4, None, None)

    @property
    def node(self) -> dict[str, Any]:
        """What makes this answer again."""
        return {
            "_target_": "data.detection.answer.BoxAnswer",
            "classes": list(self.classes),
            "height": self.height,
            "width": self.width,
            "threshold": self.threshold,
        }

    def of(self, outputs: NDArray[Any], top: int) -> Iterator[dict[str, Any]]:
        """Return a dict for each of the outputs [B, K + 4, h, w], empty where one is not finite.

        `boxes` has a dict of label, score, x1, y1, x2, y2 for each box, the likeliest first;
        `count` is their number.
        """
        del top  # all boxes that reach the threshold are given
        for output in outputs:
            if not np.isfinite(output).all():
                yield {}
                continue
            found = decoded(output, height=self.height, width=self.width, least=self.threshold)
            boxes = [
                {
                    "label": self.classes[label],
                    "score": score,
                    **{side: round(v, 2) for side, v in zip(SIDES, box, strict=True)},
                }
                for label, score, box in zip(
                    found.labels.tolist(), found.scores.tolist(), found.boxes.tolist(), strict=True
                )
            ]
            yield {"boxes": boxes, "count": len(boxes)}


SIDES = ("x1", "y1", "x2", "y2")
