"""Which samples each batch of each epoch holds: a pure function of (seed, epoch, position)."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from data import keyed
from data.errors import DataError
from data.splits import Indices


class Order:
    """The order of samples and their division into batches.

    Args:
        count: samples of the dataset.
        batch_size: samples of a batch; the last of an epoch may be smaller.
        shuffle: a new order each epoch, otherwise 0, 1, 2, ...
        seed: what the orders are keyed by.
        drop_last: leave out a smaller last batch.
        limit_batches: at most so many batches an epoch, of the same samples in every epoch.

    Raises:
        DataError: no samples, no batches, or a number out of range.
    """

    def __init__(
        self,
        count: int,
        *,
        batch_size: int,
        shuffle: bool,
        seed: int,
        drop_last: bool = False,
        limit_batches: int | None = None,
    ) -> None:
        problems = []
        if batch_size < 1:
            problems.append(f"batch_size ({batch_size}) in loader.batch_size; give 1 or more")
        if limit_batches is not None and limit_batches < 1:
            problems.append(
                f"limit_batches ({limit_batches}) in loader.limit_batches; give 1 or more, or null"
            )
        if count == 0:
            problems.append("the dataset is empty (0 samples); check the data's path and fractions")
        if drop_last and 0 < count < batch_size:
            problems.append(
                f"drop_last with batch_size {batch_size} > {count} samples leaves 0 batches; set "
                f"loader.drop_last=false or loader.batch_size to {count} or less"
            )
        if problems:
            raise DataError(*problems)
        self.batch_size, self.shuffle = batch_size, shuffle
        self._seed = seed
        whole = count // batch_size if drop_last else -(-count // batch_size)
        self.num_batches = whole if limit_batches is None else min(whole, limit_batches)
        self.num_samples = min(count, self.num_batches * batch_size)
        self._epoch = -1
        # Without drop_last and a limit this is everything. What drop_last leaves out changes each
        # epoch; what a limit leaves out doesn't: one batch over and over has to be the same one.
        self._limited = limit_batches is not None
        self._pool = np.arange(count)
        if self._limited and shuffle:
            first = keyed.permutation(keyed.key(seed, keyed.ORDER, 0), count)
            self._pool = first[: self.num_samples]
        self._samples = self._pool

    def epoch(self, epoch: int) -> Indices:
        """Return the samples of an epoch in order, int64 [num_samples]."""
        if self.shuffle and epoch != self._epoch:
            stream = keyed.key(self._seed, keyed.ORDER, epoch)
            shuffled = keyed.permutation(stream, len(self._pool))
            # Indexing would copy; the whole set in its own order is the permutation itself.
            self._samples = self._pool[shuffled] if self._limited else shuffled
            self._epoch = epoch
        return self._samples[: self.num_samples]

    def batch(self, epoch: int, batch: int) -> Indices:
        """Return the samples of one batch, int64."""
        if not 0 <= batch < self.num_batches:
            raise IndexError(f"batch {batch} of {self.num_batches}")
        return self.epoch(epoch)[batch * self.batch_size : (batch + 1) * self.batch_size]

    def members(self, epoch: int, batch: int) -> list[int]:
        """Return the samples of one batch as plain numbers."""
        samples: list[int] = self.batch(epoch, batch).tolist()
        return samples


class BufferedOrder(Order):
    """An order for data that is best read as it is stored: shards, and samples within a window.

    In each epoch the shards come in a new order, one after the other, and each sample moves on by
    less than `buffer` places, as through a shuffle buffer: what comes next is always among the
    next `buffer` samples of the shards. A pure function of (seed, epoch), like any other order.

    Args:
        count: samples of the dataset, shard after shard.
        starts: where each shard begins, ascending from 0.
        buffer: samples that are mixed; 1 keeps the order within shards.
        **options: those of `Order`; with `limit_batches` the samples are the first of epoch 0.

    Raises:
        DataError: what `Order` refuses, or a buffer below 1.
    """

    def __init__(self, count: int, *, starts: ArrayLike, buffer: int, **options: Any) -> None:
        super().__init__(count, shuffle=True, **options)
        if buffer < 1:
            raise DataError(f"buffer ({buffer}) in data.buffer; give a number of samples, from 1")
        self._starts = np.asarray(starts, dtype=np.int64)
        self._buffer = buffer
        if self._limited:
            # These few are mixed as a whole: they are in any window.
            self._pool = self._streamed(0, count)[: self.num_samples]

    def epoch(self, epoch: int) -> Indices:
        """Return the samples of an epoch in order, int64 [num_samples]."""
        if self._limited:
            return super().epoch(epoch)
        if epoch != self._epoch:
            self._samples = self._streamed(epoch, len(self._pool))
            self._epoch = epoch
        return self._samples[: self.num_samples]

    def _streamed(self, epoch: int, count: int) -> Indices:
        stream = keyed.key(self._seed, keyed.SHARDS, epoch)
        return through_buffer(np.arange(count), self._starts, self._buffer, stream)


def through_buffer(samples: Indices, starts: Indices, buffer: int, stream: int) -> Indices:
    """Return samples shard by shard, shards in a new order, each delayed by less than `buffer`.

    Args:
        samples: ascending; one may come several times.
        starts: the first sample of each shard, ascending from 0.
        buffer: places by which a sample may be delayed.
        stream: what the order is a function of.
    """
    order = keyed.permutation(stream, len(starts))
    bounds = np.searchsorted(samples, starts)
    sizes = np.diff(bounds, append=len(samples))[order]
    places = np.arange(len(samples))
    shard_by_shard = np.repeat(bounds[order] - (np.cumsum(sizes) - sizes), sizes) + places
    delay = keyed.uniform(keyed.key(stream, 1), places, 1)[:, 0] * buffer
    result: Indices = samples[shard_by_shard[np.argsort(places + delay, kind="stable")]]
    return result
