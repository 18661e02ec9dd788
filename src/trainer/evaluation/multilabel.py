"""How a model is judged that gives each sample any number of labels."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.errors import Failed, Refused
from trainer.evaluation.own_metrics import metric_problems
from trainer.evaluation.selection import Selection
from trainer.evaluation.sums import Means, Metric, Number
from trainer.evaluation.writing import Picture, in_order_of, write_figure, write_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRICS = (
    "loss",
    "f1",
    "precision",
    "recall",
    "micro_f1",
    "exact_match",
    "hamming_loss",
)
PER_LABEL = ("precision", "recall", "f1")


class MultiLabel(Selection):
    """Labels judged one by one: scores of each label, their macro averages, exact matches.

    A label is predicted where its probability (the sigmoid of its output) is above `threshold`.
    `select` is one of METRICS, a name in `metrics`, or a score of one label such as `f1/rain`; see
    `Selection` for it and for `direction`, `every`, `patience` and `min_delta`.

    Raises Refused, with every problem at once, for what is out of range.
    """

    problem = "multilabel"

    def __init__(
        self,
        select: str = "f1",
        direction: Literal["auto", "max", "min"] = "auto",
        every: int = 1,
        patience: int | None = None,
        min_delta: float = 0.0,
        threshold: float = 0.5,
        metrics: Mapping[str, Metric] | None = None,
    ) -> None:
        problems = metric_problems(metrics, METRICS)
        if not 0 < threshold < 1:
            problems.append(f"evaluation.threshold={threshold}: give a probability in 0..1")
        super().__init__(select, direction, every, patience, min_delta, problems=problems)
        self.threshold = threshold
        self.metrics: dict[str, Metric] = dict(metrics or {})

    def names(self, info: Any = None) -> tuple[str, ...]:
        """Every name that `select` may have, given what the data says of itself."""
        labels = getattr(info, "classes", ())
        single = (f"{score}/{label}" for label in labels for score in PER_LABEL)
        return (*METRICS, *self.metrics, *single)

    def start(self, info: Any, device: torch.device | str, *, keep: bool = False) -> "LabelCounts":
        """Begin an evaluation of the labels `info.classes`."""
        selected = "/" in self.select and self.select not in self.metrics
        return LabelCounts(
            [str(label) for label in info.classes],
            device,
            threshold=self.threshold,
            keep=keep,
            metrics=self.metrics,
            selected=self.select if selected else None,
        )


class LabelCounts:
    """One evaluation's counts of each label, on the device; nothing is waited for before the end.

    Scores equal scikit-learn's with `zero_division=0`.
    """

    shown = ("f1", "precision", "recall", "exact_match")
    figure_name = "per_label"

    def __init__(
        self,
        labels: Sequence[str],
        device: torch.device | str,
        *,
        threshold: float = 0.5,
        keep: bool = False,
        metrics: Mapping[str, Metric] | None = None,
        selected: str | None = None,
    ) -> None:
        self.labels, self.keeps = list(labels), keep
        # The logit of the threshold: sigmoid(x) > t where x > log(t / (1 - t)).
        self._cut = float(np.log(threshold / (1 - threshold)))
        # Rows: right, predicted, present; a float64 count is exact to 2**53, float32 to 2**24.
        self._counts = torch.zeros((3, len(labels)), dtype=torch.int64, device=device)
        self._whole = torch.zeros(3, dtype=torch.int64, device=device)  # samples, exact, odd
        self._means, self._selected = Means(self._counts.device, metrics), selected
        self._kept: list[tuple[Tensor, Tensor]] = []

    @torch.no_grad()
    def update(self, outputs: Tensor, target: Tensor, loss_sum: Number, weight: Number) -> None:
        """Count one batch: logits [B, L], targets [B, L] of 0 and 1.

        Raises Refused for outputs or targets of another shape.
        """
        wanted = (len(outputs), len(self.labels))
        if tuple(outputs.shape) != wanted or tuple(target.shape) != wanted:
            raise Refused(
                f"outputs {list(outputs.shape)} and targets {list(target.shape)}: "
                f"evaluation=multilabel takes [batch, {len(self.labels)}] of both, a column for "
                "each label"
            )
        predicted, present = outputs > self._cut, target > 0.5
        right = predicted & present
        self._counts += torch.stack([part.sum(0) for part in (right, predicted, present)])
        odd = ((target != 0) & (target != 1)).any(1).sum()
        exact = (predicted == present).all(1).sum()
        self._whole += torch.stack([odd.new_full((), len(outputs)), exact, odd])
        self._means.add(outputs, target, loss_sum, weight)
        if self.keeps:
            self._kept.append((outputs.float().sigmoid(), present))

    def values(self) -> dict[str, float]:
        """Every metric by name, `loss` first; raises Failed where nothing, or odd, was counted."""
        scores, samples = self._scores(), self.num_samples
        right, predicted, present = self._counts.cpu().numpy().astype(np.float64)
        wrong = float((predicted + present - 2 * right).sum())
        means = self._means.values()
        values = {
            "loss": means["loss"],
            **{name: float(np.mean(scores[name])) for name in ("f1", "precision", "recall")},
            "micro_f1": float(2 * right.sum() / max(1.0, (predicted + present).sum())),
            "exact_match": int(self._whole[1]) / samples,
            "hamming_loss": wrong / (samples * len(self.labels)),
            **means,
        }
        if self._selected is not None:
            score, label = self._selected.split("/", 1)
            if label not in self.labels:
                raise Refused(f"evaluation.select={self._selected}: there is no label {label!r}")
            values[self._selected] = float(scores[score][self.labels.index(label)])
        return values

    @property
    def num_samples(self) -> int:
        """How many samples have been counted."""
        return int(self._whole[0])

    def details(self) -> dict[str, Any]:
        """The scores of each label."""
        scores, present = self._scores(), self._counts[2].tolist()
        return {
            "classes": self.labels,
            "per_class": [
                {
                    "label": label,
                    **{score: float(scores[score][place]) for score in PER_LABEL},
                    "support": present[place],
                }
                for place, label in enumerate(self.labels)
            ],
        }

    def report(
        self,
        place: Path,
        split: str,
        *,
        indices: Sequence[int] | None = None,
        names: Sequence[str] | None = None,
        picture: Picture | None = None,
    ) -> dict[str, Any]:
        """Write the scores of the labels as a figure and, with `keep`, what was predicted."""
        del picture  # labels are told in the table
        write_figure(place / f"{split}_per_class.png", self.figure(split))
        if self._kept:
            probabilities, present = (
                torch.cat(column).cpu().numpy() for column in zip(*self._kept, strict=True)
            )
            order = in_order_of(indices, len(present))
            columns = ("index", "input", "labels", "prediction", *self.labels)
            rows = (
                self._row(order[k], names, probabilities[k], present[k])
                for k in np.argsort(order, kind="stable")
            )
            write_table(place / f"{split}_predictions.csv", columns, rows)
        return self.details()

    def figure(self, split: str) -> "Figure":
        """Precision, recall and F1 of each label."""
        from trainer.evaluation import figures

        return figures.per_class_bars(self.details()["per_class"], split)

    def _row(
        self,
        index: int,
        names: Sequence[str] | None,
        probabilities: NDArray[np.float32],
        present: NDArray[np.bool_],
    ) -> list[Any]:
        cut = 1 / (1 + np.exp(-self._cut))
        said = probabilities > cut
        both = ("|".join(np.array(self.labels)[which]) for which in (present, said))
        name = "" if names is None else str(names[index])
        return [index, name, *both, *(f"{value:.6f}" for value in probabilities)]

    def _scores(self) -> dict[str, NDArray[np.float64]]:
        samples, _, odd = self._whole.tolist()
        if odd:
            raise Failed(
                f"{odd} of {samples} targets hold more than 0 and 1; a label is there (1) or not "
                "(0): mend the data"
            )
        if not samples:
            raise Failed("nothing was evaluated: the split has no samples; see data")
        right, predicted, present = self._counts.cpu().numpy().astype(np.float64)
        parts = {
            "precision": (right, predicted),
            "recall": (right, present),
            "f1": (2 * right, predicted + present),
        }
        return {
            name: np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
            for name, (part, whole) in parts.items()
        }
