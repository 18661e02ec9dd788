"""How a model is judged that gives numbers: errors in the units that the data has."""

from collections.abc import Iterable, Mapping, Sequence
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

METRICS = ("loss", "rmse", "mae", "r2")
Array = NDArray[np.float64]


class Regression(Selection):
    """Numbers judged by their errors: RMSE, MAE and R2, averaged over the targets.

    Errors are in the units of the data, `info.target_mean` and `info.target_std` undone.
    `select` is one of METRICS, a name in `metrics`, or an error of one target such as `mae/price`;
    see `Selection` for it and for `direction`, `every`, `patience` and `min_delta`. With
    `baselines` the test result stands beside three simple models.

    Raises Refused, with every problem at once, for what is out of range.
    """

    problem = "regression"

    def __init__(
        self,
        select: str = "rmse",
        direction: Literal["auto", "max", "min"] = "auto",
        every: int = 1,
        patience: int | None = None,
        min_delta: float = 0.0,
        baselines: bool = True,
        metrics: Mapping[str, Metric] | None = None,
    ) -> None:
        problems = metric_problems(metrics, METRICS)
        super().__init__(select, direction, every, patience, min_delta, problems=problems)
        self.baselines = baselines
        self.metrics: dict[str, Metric] = dict(metrics or {})

    def names(self, info: Any = None) -> tuple[str, ...]:
        """Every name that `select` may have, given what the data says of itself."""
        targets = getattr(info, "targets", ())
        single = (f"{score}/{target}" for target in targets for score in METRICS[1:])
        return (*METRICS, *self.metrics, *single)

    def start(self, info: Any, device: torch.device | str, *, keep: bool = False) -> "Errors":
        """Begin an evaluation of the targets `info.targets`."""
        selected = "/" in self.select and self.select not in self.metrics
        targets = [str(name) for name in info.targets]
        return Errors(
            targets,
            device,
            mean=list(getattr(info, "target_mean", ())) or [0.0] * len(targets),
            std=list(getattr(info, "target_std", ())) or [1.0] * len(targets),
            keep=keep,
            metrics=self.metrics,
            selected=self.select if selected else None,
        )

    def beside(self, train: Iterable[Any], test: Iterable[Any], seed: int) -> dict[str, Any]:
        """The R2 of simple models on the same split, see `number_baselines`."""
        from trainer.evaluation.number_baselines import number_baselines

        return number_baselines(train, test, seed=seed)


class Errors:
    """One evaluation's sums of errors of each target, on the device; read only at the end.

    Batches hold standardised targets (value - mean) / std; errors are told times std. They equal
    scikit-learn's, averaged uniformly over the targets.
    """

    shown = ("rmse", "mae", "r2")
    figure_name = "predicted_and_true"

    def __init__(
        self,
        targets: Sequence[str],
        device: torch.device | str,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        keep: bool = False,
        metrics: Mapping[str, Metric] | None = None,
        selected: str | None = None,
    ) -> None:
        self.targets, self.keeps = list(targets), keep
        self.mean, self.std = np.array(mean, np.float64), np.array(std, np.float64)
        place = torch.device(device)
        dtype = torch.float32 if place.type == "mps" else torch.float64
        # Rows: squared error, absolute error, target, squared target.
        self._sums = torch.zeros((4, len(targets)), dtype=dtype, device=place)
        self._number = 0
        self._means, self._selected = Means(place, metrics), selected
        self._kept: list[tuple[Tensor, Tensor]] = []

    @torch.no_grad()
    def update(self, outputs: Tensor, target: Tensor, loss_sum: Number, weight: Number) -> None:
        """Count one batch: outputs and standardised targets, both float [B, T].

        Raises Refused for outputs or targets of another shape.
        """
        wanted = (len(outputs), len(self.targets))
        if tuple(outputs.shape) != wanted or tuple(target.shape) != wanted:
            raise Refused(
                f"outputs {list(outputs.shape)} and targets {list(target.shape)}: "
                f"evaluation=regression takes [batch, {len(self.targets)}] of both, a column for "
                "each target"
            )
        truth = target.to(self._sums.dtype)
        error = outputs.to(self._sums.dtype) - truth
        parts = (error.square(), error.abs(), truth, truth.square())
        self._sums += torch.stack([part.sum(0) for part in parts])
        self._number += len(outputs)
        self._means.add(outputs, target, loss_sum, weight)
        if self.keeps:
            self._kept.append((outputs.float(), target.float()))

    def values(self) -> dict[str, float]:
        """Every metric by name, `loss` first; R2 is NaN where the targets don't vary."""
        found = self._scores()
        means = self._means.values()
        averages = {name: float(np.mean(found[name])) for name in METRICS[1:]}
        values = {"loss": means["loss"], **averages, **means}
        if self._selected is not None:
            score, target = self._selected.split("/", 1)
            if target not in self.targets:
                raise Refused(f"evaluation.select={self._selected}: there is no target {target!r}")
            values[self._selected] = float(found[score][self.targets.index(target)])
        return values

    @property
    def num_samples(self) -> int:
        """How many samples have been counted."""
        return self._number

    def details(self) -> dict[str, Any]:
        """The errors of each target, and what its values are on average."""
        found, sums = self._scores(), self._sums.cpu().numpy().astype(np.float64)
        means = sums[2] / self._number * self.std + self.mean
        return {
            "targets": self.targets,
            "per_target": [
                {
                    "target": name,
                    **{score: float(found[score][place]) for score in METRICS[1:]},
                    "mean": float(means[place]),
                }
                for place, name in enumerate(self.targets)
            ],
        }

    def kept(self) -> tuple[Array, Array]:
        """Outputs and targets of every sample [N, T], in the units of the data."""
        if not self._kept:
            raise ValueError("nothing was kept: start the evaluation with keep=True")
        columns = (torch.cat(column).cpu().numpy() for column in zip(*self._kept, strict=True))
        outputs, truth = (column.astype(np.float64) * self.std + self.mean for column in columns)
        return outputs, truth

    def report(
        self,
        place: Path,
        split: str,
        *,
        indices: Sequence[int] | None = None,
        names: Sequence[str] | None = None,
        picture: Picture | None = None,
    ) -> dict[str, Any]:
        """Write, with `keep`, what was predicted as a table and as a figure."""
        del picture  # numbers are told in the table
        if self._kept:
            outputs, truth = self.kept()
            order = in_order_of(indices, len(truth))
            heads = [f"{kind}{name}" for name in self.targets for kind in ("", "predicted_")]
            rows = (
                [
                    order[k],
                    "" if names is None else str(names[order[k]]),
                    *(f"{v:.9g}" for both in zip(truth[k], outputs[k], strict=True) for v in both),
                ]
                for k in np.argsort(order, kind="stable")
            )
            write_table(place / f"{split}_predictions.csv", ("index", "input", *heads), rows)
            if (drawn := self.figure(split)) is not None:
                write_figure(place / f"{split}_predicted_and_true.png", drawn)
        return self.details()

    def figure(self, split: str) -> "Figure | None":
        """What was predicted against what is true; None where no samples were kept."""
        if not self._kept:
            return None
        from trainer.evaluation.number_figures import predicted_and_true

        outputs, truth = self.kept()
        return predicted_and_true(outputs, truth, self.targets, self.details()["per_target"], split)

    def _scores(self) -> dict[str, Array]:
        if not self._number:
            raise Failed("nothing was evaluated: the split has no samples; see data")
        squares, absolute, total, powers = self._sums.cpu().numpy().astype(np.float64)
        spread = powers - total**2 / self._number
        # What is left of equal numbers is rounding, not spread.
        varies = spread > 1e-12 * np.maximum(powers, 1e-30)
        with np.errstate(divide="ignore", invalid="ignore"):
            r2 = np.where(varies, 1 - squares / spread, np.nan)
        return {
            "rmse": np.sqrt(squares / self._number) * self.std,
            "mae": absolute / self._number * self.std,
            "r2": r2,
        }
