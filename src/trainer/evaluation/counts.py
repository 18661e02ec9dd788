"""What is counted while a model is evaluated: on the device, without waiting for it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.errors import Failed, Refused
from trainer.evaluation.kept import Kept
from trainer.evaluation.scores import Scores, scores
from trainer.evaluation.sums import Means, Metric, Number
from trainer.evaluation.writing import Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PER_CLASS = ("precision", "recall", "f1")


class Counts:
    """One evaluation's confusion matrix, loss and extra metrics, exact over ragged batches.

    `update` enqueues a few small kernels and never waits for the device; reading (`values`,
    `confusion`, `per_class`) copies everything to the CPU at once, and again only after an update.
    With `keep`, four numbers a sample stay on the device too (24 bytes each).

    `metrics` maps a name to a callable(outputs, target) -> (sum, count), accumulated likewise.
    `selected` is a score of one class, such as "recall/7", to be among the values; `classes` has
    the labels that it is looked up in (without it: "0", "1", ...). `mistakes` is how many of the
    worst mistakes a report draws.
    """

    shown = ("accuracy", "precision", "recall", "f1")
    figure_name = "confusion_matrix"

    def __init__(
        self,
        num_classes: int,
        device: torch.device | str,
        *,
        keep: bool = False,
        metrics: Mapping[str, Metric] | None = None,
        selected: str | None = None,
        classes: Sequence[str] | None = None,
        mistakes: int = 25,
    ) -> None:
        if num_classes < 2:
            raise Refused(
                f"{num_classes} classes: a classification needs at least 2; see data.path"
            )
        if classes is not None and len(classes) != num_classes:
            raise ValueError(f"{len(classes)} labels for {num_classes} classes")
        self.num_classes = num_classes
        self.keeps = keep
        self._mistakes = mistakes
        self._selected = selected
        self._classes = list(classes or map(str, range(num_classes)))
        # Row 0 takes targets below 0 and row C + 1 those above C - 1: `values` tells of them in one
        # line, where an index out of range would end the process on CUDA.
        self._rows = torch.zeros((num_classes + 2) * num_classes, dtype=torch.int64, device=device)
        self._one = torch.ones((), dtype=torch.int64, device=self._rows.device)
        self._means = Means(self._rows.device, metrics)
        self._kept: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        self._read: tuple[NDArray[np.int64], dict[str, float]] | None = None

    @torch.no_grad()
    def update(self, outputs: Tensor, target: Tensor, loss_sum: Number, weight: Number) -> None:
        """Count one batch: logits [B, C] of any float type, targets int64 [B], its loss as a sum.

        `loss_sum` / `weight` is the mean loss of the batch; both may be device scalars or numbers.
        Raises Refused for outputs or targets that are not of a single-label classification.
        """
        if outputs.ndim != 2 or outputs.shape[1] != self.num_classes:
            raise Refused(_wrong_outputs(outputs, self.num_classes))
        if target.ndim != 1 or len(target) != len(outputs) or target.dtype != torch.int64:
            raise Refused(_wrong_target(target, len(outputs)))
        self._read = None
        prediction = outputs.argmax(1)
        row = target.clamp(-1, self.num_classes)
        cell = torch.add(prediction, row, alpha=self.num_classes).add_(self.num_classes)
        # Not bincount: on CUDA it reads the largest index back to the host, a sync for each batch.
        self._rows.scatter_add_(0, cell, self._one.expand(len(cell)))
        self._means.add(outputs, target, loss_sum, weight)
        if self.keeps:
            self._keep(outputs, row, prediction)

    def _keep(self, outputs: Tensor, row: Tensor, prediction: Tensor) -> None:
        probability = outputs.float().softmax(1)
        columns = torch.stack((prediction, row.clamp(0, self.num_classes - 1)), dim=1)
        both = probability.gather(1, columns)
        self._kept.append((row, prediction, both[:, 0], both[:, 1]))

    def values(self) -> dict[str, float]:
        """Every metric by name, `loss` first, then the scores, then the extra metrics; one sync.

        NaN where a metric has no weight, or the loss is not finite. Raises Failed where nothing was
        counted or a target is no class.
        """
        found, means = self._scores(), self._totals()[1]
        values = {"loss": means["loss"], **found.averages, **means}
        if self._selected is not None:
            score, label = self._selected.split("/", 1)
            if label not in self._classes:
                raise Refused(f"evaluation.select={self._selected}: there is no class {label!r}")
            values[self._selected] = float(getattr(found, score)[self._classes.index(label)])
        return values

    def confusion(self) -> Tensor:
        """The confusion matrix, int64 [C, C] on the CPU; rows are true classes, columns guesses."""
        return torch.from_numpy(self._totals()[0].copy())

    def per_class(self, classes: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """One dict a class, in their order: `label`, `precision`, `recall`, `f1`, `support`."""
        found = self._scores()
        return [
            {
                "label": label,
                **{score: float(getattr(found, score)[place]) for score in PER_CLASS},
                "support": int(found.support[place]),
            }
            for place, label in enumerate(classes or self._classes)
        ]

    @property
    def num_samples(self) -> int:
        """How many samples have been counted."""
        return int(self._totals()[0].sum())

    def kept(self) -> Kept:
        """What was kept of every sample; needs `keep=True` and at least one update."""
        if not self._kept:
            raise ValueError("nothing was kept: start the evaluation with keep=True")
        columns = [torch.cat(column).cpu().numpy() for column in zip(*self._kept, strict=True)]
        return Kept(*columns)

    def report(
        self,
        place: Path,
        split: str,
        *,
        indices: Sequence[int] | None = None,
        names: Sequence[str] | None = None,
        picture: Picture | None = None,
    ) -> dict[str, Any]:
        """Write figures and, with `keep`, predictions and mistakes; return `details`."""
        from trainer.evaluation.class_report import write_details, write_figures

        write_figures(place, split, self.confusion().numpy(), self.per_class(), self._classes)
        if self.keeps:
            write_details(
                place,
                split,
                self.kept(),
                self._classes,
                indices=indices,
                names=names,
                picture=picture,
                mistakes=self._mistakes,
            )
        return self.details()

    def details(self) -> dict[str, Any]:
        """The numbers of each class, and the confusion matrix."""
        return {
            "classes": [str(name) for name in self._classes],
            "per_class": self.per_class(),
            "confusion_matrix": self.confusion().tolist(),
        }

    def figure(self, split: str) -> "Figure":
        """The confusion matrix as a figure."""
        from trainer.evaluation import figures

        return figures.confusion_matrix(self.confusion().numpy(), self._classes, split)

    def _scores(self) -> Scores:
        return scores(self._totals()[0])

    def _totals(self) -> tuple[NDArray[np.int64], dict[str, float]]:
        if self._read is None:
            # Sums travel as their bits beside the counts, so that all of it is a single copy.
            packed = torch.cat([self._rows, self._means.bits()]).cpu()
            rows = packed[: len(self._rows)].numpy().reshape(-1, self.num_classes)
            outside = int(rows[0].sum() + rows[-1].sum())
            if outside:
                raise Failed(
                    f"{outside} of {rows.sum()} targets are no class: labels have to be "
                    f"0..{self.num_classes - 1}; look for wrong or ignored labels in the data"
                )
            if not rows.any():
                raise Failed("nothing was evaluated: the split has no samples; see data")
            self._read = rows[1:-1], self._means.values(packed[len(self._rows) :])
        return self._read


def _wrong_outputs(outputs: Tensor, num_classes: int) -> str:
    shape = list(outputs.shape)
    if outputs.ndim == 2:
        return (
            f"the model gives {shape[1]} outputs a sample and the data has {num_classes} classes; "
            "set the model's size with ${info.num_classes}"
        )
    return (
        f"outputs {shape}: evaluation=classification takes logits [batch, {num_classes}], one row "
        "a sample; pool or flatten in the model, or choose another evaluation"
    )


def _wrong_target(target: Tensor, num_samples: int) -> str:
    return (
        f"targets {list(target.shape)} of {target.dtype}: evaluation=classification takes one "
        f"int64 label a sample, here [{num_samples}]; soft or several labels need another one"
    )
