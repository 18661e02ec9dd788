"""How a model is judged that says the next token: perplexity, and how often it is right."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from trainer.errors import Failed, Refused
from trainer.evaluation.own_metrics import metric_problems
from trainer.evaluation.selection import Selection
from trainer.evaluation.sums import Means, Metric, Number, Sum
from trainer.evaluation.writing import Picture, in_order_of, write_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRICS = ("loss", "perplexity", "token_accuracy")
IGNORED = -100
Array = NDArray[np.float64]


class Language(Selection):
    """Tokens judged one by one, each after the true ones before it.

    `perplexity` is exp of the mean negative log-likelihood of a token, whatever the loss is made
    of; `token_accuracy` the share of tokens that are the likeliest one. Targets of -100 don't
    count. `select` is one of METRICS or a name in `metrics`; see `Selection` for it and for
    `direction`, `every`, `patience` and `min_delta`.

    Raises Refused, with every problem at once, for what is out of range.
    """

    problem = "language"
    own: tuple[str, ...] = METRICS

    def __init__(
        self,
        select: str = "perplexity",
        direction: Literal["auto", "max", "min"] = "auto",
        every: int = 1,
        patience: int | None = None,
        min_delta: float = 0.0,
        metrics: Mapping[str, Metric] | None = None,
    ) -> None:
        super().__init__(
            select,
            direction,
            every,
            patience,
            min_delta,
            problems=metric_problems(metrics, self.own),
        )
        self.metrics: dict[str, Metric] = dict(metrics or {})

    def names(self, info: Any = None) -> tuple[str, ...]:
        """Every name that `select` may have."""
        return (*self.own, *self.metrics)

    def start(self, info: Any, device: torch.device | str, *, keep: bool = False) -> "TokenCounts":
        """Begin an evaluation of `info.num_outputs` different tokens."""
        return TokenCounts(
            info.num_outputs, device, keep=keep, metrics=self.metrics, problem=self.problem
        )


class TokenCounts:
    """One evaluation's sums over tokens, on the device; read only at the end.

    With `keep`, three numbers a sample stay on the device too. With `whole`, samples of which each
    token is the likeliest are counted as `exact_match`.
    """

    shown: tuple[str, ...] = METRICS[1:]
    figure_name = "tokens"

    def __init__(
        self,
        num_tokens: int,
        device: torch.device | str,
        *,
        keep: bool = False,
        metrics: Mapping[str, Metric] | None = None,
        problem: str = "language",
        whole: bool = False,
    ) -> None:
        place = torch.device(device)
        self.num_tokens, self.keeps, self.problem, self.whole = num_tokens, keep, problem, whole
        self.num_samples = 0
        # Right tokens, counted tokens, samples that are right as a whole, targets out of range.
        self._counts = torch.zeros(4, dtype=torch.int64, device=place)
        self._likelihood, self._means = Sum(place), Means(place, metrics)
        self._kept: list[Tensor] = []

    @torch.no_grad()
    def update(self, outputs: Tensor, target: Tensor, loss_sum: Number, weight: Number) -> None:
        """Count one batch: logits [B, L, V] and targets int64 [B, L].

        Raises Refused for outputs or targets of another shape.
        """
        fits = outputs.ndim == 3 and outputs.shape[-1] == self.num_tokens
        if not fits or target.shape != outputs.shape[:2] or target.dtype != torch.int64:
            raise Refused(
                f"outputs {list(outputs.shape)} and targets {list(target.shape)} of "
                f"{target.dtype}: evaluation={self.problem} takes logits [batch, length, "
                f"{self.num_tokens}] and int64 targets [batch, length]"
            )
        counted = target.ne(IGNORED)
        outside = counted & (target.lt(0) | target.ge(self.num_tokens))
        known = target.where(counted & ~outside, target.new_full((), IGNORED))
        losses = functional.cross_entropy(
            outputs.transpose(1, 2), known, ignore_index=IGNORED, reduction="none"
        )
        right = outputs.argmax(-1).eq(target) & counted
        each = torch.stack([losses.sum(1), counted.sum(1), right.sum(1)], dim=1)
        whole = right.sum(1).eq(counted.sum(1))
        self._counts += torch.stack([right.sum(), counted.sum(), whole.sum(), outside.sum()])
        self._likelihood.add(losses.sum())
        self._means.add(outputs, target, loss_sum, weight)
        self.num_samples += len(target)
        if self.keeps:
            self._kept.append(each)

    def values(self) -> dict[str, float]:
        """Every metric by name, `loss` first; NaN where no token counts.

        Raises Failed where nothing was evaluated or a target is no token.
        """
        right, tokens, whole, outside = self._counts.tolist()
        if not self.num_samples:
            raise Failed("nothing was evaluated: the split has no samples; see data")
        if outside:
            raise Failed(
                f"{outside} of {tokens} targets are no token: they have to be 0.."
                f"{self.num_tokens - 1}, or {IGNORED} for none; look at the data"
            )
        likelihood = float(self._likelihood.value(self._likelihood.bits()[0].cpu()))
        means = self._means.values()
        values = {
            "loss": means["loss"],
            "perplexity": perplexity(likelihood / tokens) if tokens else math.nan,
            "token_accuracy": right / tokens if tokens else math.nan,
        }
        if self.whole:
            values["exact_match"] = whole / self.num_samples
        return values | means

    def kept(self) -> Array:
        """Negative log-likelihood, tokens and right tokens of every sample, [N, 3]."""
        if not self._kept:
            raise ValueError("nothing was kept: start the evaluation with keep=True")
        return torch.cat(self._kept).cpu().numpy().astype(np.float64)

    def report(
        self,
        place: Path,
        split: str,
        *,
        indices: Sequence[int] | None = None,
        names: Sequence[str] | None = None,
        picture: Picture | None = None,
    ) -> dict[str, Any]:
        """Write, with `keep`, how well each sample is foretold, as a table."""
        del picture  # there is none of a text
        if self._kept:
            kept = self.kept()
            order = in_order_of(indices, len(kept))
            heads = ("index", "input", "tokens", "perplexity", "token_accuracy")
            rows = (
                [
                    order[k],
                    "" if names is None else str(names[order[k]]),
                    int(kept[k, 1]),
                    *(f"{v:.6g}" if kept[k, 1] else "" for v in scores_of(kept[k])),
                ]
                for k in np.argsort(order, kind="stable")
            )
            write_table(place / f"{split}_predictions.csv", heads, rows)
        return {"tokens": int(self._counts[1])}

    def figure(self, split: str) -> "Figure | None":
        """None: a few numbers say it all."""


def perplexity(mean: float) -> float:
    """Exp of a mean negative log-likelihood; infinite where no float can hold it."""
    try:
        return math.exp(mean)
    except OverflowError:
        return math.inf


def scores_of(sample: Array) -> tuple[float, float]:
    """Perplexity and accuracy of one sample with the three numbers that `kept` has."""
    tokens = max(1.0, float(sample[1]))
    return perplexity(float(sample[0]) / tokens), float(sample[2]) / tokens
