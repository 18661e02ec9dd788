"""What needs no training loop: three simple models of numbers, beside which a result is read."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.evaluation.baselines import MAX_TEST, MAX_TRAIN, Batch, reservoir

Array = NDArray[Any]


def number_baselines(
    train: Iterable[Batch], test: Iterable[Batch], *, seed: int = 0
) -> dict[str, float | int]:
    """The R2 on `test` of models that were fitted on `train`, averaged over the targets.

    `mean` always says the mean of training; `nearest_neighbour` the numbers of the nearest training
    sample; `ridge` is scikit-learn's linear regression with a small penalty. Both iterables give
    (float input [B, ...], float target [B, T]), not augmented; of many a seeded sample is used.

    Raises Failed where a split is empty or an input is not finite, Refused where the two differ.
    """
    from sklearn.linear_model import Ridge
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.preprocessing import StandardScaler

    inputs, targets = reservoir(train, MAX_TRAIN, seed, "training")
    queries, truth = reservoir(test, MAX_TEST, seed + 1, "test")
    scaler = StandardScaler().fit(inputs)
    near = KNeighborsRegressor(n_neighbors=1, algorithm="brute").fit(inputs, targets)
    ridge = Ridge(alpha=1.0).fit(scaler.transform(inputs), targets)
    guesses = {
        "mean": np.broadcast_to(targets.mean(axis=0), truth.shape),
        "nearest_neighbour": near.predict(queries).reshape(truth.shape),
        "ridge": ridge.predict(scaler.transform(queries)).reshape(truth.shape),
    }
    return {
        **{name: _r2(truth, guess) for name, guess in guesses.items()},
        "num_train": len(targets),
        "num_test": len(truth),
        "num_features": inputs.shape[1],
    }


def _r2(truth: Array, guess: Array) -> float:
    """1 - squared error / spread, averaged over the targets that vary; NaN where none does."""
    error = np.square(truth - guess).sum(axis=0)
    spread = np.square(truth - truth.mean(axis=0)).sum(axis=0)
    varies = spread > 0
    return float(np.mean(1 - error[varies] / spread[varies])) if varies.any() else float("nan")
