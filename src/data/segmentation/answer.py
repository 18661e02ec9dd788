"""From a model's outputs at each pixel to a mask. NumPy only."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class MaskAnswer:
    """The likeliest class of each pixel, as a picture, and how much of it each class has.

    Args:
        classes: class names, in the order of a model's outputs.
    """

    columns = ("mask", "shares")

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(map(str, classes))
        self.shape: tuple[int | None, ...] = (len(self.classes), None, None)

    @property
    def node(self) -> dict[str, Any]:
        """What makes this answer again."""
        return {"_target_": "data.segmentation.answer.MaskAnswer", "classes": list(self.classes)}

    def of(self, outputs: NDArray[Any], top: int) -> Iterator[dict[str, Any]]:
        """Return a dict for each of the logits [B, C, H, W], empty where one is not finite.

        `mask` is uint8 [H, W], the number of the class; `shares` the share of pixels of each class
        that is there.
        """
        del top  # there is one mask
        count = len(self.classes)
        for logits in outputs:
            if not np.isfinite(logits).all():
                yield {}
                continue
            mask = logits.argmax(axis=0).astype(np.uint8)
            shares = np.bincount(mask.ravel(), minlength=count) / mask.size
            present = {n: s for n, s in zip(self.classes, shares.tolist(), strict=True) if s > 0}
            yield {"mask": mask, "shares": present}
