"""From a model's outputs at each pixel to a mask. NumPy only."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.pixels.masks import IGNORED
from data.pixels.placement import WAYS, Way, placement


class MaskAnswer:
    """The likeliest class of each pixel, as a picture, and how much of it each class has.

    `of` gives the mask as the model sees the image, `placed` lays it over the image.

    Args:
        classes: class names, in the order of a model's outputs.
        height: rows of the model's input.
        width: columns.
        fit: how an image was brought to that size, see `data.pixels.placement.placement`.

    Raises:
        DataError: a fit that there is not.
    """

    columns = ("mask", "shares")

    def __init__(self, classes: Sequence[str], height: int, width: int, fit: Way) -> None:
        if fit not in WAYS:
            raise DataError(f"fit ({fit!r}) of an answer; choose {', '.join(WAYS)}")
        self.classes = tuple(map(str, classes))
        self.height, self.width, self.fit = height, width, fit
        self.shape: tuple[int | None, ...] = (len(self.classes), None, None)

    @property
    def node(self) -> dict[str, Any]:
        """What makes this answer again."""
        return {
            "_target_": "data.segmentation.answer.MaskAnswer",
            "classes": list(self.classes),
            "height": self.height,
            "width": self.width,
            "fit": self.fit,
        }

    def of(self, outputs: NDArray[Any], top: int) -> Iterator[dict[str, Any]]:
        """Return a dict for each of the logits [B, C, H, W], empty where one is not finite.

        `mask` is uint8 [H, W], the number of the class; `shares` the share of pixels of each class
        that is there.
        """
        del top  # there is one mask
        for logits in outputs:
            if not np.isfinite(logits).all():
                yield {}
                continue
            mask = logits.argmax(axis=0).astype(np.uint8)
            yield {"mask": mask, "shares": self._shares(mask)}

    def placed(self, answer: dict[str, Any], columns: int, rows: int) -> dict[str, Any]:
        """Return what `of` gave with the mask of an image, uint8 [rows, columns].

        Each pixel takes the class of the nearest one that the model saw. Those that fit="crop" has
        cut away are 255, and no part of the shares.

        Args:
            answer: one dict of `of`.
            columns: of the image, upright.
            rows: likewise.
        """
        where = placement(columns, rows, height=self.height, width=self.width, fit=self.fit)
        seen = answer["mask"]
        down = _nearest(rows, where.scaled[1], where.top, where.height, seen.shape[0])
        across = _nearest(columns, where.scaled[0], where.left, where.width, seen.shape[1])
        mask = seen[down.clip(0)[:, None], across.clip(0)]
        mask[down < 0, :] = IGNORED
        mask[:, across < 0] = IGNORED
        return {**answer, "mask": mask, "shares": self._shares(mask)}

    def _shares(self, mask: NDArray[np.uint8]) -> dict[str, float]:
        # Class numbers end at 254: 255 is what the model has not seen.
        counts = np.bincount(mask.ravel(), minlength=IGNORED + 1)[: len(self.classes)]
        shares = (counts / max(1, counts.sum())).tolist()
        return {n: s for n, s in zip(self.classes, shares, strict=True) if s > 0}


def _nearest(stored: int, scaled: int, start: int, frame: int, count: int) -> NDArray[np.int64]:
    """Return which of `count` rows (or columns) of a mask each stored one shows; -1 for none.

    The mask may be coarser than the frame that it covers.
    """
    # Whole numbers only, as in data.pixels.masks: centres of pixels in halves of a stored one.
    places = (2 * np.arange(stored) + 1) * scaled - 2 * stored * start
    inside = (places >= 0) & (places < 2 * stored * frame)
    return np.where(inside, places * count // (2 * stored * frame), -1)
