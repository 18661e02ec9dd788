"""What an evaluation keeps of every sample of a classification."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Kept:
    """What was kept of every sample, in the order of evaluation; arrays [N] on the CPU."""

    target: NDArray[np.int64]
    prediction: NDArray[np.int64]
    probability: NDArray[np.float32]  # that the model gave to its prediction
    probability_of_target: NDArray[np.float32]
