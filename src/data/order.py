"""Which samples each batch of each epoch holds: a pure function of (seed, epoch, position)."""

import numpy as np

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
