"""From a dense detector's outputs to boxes. NumPy only."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.pixels.boxes import decoded
from data.pixels.placement import WAYS, Way, placement


class BoxAnswer:
    """The boxes that reach a threshold, in pixels of the image.

    `of` gives them in pixels of the model's input, `placed` brings them into those of the image.

    Args:
        classes: class names, in the order of a model's outputs.
        height: rows of the model's input.
        width: columns.
        fit: how an image was brought to that size, see `data.pixels.placement.placement`.
        threshold: from which probability on a box is given.

    Raises:
        DataError: a threshold outside 0..1, or a fit that there is not.
    """

    columns = ("boxes", "count")

    def __init__(
        self, classes: Sequence[str], height: int, width: int, fit: Way, threshold: float = 0.3
    ) -> None:
        problems = []
        if not 0 <= threshold < 1:
            problems.append(f"threshold ({threshold}) of an answer; give a probability in 0..1")
        if fit not in WAYS:
            problems.append(f"fit ({fit!r}) of an answer; choose {', '.join(WAYS)}")
        if problems:
            raise DataError(*problems)
        self.classes, self.threshold = tuple(map(str, classes)), threshold
        self.height, self.width, self.fit = height, width, fit
        self.shape: tuple[int | None, ...] = (len(self.classes) + 4, None, None)

    @property
    def node(self) -> dict[str, Any]:
        """What makes this answer again."""
        return {
            "_target_": "data.detection.answer.BoxAnswer",
            "classes": list(self.classes),
            "height": self.height,
            "width": self.width,
            "fit": self.fit,
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

    def placed(self, answer: dict[str, Any], columns: int, rows: int) -> dict[str, Any]:
        """Return what `of` gave with its boxes in pixels of an image, cut at its sides.

        A box that lies in nothing but padding is left out.

        Args:
            answer: one dict of `of`.
            columns: of the image, upright.
            rows: likewise.
        """
        where = placement(columns, rows, height=self.height, width=self.width, fit=self.fit)
        boxes = []
        for box in answer["boxes"]:
            corners = (where.to_image(box["x1"], box["y1"]), where.to_image(box["x2"], box["y2"]))
            (x1, y1), (x2, y2) = (
                (min(max(x, 0), columns), min(max(y, 0), rows)) for x, y in corners
            )
            if x1 < x2 and y1 < y2:
                sides = (round(side, 2) for side in (x1, y1, x2, y2))
                boxes.append({**box, **dict(zip(SIDES, sides, strict=True))})
        return {**answer, "boxes": boxes, "count": len(boxes)}


SIDES = ("x1", "y1", "x2", "y2")
