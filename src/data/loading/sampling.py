"""Rare classes made as frequent as others: by drawing them more often, or by weighing their loss.

numpy only: class weights are needed before torch is.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data import keyed
from data.errors import DataError
from data.loading.order import Order, through_buffer
from data.splits import Indices

BALANCES = (None, "sampler")


def class_weights(counts: Sequence[int]) -> tuple[float, ...]:
    """Return N / (C * n_c) for each class, scikit-learn's "balanced" weights.

    Every class then has the same weight in sum, and the mean weight of a sample is 1. A class
    without samples gets 0: nothing is there to be weighed.

    Args:
        counts: samples of each class.
    """
    numbers = np.asarray(counts, dtype=np.float64)
    present = numbers > 0
    weights = np.zeros(len(numbers))
    weights[present] = numbers.sum() / (int(present.sum()) * numbers[present])
    return tuple(weights.tolist())


def weights_of(labels: ArrayLike, num_classes: int) -> NDArray[np.float64]:
    """Return the weight by which each sample is drawn so that all classes come equally often.

    Args:
        labels: class of each sample, int64 [N].
        num_classes: how many classes there are.

    Returns:
        N / (C * n_c) of each sample's class, float64 [N]; their mean is 1.
    """
    numbers = np.asarray(labels, dtype=np.int64)
    counts = np.bincount(numbers, minlength=num_classes)
    weights: NDArray[np.float64] = np.asarray(class_weights(counts.tolist()))[numbers]
    return weights


def balanced_weights(dataset: Any) -> NDArray[np.float64]:
    """Return `weights_of` a dataset's own labels.

    Raises:
        DataError: it has no `labels`, or not one class for each sample.
    """
    labels = getattr(dataset, "labels", None)
    if labels is None:
        raise DataError(
            "loader.balance=sampler needs one class of each sample (not numbers, not several "
            f"labels), and {type(dataset).__name__} has no labels; set loader.balance=null, or "
            "give a dataset of your own an attribute `labels` (int64, one for each sample)"
        )
    numbers = np.asarray(labels)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or len(numbers) != len(dataset):
        raise DataError(
            f"loader.balance=sampler needs one class for each of {len(dataset)} samples, and the "
            f"labels are {numbers.dtype} {list(numbers.shape)}; set loader.balance=null and weigh "
            "the loss instead"
        )
    if numbers.min(initial=0) < 0:
        raise DataError(
            f"loader.balance=sampler needs classes from 0 on, and a label is {numbers.min()}; set "
            "loader.balance=null, or mend the labels"
        )
    return weights_of(numbers, int(numbers.max(initial=0)) + 1)


class WeightedOrder(Order):
    """Samples drawn by weight with replacement: an epoch holds as many as before, some twice.

    What torch's WeightedRandomSampler does, but as a pure function of (seed, epoch, position).

    Args:
        weights: of each sample, 0 or more [N]; only their ratios count.
        locality: where each shard begins, and the buffer, for data that is best read as it is
            stored: what was drawn comes in the order of `BufferedOrder`.
        **options: those of `Order`; with `limit_batches` the same samples are drawn
            in every epoch.

    Raises:
        DataError: weights that are no weights, or what `Order` refuses.
    """

    def __init__(
        self, weights: ArrayLike, *, locality: tuple[Indices, int] | None = None, **options: Any
    ) -> None:
        numbers = np.asarray(weights, dtype=np.float64)
        super().__init__(len(numbers), shuffle=True, **options)
        sound = np.isfinite(numbers) & (numbers >= 0)
        if not sound.all():
            place = int(np.flatnonzero(~sound)[0])
            raise DataError(
                f"{int((~sound).sum())} weights of samples are below 0 or not finite (sample "
                f"{place}: {numbers[place]}); give numbers from 0 on"
            )
        if not numbers.sum() > 0:
            raise DataError("all weights of samples are 0; give some samples a weight above 0")
        self._locality = locality
        self._until = np.cumsum(numbers / numbers.sum())
        if self._limited:
            self._pool = self._drawn(0)

    def epoch(self, epoch: int) -> Indices:
        """Return the samples of an epoch in order, int64 [num_samples]."""
        if self._limited:
            return super().epoch(epoch)
        if epoch != self._epoch:
            self._samples = self._drawn(epoch)
            self._epoch = epoch
        return self._samples

    def _drawn(self, epoch: int) -> Indices:
        stream = keyed.key(self._seed, keyed.SAMPLER, epoch)
        drawn = keyed.uniform(stream, np.arange(self.num_samples), 1)[:, 0] * self._until[-1]
        samples: Indices = np.searchsorted(self._until, drawn, side="right").astype(np.int64)
        if self._locality is None:
            return samples
        starts, buffer = self._locality
        stream = keyed.key(self._seed, keyed.SHARDS, epoch)
        return through_buffer(np.sort(samples), np.asarray(starts), buffer, stream)
