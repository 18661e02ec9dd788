"""From the losses of a range test to a learning rate; plain numbers, no torch.

The losses are smoothed over a tenth of the test, and what comes after the divergence is cut off.
Three rules read a rate off the smoothed curve, all between the plateau at its left end and its
minimum:

- `halfway`: where the loss has made half of its fall. This one is chosen.
- `steepest`: where it falls fastest (Smith 2017, arXiv:1506.01186; as fastai's `steep`).
- `minimum/10`: a tenth of the rate at the minimum (fastai's `minimum`).

docs/finding.md has the figures that speak for the first.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
METHOD = "halfway"
FEWEST = 10  # points: fewer say nothing
LEAST_STEPS = 20


@dataclass(frozen=True)
class Suggestion:
    """What a curve says: the rate of each rule, or none where the loss never falls."""

    smooth: Floats
    rates: dict[str, float]

    @property
    def chosen(self) -> float | None:
        """The rate to use, to two digits."""
        return float(f"{self.rates[METHOD]:.1e}") if self.rates else None


def range_problems(low: float, high: float, steps: int) -> list[str]:
    """What is wrong with a range that can't be walked through."""
    problems = []
    if not 0 < low < high < math.inf:
        problems.append(f"the rates go from {low:g} to {high:g}; give --low above 0, below --high")
    if steps < LEAST_STEPS:
        problems.append(f"--steps {steps} are too few to see a curve; give {LEAST_STEPS} or more")
    return problems


def smoothed(losses: Sequence[float], steps: int) -> Floats:
    """The losses as an exponential average over about a tenth of `steps`, bias corrected."""
    beta = max(0.0, 1 - 10 / max(1, steps))
    result, average = [], 0.0
    for number, loss in enumerate(losses, 1):
        average = beta * average + (1 - beta) * loss
        result.append(average / (1 - beta**number))
    return np.array(result)


def diverges(smooth: Floats) -> bool:
    """Whether the last loss has left the best one, and the first, far behind."""
    best, last = float(smooth.min()), float(smooth[-1])
    return not math.isfinite(last) or (last > smooth[0] and last > best + 3 * abs(best))


def suggest(rates: Sequence[float], losses: Sequence[float], steps: int) -> Suggestion:
    """What a test of (at most) `steps` rates says.

    `losses` are finite, one for each rate, measured before the step with that rate.
    """
    smooth = smoothed(losses, steps)
    lowest = int(smooth.argmin())
    window = max(3, len(smooth) // 10)
    start = float(smooth[:window].mean())
    fall = start - float(smooth[lowest])
    if len(losses) < FEWEST or fall <= noise(losses, start):
        return Suggestion(smooth, {})
    begins = last_above(smooth[: lowest + 1], start - 0.1 * fall)
    slope = np.gradient(smooth, np.log10(rates))
    found = {
        "halfway": rates[int((smooth <= start - 0.5 * fall).argmax())],
        "steepest": rates[begins + int(slope[begins : lowest + 1].argmin())],
        "minimum/10": rates[lowest] / 10,
    }
    return Suggestion(smooth, {name: float(rate) for name, rate in found.items()})


def noise(losses: Sequence[float], start: float) -> float:
    """The fall of the smoothed loss that could be chance: two deviations of a single loss.

    The deviation is taken from the differences of neighbours, which a trend hardly moves.
    """
    differences = np.abs(np.diff(np.array(losses[: max(FEWEST, len(losses) // 2)])))
    deviation = float(np.median(differences)) / 0.954  # the median of |a - b| for normal a, b
    return max(2 * deviation, 0.01 * abs(start))


def last_above(values: Floats, level: float) -> int:
    """The last place where the values are at or above a level; 0 where none is."""
    above = np.nonzero(values >= level)[0]
    return int(above[-1]) if len(above) else 0
