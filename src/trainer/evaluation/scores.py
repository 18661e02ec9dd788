"""Precision, recall, F1 and accuracy from a confusion matrix, in float64 on the CPU."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """The scores of every class and their averages; equal to scikit-learn's to 1e-12.

    Averages are macro averages over all C classes (`labels=range(C)`), with 0 where a score is not
    defined (`zero_division=0`); `balanced_accuracy` is the mean recall of the classes that occur in
    the targets, as scikit-learn has it. All arrays are [C].
    """

    support: NDArray[np.int64]
    precision: Floats
    recall: Floats
    f1: Floats
    accuracy: float

    @property
    def averages(self) -> dict[str, float]:
        """Accuracy, macro precision, recall and F1, and balanced accuracy, by name."""
        return {
            "accuracy": self.accuracy,
            "precision": float(self.precision.mean()),
            "recall": float(self.recall.mean()),
            "f1": float(self.f1.mean()),
            "balanced_accuracy": float(self.recall[self.support > 0].mean()),
        }


def scores(matrix: NDArray[np.int64]) -> Scores:
    """Score a confusion matrix [C, C] (rows: true class, columns: prediction) of >= 1 sample."""
    right = matrix.diagonal()
    support = matrix.sum(axis=1)
    predicted = matrix.sum(axis=0)
    return Scores(
        support=support,
        precision=_ratio(right, predicted),
        recall=_ratio(right, support),
        f1=_ratio(2 * right, support + predicted),
        accuracy=float(right.sum() / matrix.sum()),
    )


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> Floats:
    result = np.zeros(len(part), dtype=np.float64)
    np.divide(part, whole, out=result, where=whole > 0)
    return result
