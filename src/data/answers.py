"""From a model's outputs to what a user reads: a label, several labels, numbers. No torch."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError


class ClassAnswer:
    """The likeliest class of each output, with its probability and the next ones.

    Args:
        classes: class names, in the order of a model's outputs.
    """

    columns = ("label", "probability", "top_k")

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(map(str, classes))
        self.shape: tuple[int, ...] = (len(self.classes),)

    @property
    def node(self) -> dict[str, Any]:
        """What makes this answer again."""
        return {"_target_": "data.answers.ClassAnswer", "classes": list(self.classes)}

    def of(self, outputs: NDArray[Any], top: int) -> Iterator[dict[str, Any]]:
        """Return a dict for each row of logits [B, C], empty where the row is not finite.

        `top_k` has [label, probability] of the `top` likeliest classes. Of equals the first class
        comes first, as `argmax` has it.
        """
        wide = outputs.astype(np.float64)
        with np.errstate(all="ignore"):  # rows that are not finite are told as such
            powers = np.exp(wide - wide.max(axis=1, keepdims=True))
            probabilities = powers / powers.sum(axis=1, keepdims=True)
        order = np.argsort(-wide, axis=1, kind="stable")[:, :top]
        chosen = np.take_along_axis(probabilities, order, axis=1).tolist()
        finite = np.isfinite(probabilities).all(axis=1).tolist()
        for numbers, values, sound in zip(order.tolist(), chosen, finite, strict=True):
            if not sound:
                yield {}
                continue
            likely = [[self.classes[n], v] for n, v in zip(numbers, values, strict=True)]
            yield {"label": likely[0][0], "probability": likely[0][1], "top_k": likely}


class LabelsAnswer:
    """All labels whose probability reaches a threshold.

    Args:
        classes: label names, in the order of a model's outputs.
        threshold: from which probability on a label is given.

    Raises:
        DataError: a threshold outside 0..1.
    """

    columns = ("labels", "probabilities")

    def __init__(self, classes: Sequence[str], threshold: float = 0.5) -> None:
        if not 0 < threshold < 1:
            raise DataError(f"threshold ({threshold}) of an answer; give a probability in 0..1")
        self.classes, self.threshold = tuple(map(str, classes)), threshold
        self.shape: tuple[int, ...] = (len(self.classes),)

    @property
    def node(self) -> dict[str, Any]:
        """What makes this answer again."""
        return {
            "_target_": "data.answers.LabelsAnswer",
            "classes": list(self.classes),
            "threshold": self.threshold,
        }

    def of(self, outputs: NDArray[Any], top: int) -> Iterator[dict[str, Any]]:
        """Return a dict for each row of logits [B, L], empty where the row is not finite."""
        del top  # all labels that reach the threshold are given
        with np.errstate(over="ignore"):
            probabilities = 1 / (1 + np.exp(-outputs.astype(np.float64)))
        finite = np.isfinite(outputs).all(axis=1).tolist()
        for values, sound in zip(probabilities.tolist(), finite, strict=True):
            if not sound:
                yield {}
                continue
            pairs = dict(zip(self.classes, values, strict=True))
            found = [name for name, value in pairs.items() if value >= self.threshold]
            yield {"labels": found, "probabilities": pairs}


class NumbersAnswer:
    """Numbers in the units that the data has, one column for each target.

    Args:
        targets: what each output is called.
        mean: of each target over the training split.
        std: likewise; an output o stands for o * std + mean.

    Raises:
        DataError: lists of different lengths.
    """

    def __init__(self, targets: Sequence[str], mean: Sequence[float], std: Sequence[float]) -> None:
        if not len(targets) == len(mean) == len(std):
            raise DataError(
                f"targets, mean and std ({len(targets)}, {len(mean)}, {len(std)}) of an answer; "
                "give one of each for each output"
            )
        self.columns = tuple(map(str, targets))
        self.mean, self.std = tuple(mean), tuple(std)
        self.shape: tuple[int, ...] = (len(self.columns),)

    @property
    def node(self) -> dict[str, Any]:
        """What makes this answer again."""
        return {
            "_target_": "data.answers.NumbersAnswer",
            "targets": list(self.columns),
            "mean": list(self.mean),
            "std": list(self.std),
        }

    def of(self, outputs: NDArray[Any], top: int) -> Iterator[dict[str, Any]]:
        """Return a dict for each row of outputs [B, T], empty where the row is not finite."""
        del top  # there is one number for each target
        wide = outputs.astype(np.float64) * np.array(self.std) + np.array(self.mean)
        finite = np.isfinite(wide).all(axis=1).tolist()
        for values, sound in zip(wide.tolist(), finite, strict=True):
            yield dict(zip(self.columns, values, strict=True)) if sound else {}
