"""What needs no training loop: three baselines on the raw input, beside which a result is read."""

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.errors import Failed, Refused

MAX_TRAIN = 5_000
MAX_TEST = 2_000
# Pictures are averaged down to this side: 3 x 32 x 32 is what 5,000 samples cost seconds at.
MAX_SIDE = 32
# Of other inputs with many features, fewer samples are used, so that memory stays at 80 MB.
MAX_VALUES = MAX_TRAIN * 4_096
# Ids of tokens are counted in so many; rarer ones share theirs.
BUCKETS = 2_048

Batch = tuple[Tensor, Tensor]
Array = NDArray[Any]


def draw(num_samples: int, cap: int, seed: int) -> list[int]:
    """Which samples to hand over where reading all of them is slow: at most `cap`, ascending."""
    if num_samples <= cap:
        return list(range(num_samples))
    chosen = np.random.default_rng(seed).choice(num_samples, size=cap, replace=False)
    return [int(index) for index in np.sort(chosen)]


def baselines(
    train: Iterable[Batch],
    test: Iterable[Batch],
    *,
    seed: int = 0,
    max_train: int = MAX_TRAIN,
    max_test: int = MAX_TEST,
) -> dict[str, float | int]:
    """The accuracy on `test` of three classifiers that were fitted on `train`.

    `majority_class` always says the commonest label; `nearest_neighbour` the label of the nearest
    training sample (Euclidean); `logistic_regression` is scikit-learn's on standardised features.
    Both iterables give (float input [B, ...], int64 target [B]), on any device, not augmented.
    Beyond the caps a seeded sample is drawn as the batches pass; `num_train` and `num_test` say how
    many were used, `num_features` how long an input was (pictures are averaged down to 32 x 32).

    Raises Failed where a split is empty or an input is not finite, Refused where the two differ.
    """
    inputs, labels = reservoir(train, max_train, seed, "training")
    queries, truth = reservoir(test, max_test, seed + 1, "test")
    if inputs.shape[1] != queries.shape[1]:
        raise Refused(
            f"training inputs have {inputs.shape[1]} values and test inputs {queries.shape[1]}; "
            "baselines need one size, or evaluation.baselines=false"
        )
    majority = int(np.bincount(labels).argmax())
    return {
        "majority_class": float(np.mean(truth == majority)),
        "nearest_neighbour": _nearest_neighbour(inputs, labels, queries, truth),
        "logistic_regression": _logistic_regression(inputs, labels, queries, truth),
        "num_train": len(labels),
        "num_test": len(truth),
        "num_features": inputs.shape[1],
    }


def _nearest_neighbour(inputs: Array, labels: Array, queries: Array, truth: Array) -> float:
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(n_neighbors=1, algorithm="brute").fit(inputs, labels)
    return float(np.mean(model.predict(queries) == truth))


def _logistic_regression(inputs: Array, labels: Array, queries: Array, truth: Array) -> float:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    if len(np.unique(labels)) == 1:  # scikit-learn refuses to fit what has only one answer
        return float(np.mean(truth == labels[0]))
    scaler = StandardScaler().fit(inputs)
    # On digits and on 5,000 x 3,072 these settings converge in 15 to 30 steps, at the accuracy of
    # the full convergence; where they don't in 300, the result of 300 steps is as good a baseline.
    model = LogisticRegression(C=0.1, tol=1e-3, max_iter=300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(scaler.transform(inputs), labels)
    return float(np.mean(model.predict(scaler.transform(queries)) == truth))


def reservoir(batches: Iterable[Batch], cap: int, seed: int, split: str) -> tuple[Array, Array]:
    """A uniform sample of at most `cap` rows of a stream of unknown length (Vitter's algorithm R).

    With no more than `cap` rows, all of them in their order. Targets are int64 [N] or float [N, T].
    """
    generator = np.random.default_rng(seed)
    rows: Array | None = None
    labels: Array = np.empty(0, dtype=np.int64)
    seen = 0
    for inputs, target in batches:
        flat = _features(inputs)
        if rows is None:
            cap = max(1, min(cap, MAX_VALUES // max(1, flat.shape[1])))
            rows = np.empty((cap, flat.shape[1]), np.float32)
            kind = np.float64 if target.is_floating_point() else np.int64
            labels = np.empty((cap, *target.shape[1:]), kind)
        if flat.shape[1] != rows.shape[1]:
            raise Refused(
                f"{split} inputs of {rows.shape[1]} and of {flat.shape[1]} values; baselines need "
                "one size, or evaluation.baselines=false"
            )
        positions = np.arange(seen, seen + len(flat))
        slots = np.where(positions < cap, positions, generator.integers(0, positions + 1))
        # Of two rows for one slot the later wins, as if they had come one by one.
        last = {int(slot): row for row, slot in enumerate(slots) if slot < cap}
        chosen = torch.tensor(list(last.values()), dtype=torch.int64, device=flat.device)
        where = np.fromiter(last, dtype=np.int64, count=len(last))
        rows[where] = flat[chosen].cpu().numpy()
        labels[where] = target[chosen.to(target.device)].cpu().numpy()
        seen += len(flat)
    if rows is None or seen == 0:
        raise Failed(f"no baseline: the {split} split has no samples; see data")
    rows, labels = rows[:seen], labels[:seen]
    if not np.isfinite(rows).all():
        raise Failed(f"no baseline: a {split} input is not finite; clean the data first")
    return rows, labels


def _features(inputs: Tensor) -> Tensor:
    if inputs.dtype == torch.int64 and inputs.ndim == 2:
        # Ids of tokens: how often each comes says something, its number at a place doesn't.
        counts = torch.zeros((len(inputs), BUCKETS), device=inputs.device)
        counts.scatter_add_(1, inputs.remainder(BUCKETS), torch.ones_like(inputs).float())
        counts[:, 0] = 0.0  # padding
        return counts
    flat = inputs.detach().float()
    if flat.ndim == 4 and max(flat.shape[2:]) > MAX_SIDE:
        size = [min(side, MAX_SIDE) for side in flat.shape[2:]]
        flat = torch.nn.functional.interpolate(flat, size=size, mode="area")
    return flat.flatten(1) if flat.ndim > 1 else flat.reshape(-1, 1)
