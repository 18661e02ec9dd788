"""What a detector finds while it is evaluated: decoded on the device, judged at the end."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from trainer.errors import Failed, Refused
from trainer.evaluation import average_precision as ap
from trainer.evaluation.sums import Means, Metric, Number
from trainer.evaluation.writing import Picture, in_order_of, write_figure, write_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 100  # boxes of an image that count, as in COCO
OVERLAP = 0.6  # boxes of a class that overlap more are one
FARTHEST = 8.0
COLUMNS = ("index", "input", "true", "found", "right")


def decoded(outputs: Tensor, height: int, width: int) -> Tensor:
    """The likeliest boxes of each image, float32 [B, n, 6]: class, probability, x1, y1, x2, y2.

    A place holds the centre of an object where a class is likelier than at the eight places around
    it (Zhou et al. 2019); n is at most 100. `outputs` [B, K + 4, h, w] are as
    `models.detector.Detector` has them, for inputs of `height` x `width` pixels. Boxes that overlap
    are all there yet, see `suppressed`.
    """
    logits, distances = outputs[:, :-4].float(), outputs[:, -4:].float()
    rows, columns = logits.shape[2:]
    around = functional.max_pool2d(logits, 3, stride=1, padding=1)
    peaks = torch.where(logits == around, logits, -torch.inf).flatten(1)
    scores, places = peaks.sort(dim=1, descending=True, stable=True)
    most = min(MOST, places.shape[1])
    scores, places = scores[:, :most].sigmoid(), places[:, :most]
    label = places.div(rows * columns, rounding_mode="floor")
    place = places % (rows * columns)
    own = distances.flatten(2).gather(2, place[:, None].expand(-1, 4, -1))
    left, top, right, bottom = own.clamp(max=FARTHEST).exp().unbind(1)
    across, down = width / columns, height / rows
    x = (place % columns + 0.5) * across
    y = (place.div(columns, rounding_mode="floor") + 0.5) * down
    return torch.stack(
        (
            label.float(),
            scores,
            (x - left * across).clamp(0, width),
            (y - top * down).clamp(0, height),
            (x + right * across).clamp(0, width),
            (y + bottom * down).clamp(0, height),
        ),
        dim=2,
    )


def suppressed(found: NDArray[np.float32]) -> NDArray[np.float32]:
    """The boxes [n, 6] of an image without those that a likelier one of the class overlaps much."""
    wide = found.astype(np.float64)
    close = (ap.iou(wide[:, 2:], wide[:, 2:]) > OVERLAP) & (found[:, :1] == found[:, 0])
    stays = found[:, 1] > 0
    for place in range(len(found)):
        if stays[place]:
            stays[place + 1 :] &= ~close[place, place + 1 :]
    return found[stays]


class FoundBoxes:
    """One evaluation's boxes, found and true; average precision, the loss, and the worst images.

    `update` enqueues a few kernels and never waits for the device; what is kept of an image are
    100 boxes and its true ones. `size` are rows and columns of the input. `selected` is the class
    whose average precision is to be among the values.
    """

    shown = ("map50", "map", "precision", "recall")
    figure_name = "per_class"

    def __init__(
        self,
        classes: Sequence[str],
        size: tuple[int, int],
        device: torch.device | str,
        *,
        selected: str | None = None,
        examples: int = 9,
        metrics: Mapping[str, Metric] | None = None,
    ) -> None:
        self.classes = [str(name) for name in classes]
        self.num_samples = 0
        self._size, self._selected, self._examples = size, selected, examples
        self._means = Means(torch.device(device), metrics)
        self._found: list[Tensor] = []
        self._true: list[Tensor] = []

    @torch.no_grad()
    def update(self, outputs: Tensor, target: Tensor, loss_sum: Number, weight: Number) -> None:
        """Take one batch: outputs [B, K + 4, h, w], true boxes float [B, M, 5], loss as a sum.

        A true box is class (-1: none), x1, y1, x2, y2 in pixels of the input. Raises Refused for
        outputs or targets that are not of a dense detector.
        """
        width = len(self.classes) + 4
        if outputs.ndim != 4 or outputs.shape[1] != width:
            raise Refused(
                f"outputs {list(outputs.shape)}: evaluation=detection takes [batch, {width}, rows, "
                f"columns], {width - 4} classes and 4 for a box at each place; use model=detector, "
                "or set the model's size with ${info.num_outputs}"
            )
        if target.ndim != 3 or target.shape[2] != 5 or len(target) != len(outputs):
            raise Refused(
                f"targets {list(target.shape)}: evaluation=detection takes boxes [batch, most, 5]: "
                "class (-1: none), x1, y1, x2, y2"
            )
        self.__dict__.pop("_matches", None)
        self._found.append(decoded(outputs, *self._size))
        self._true.append(target.float())
        self._means.add(outputs, target, loss_sum, weight)
        self.num_samples += len(outputs)

    @cached_property
    def _images(self) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Found [n, 6] and true boxes [m, 5] of each image, in their order. One sync a batch."""
        images = []
        for batch, targets in zip(self._found, self._true, strict=True):
            pairs = zip(batch.cpu().numpy(), targets.cpu().numpy(), strict=True)
            for found, true in pairs:
                if not np.isfinite(found).all():
                    found = found[:0]
                images.append((suppressed(found), true[true[:, 0] >= 0]))
        return images

    @cached_property
    def _matches(self) -> list[ap.Matches]:
        """What became of the found boxes of each class."""
        self.__dict__.pop("_images", None)
        if not self._images:
            raise Failed("nothing was evaluated: the split has no samples; see data")
        matches = []
        for number in range(len(self.classes)):
            rows = []
            for found, true in self._images:
                own = found[found[:, 0] == number].astype(np.float64)
                wanted = true[true[:, 0] == number].astype(np.float64)
                if len(own) or len(wanted):
                    rows.append((own[:, 1], own[:, 2:], wanted[:, 1:]))
            matches.append(ap.collected(rows))
        return matches

    def per_class(self) -> list[dict[str, Any]]:
        """One dict a class: `label`, `ap50`, `ap`, `support` (true boxes); NaN without any."""
        rows = []
        for label, matches in zip(self.classes, self._matches, strict=True):
            levels = ap.average_precision(matches)
            rows.append(
                {
                    "label": label,
                    "ap50": float(levels[0]),
                    "ap": float(levels.mean()),
                    "support": matches.num_true,
                }
            )
        return rows

    def values(self) -> dict[str, float]:
        """Every metric by name, `loss` first; NaN where the split has no true box at all.

        Means are over the classes that have true boxes.
        """
        rows = [row for row in self.per_class() if row["support"]]
        operating = ap.best_f1(self._matches)
        means = self._means.values()
        values = {
            "loss": means["loss"],
            "map50": _mean([row["ap50"] for row in rows]),
            "map": _mean([row["ap"] for row in rows]),
            "precision": operating.precision,
            "recall": operating.recall,
            "f1": operating.f1,
            **means,
        }
        if self._selected is not None:
            found = [row["ap50"] for row in self.per_class() if row["label"] == self._selected]
            if not found:
                raise Refused(
                    f"evaluation.select=ap50/{self._selected}: there is no class {self._selected!r}"
                )
            values[f"ap50/{self._selected}"] = found[0]
        return values

    def report(
        self,
        place: Path,
        split: str,
        *,
        indices: Sequence[int] | None = None,
        names: Sequence[str] | None = None,
        picture: Picture | None = None,
    ) -> dict[str, Any]:
        """Write the figure, a table of all images, and with `picture` the worst of them."""
        order = in_order_of(indices, self.num_samples)
        threshold = ap.best_f1(self._matches).threshold
        counts = [_counts(found, true, threshold) for found, true in self._images]
        rows = []
        for position in np.argsort(np.asarray(order), kind="stable"):
            index = order[position]
            rows.append((index, "" if names is None else str(names[index]), *counts[position]))
        write_table(place / f"{split}_predictions.csv", COLUMNS, rows)
        write_figure(place / f"{split}_per_class.png", self.figure(split))
        if picture is not None and self._examples:
            self._draw(place / f"{split}_examples.png", split, order, counts, threshold, picture)
        return {"classes": self.classes, "threshold": threshold, "per_class": self.per_class()}

    def _draw(
        self,
        path: Path,
        split: str,
        order: Sequence[int],
        counts: Sequence[tuple[int, int, int]],
        threshold: float,
        picture: Picture,
    ) -> None:
        from trainer.evaluation import detection_figures as figures

        wrong = [true + found - 2 * right for true, found, right in counts]
        worst = np.argsort(-np.asarray(wrong), kind="stable")[: self._examples].tolist()
        drawn = figures.examples(
            [picture(order[position]) for position in worst],
            [_likely(self._images[position][0], threshold) for position in worst],
            [f"no. {order[position]}: {_told(counts[position])}" for position in worst],
            self.classes,
            split,
        )
        write_figure(path, drawn)

    def figure(self, split: str) -> "Figure":
        """The average precision of each class as bars."""
        from trainer.evaluation import detection_figures as figures

        return figures.precisions(self.per_class(), split)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _likely(found: NDArray[np.float32], threshold: float) -> NDArray[np.float32]:
    return found[found[:, 1] >= np.float32(threshold)]


def _counts(
    found: NDArray[np.float32], true: NDArray[np.float32], threshold: float
) -> tuple[int, int, int]:
    """How many boxes of an image are true, found from the threshold on, and right at IoU 0.5."""
    likely = _likely(found, threshold)
    right = 0
    for label in set(likely[:, 0].tolist()):
        own = likely[likely[:, 0] == label][:, 2:].astype(np.float64)
        wanted = true[true[:, 0] == label][:, 1:].astype(np.float64)
        right += int(ap.matched(own, wanted)[0].sum())
    return len(true), len(likely), right


def _told(counts: tuple[int, int, int]) -> str:
    true, found, right = counts
    return f"{right} of {true} right, {found - right} wrong"
