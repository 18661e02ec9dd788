"""How far an artefact's outputs are from those of the model, counted over many batches."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Parity:
    """Largest differences and equal decisions of one artefact.

    It holds while no output differs by more than `atol`, or by more than `rtol` of the largest
    absolute output, whichever is more. With `decides` the outputs are those of a classifier: a
    decision is the argmax of a row of outputs [B, C], and it may differ where the model's own two
    values are nearer than two such differences.
    """

    def __init__(self, atol: float, rtol: float, *, decides: bool = True) -> None:
        self.atol, self.rtol, self.decides = atol, rtol, decides
        self.largest = 0.0  # absolute difference
        self.probability = 0.0  # largest difference of a probability
        self.scale = 0.0  # largest absolute output of the model
        self.samples = 0
        self.equal = 0
        self.margins: list[NDArray[Any]] = []  # of the model, where the decisions differ
        self.sizes: list[int] = []  # batches that were compared
        self.problem: str | None = None  # what no tolerance could make good

    @property
    def bound(self) -> float:
        """The difference that is tolerated."""
        return max(self.atol, self.rtol * self.scale)

    def add(self, expected: NDArray[Any], found: NDArray[Any]) -> bool:
        """Compare one batch; False where nothing further needs to be compared."""
        if found.shape != expected.shape:
            self.problem = f"it gives {list(found.shape)} where the model gives "
            self.problem += f"{list(expected.shape)}"
            return False
        finite = np.isfinite(expected)
        # An infinite output, of a masked class for one, has to be the same infinity.
        if (
            not np.array_equal(expected[~finite], found[~finite])
            or not np.isfinite(found[finite]).all()
        ):
            bad = int((~np.isfinite(found)).sum())
            self.problem = f"{bad} of its {found.size} outputs are not finite where the model's are"
            return False
        difference = np.abs(found[finite].astype(np.float64) - expected[finite])
        self.largest = max(self.largest, float(difference.max(initial=0)))
        self.scale = max(self.scale, float(np.abs(expected[finite]).max(initial=0)))
        self.samples += len(expected)
        if len(expected) not in self.sizes:
            self.sizes.append(len(expected))
        if self.decides and expected.ndim == 2:
            self._decide(expected, found)
            with np.errstate(invalid="ignore"):  # an infinite logit has no probability
                apart = np.nan_to_num(np.abs(softmax(expected) - softmax(found)))
            self.probability = max(self.probability, float(apart.max(initial=0)))
        return True

    def _decide(self, expected: NDArray[Any], found: NDArray[Any]) -> None:
        rows = np.arange(len(expected))
        own, other = expected.argmax(1), found.argmax(1)
        differs = own != other
        self.equal += int((~differs).sum())
        if differs.any():
            margin = expected[rows, own] - expected[rows, other]
            self.margins.append(margin[differs].astype(np.float64))

    @property
    def slack(self) -> float:
        """What another way to the same outputs may differ by: ten times what was found, or `atol`.

        Of large outputs `rtol` allows more than a probability can show.
        """
        return min(self.bound, max(self.atol, 10 * self.largest))

    @property
    def needed(self) -> float:
        """An `rtol` that would allow the largest difference, rounded up to a power of ten."""
        return 10.0 ** math.ceil(math.log10(max(self.largest / max(self.scale, 1e-30), 1e-30)))

    @property
    def near_ties(self) -> int:
        """Samples that are decided otherwise because the model itself hardly decides."""
        return sum(int((margins <= 2 * self.bound).sum()) for margins in self.margins)

    @property
    def differing(self) -> int:
        """Samples that are decided otherwise, near ties included."""
        return sum(map(len, self.margins))

    def failure(self) -> str | None:
        """Why it doesn't hold, or None."""
        if self.problem is not None:
            return self.problem
        if self.largest > self.bound:
            told = f"an output differs by {self.largest:.2g}, and {self.bound:.2g} is allowed"
            if wrong := self.differing - self.near_ties:
                told += f" ({wrong} of {self.samples} decisions are others)"
            return f"{told}; use another form, or allow more with export.rtol={self.needed:.0e}"
        if wrong := self.differing - self.near_ties:
            return f"{wrong} of {self.samples} decisions are others"
        return None

    def figures(self) -> dict[str, Any]:
        """What the manifest says."""
        decided = self.equal + self.differing
        return {
            "largest_absolute_difference": self.largest,
            "largest_relative_difference": self.largest / self.scale if self.scale else 0.0,
            "largest_probability_difference": self.probability,
            "tolerance": self.bound,
            "equal_decisions": self.equal / decided if decided else None,
            "near_ties": self.near_ties,
            "samples": self.samples,
            "batch_sizes": sorted(self.sizes),
        }


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Probabilities of rows of logits [B, C]."""
    wide = logits.astype(np.float64)
    powers = np.exp(wide - wide.max(axis=1, keepdims=True))
    found: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return found
