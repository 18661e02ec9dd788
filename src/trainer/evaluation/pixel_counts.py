"""What is counted while a segmentation is evaluated: on the device, without waiting for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.errors import Failed, Refused
from trainer.evaluation.scores import scores
from trainer.evaluation.sums import Means, Metric, Number
from trainer.evaluation.writing import Picture, in_order_of, write_figure, write_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IGNORED = -100  # as torch.nn.CrossEntropyLoss has it
COLUMNS = ("index", "input", "mean_iou", "pixel_accuracy")


@dataclass(frozen=True)
class Worst:
    """The images with the least overlap so far; tensors on the device, the worst first."""

    score: Tensor  # [K]
    position: Tensor  # int64 [K], in the order of evaluation
    truth: Tensor  # uint8 [K, H, W], 255 where ignored
    prediction: Tensor  # uint8 [K, H, W]


class PixelCounts:
    """One evaluation's confusion matrix over pixels, its loss, and the worst images.

    Targets of -100 are left out. Overlap (intersection over union, Jaccard index) is that of all
    pixels of the split together; its mean is over the classes that occur in targets or predictions,
    as scikit-learn's `jaccard_score` has it. `update` enqueues a few kernels and never waits for
    the device. With `keep`, two numbers an image stay on the device too, and the `examples` worst
    images. `selected` is the class whose overlap is to be among the values.
    """

    shown = ("mean_iou", "pixel_accuracy")
    figure_name = "per_class"

    def __init__(
        self,
        classes: Sequence[str],
        device: torch.device | str,
        *,
        keep: bool = False,
        selected: str | None = None,
        examples: int = 6,
        metrics: Mapping[str, Metric] | None = None,
    ) -> None:
        if len(classes) < 2:
            raise Refused(f"{len(classes)} classes: a segmentation needs at least 2; see data.path")
        self.classes = [str(name) for name in classes]
        self.keeps = keep
        self.num_samples = 0
        self._selected, self._examples = selected, examples
        count = len(classes)
        # Two further rows: of ignored pixels, and of targets that are no class.
        self._cells = torch.zeros((count + 2) * count, dtype=torch.int64, device=device)
        self._one = torch.ones((), dtype=torch.int64, device=self._cells.device)
        self._means = Means(self._cells.device, metrics)
        self._each: list[tuple[Tensor, Tensor]] = []
        self._worst: Worst | None = None
        self._matrix: NDArray[np.int64] | None = None

    @torch.no_grad()
    def update(self, outputs: Tensor, target: Tensor, loss_sum: Number, weight: Number) -> None:
        """Count one batch: logits [B, C, H, W], targets int64 [B, H, W], its loss as a sum.

        Raises Refused for outputs or targets that are not of a segmentation.
        """
        self._refuse(outputs, target)
        self._matrix = None
        count, batch = len(self.classes), len(outputs)
        prediction = outputs.argmax(1)
        wrong = (target < 0) | (target >= count)
        row = torch.where(wrong, torch.where(target == IGNORED, count, count + 1), target)
        cell = torch.add(prediction, row, alpha=count).flatten(1)
        # Not bincount: on CUDA it reads the largest index back to the host, a sync for each batch.
        cells = self._cells.new_zeros((batch, len(self._cells)))
        cells.scatter_add_(1, cell, self._one.expand(cell.shape))
        self._cells += cells.sum(0)
        self._means.add(outputs, target, loss_sum, weight)
        if self.keeps:
            self._keep(cells, row, prediction)
        self.num_samples += batch

    def _refuse(self, outputs: Tensor, target: Tensor) -> None:
        count = len(self.classes)
        if outputs.ndim != 4 or outputs.shape[1] != count:
            raise Refused(
                f"outputs {list(outputs.shape)}: evaluation=segmentation takes logits [batch, "
                f"{count}, height, width], one for each class; use model=unet, or set the model's "
                "size with ${info.num_outputs}"
            )
        if target.dtype != torch.int64 or target.ndim != 3:
            raise Refused(
                f"targets {list(target.shape)} of {target.dtype}: evaluation=segmentation takes "
                "int64 class numbers [batch, height, width], -100 for pixels to be ignored"
            )
        if outputs.shape[2:] != target.shape[1:] or len(outputs) != len(target):
            raise Refused(
                f"outputs {list(outputs.shape)} for masks {list(target.shape)}: both need the same "
                "height and width; let the model give an output for each pixel of its input"
            )

    def _keep(self, cells: Tensor, row: Tensor, prediction: Tensor) -> None:
        count, batch = len(self.classes), len(row)
        matrix = cells.view(batch, count + 2, count)[:, :count]
        right = matrix.diagonal(dim1=1, dim2=2)
        truth = matrix.sum(2)
        union = truth + matrix.sum(1) - right
        overlap = (right / union.clamp(min=1)).sum(1) / (union > 0).sum(1).clamp(min=1)
        labelled = truth.sum(1)
        accuracy = right.sum(1) / labelled.clamp(min=1)
        self._each.append((overlap, accuracy))
        if self._examples:
            # Where nothing is labelled nothing can be wrong.
            score = torch.where(labelled > 0, overlap, 2.0)
            self._hold(score, row, prediction)

    def _hold(self, score: Tensor, row: Tensor, prediction: Tensor) -> None:
        position = torch.arange(len(score), device=score.device) + self.num_samples
        truth = torch.where(row < len(self.classes), row, 255).to(torch.uint8)
        guess = prediction.to(torch.uint8)
        held = self._worst
        if held is not None and held.truth.shape[1:] == truth.shape[1:]:
            score = torch.cat((held.score, score))
            position = torch.cat((held.position, position))
            truth, guess = torch.cat((held.truth, truth)), torch.cat((held.prediction, guess))
        order = score.argsort(stable=True)[: self._examples]
        self._worst = Worst(score[order], position[order], truth[order], guess[order])

    def values(self) -> dict[str, float]:
        """Loss, mean overlap and pixel accuracy, and the overlap of the selected class.

        Raises Failed where nothing was counted or a target is no class.
        """
        matrix = self.confusion()
        overlaps = self._overlaps(matrix)
        means = self._means.values()
        values = {
            "loss": means["loss"],
            "mean_iou": float(np.nanmean(overlaps)),
            "pixel_accuracy": float(matrix.trace() / matrix.sum()),
            **means,
        }
        if self._selected is not None:
            if self._selected not in self.classes:
                raise Refused(
                    f"evaluation.select=iou/{self._selected}: there is no class {self._selected!r}"
                )
            overlap = overlaps[self.classes.index(self._selected)]
            values[f"iou/{self._selected}"] = float(overlap)
        return values

    def confusion(self) -> NDArray[np.int64]:
        """The confusion matrix over pixels, int64 [C, C]; rows are true classes. One sync."""
        if self._matrix is None:
            count = len(self.classes)
            rows = self._cells.cpu().numpy().reshape(count + 2, count)
            if strange := int(rows[-1].sum()):
                raise Failed(
                    f"{strange:,} pixels of targets are no class: they have to be 0..{count - 1}, "
                    "or -100 to be ignored; look for wrong values in the masks"
                )
            if not rows[:count].any():
                raise Failed("nothing was evaluated: the split has no labelled pixel; see data")
            self._matrix = rows[:count].copy()
        return self._matrix

    @staticmethod
    def _overlaps(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
        """Overlap of each class, NaN for one that neither targets nor predictions have."""
        right = matrix.diagonal().astype(np.float64)
        union = matrix.sum(0) + matrix.sum(1) - right
        overlaps = np.full(len(right), np.nan)
        np.divide(right, union, out=overlaps, where=union > 0)
        return overlaps

    def per_class(self) -> list[dict[str, Any]]:
        """One dict a class: `label`, `iou`, `precision`, `recall`, and `support` in pixels."""
        matrix = self.confusion()
        found, overlaps = scores(matrix), self._overlaps(matrix)
        return [
            {
                "label": label,
                "iou": float(overlaps[place]),
                "precision": float(found.precision[place]),
                "recall": float(found.recall[place]),
                "support": int(found.support[place]),
            }
            for place, label in enumerate(self.classes)
        ]

    def report(
        self,
        place: Path,
        split: str,
        *,
        indices: Sequence[int] | None = None,
        names: Sequence[str] | None = None,
        picture: Picture | None = None,
    ) -> dict[str, Any]:
        """Write the figure, with `keep` a table of all images, and with `picture` the worst."""
        from trainer.evaluation import segmentation_figures as figures

        write_figure(place / f"{split}_per_class.png", self.figure(split))
        if self.keeps:
            order = in_order_of(indices, self.num_samples)
            self._write_table(place / f"{split}_predictions.csv", order, names)
            if picture is not None and self._worst is not None:
                worst = self._worst
                chosen = [order[position] for position in worst.position.tolist()]
                drawn = figures.examples(
                    [picture(index) for index in chosen],
                    worst.truth.cpu().numpy(),
                    worst.prediction.cpu().numpy(),
                    [f"no. {i}, IoU {s:.2f}" for i, s in zip(chosen, worst.score, strict=True)],
                    self.classes,
                    split,
                )
                write_figure(place / f"{split}_examples.png", drawn)
        return {
            "classes": self.classes,
            "per_class": self.per_class(),
            "confusion_matrix": self.confusion().tolist(),
        }

    def _write_table(self, path: Path, order: list[int], names: Sequence[str] | None) -> None:
        columns = [torch.cat(column).cpu().numpy() for column in zip(*self._each, strict=True)]
        rows = []
        for position in np.argsort(np.asarray(order), kind="stable"):
            index = order[position]
            name = "" if names is None else str(names[index])
            rows.append((index, name, *(f"{column[position]:.6f}" for column in columns)))
        write_table(path, COLUMNS, rows)

    def figure(self, split: str) -> "Figure":
        """The overlap of each class as bars."""
        from trainer.evaluation import segmentation_figures as figures

        return figures.overlaps(self.per_class(), split)
