"""Datasets as evaluation sees them: one after the other, nothing shuffled."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate

from trainer.cpus import available_cpus
from trainer.errors import Refused
from trainer.trained import Trained

MOST_THREADS = 8


class Joined:
    """Several datasets as one, with `names` and `picture` where all of them have these."""

    def __init__(self, datasets: Sequence[Any]) -> None:
        self.datasets = datasets
        self.ends = np.cumsum([len(dataset) for dataset in datasets])
        # Samples that are read by fivestep's own code can be read in several threads.
        self.in_threads = all(hasattr(dataset, "seen_as") for dataset in datasets)
        if all(hasattr(dataset, "names") for dataset in datasets):
            self.names = [name for dataset in datasets for name in dataset.names]
        if all(hasattr(dataset, "picture") for dataset in datasets):
            self.picture: Callable[[int], Any] = self._picture

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, index: int) -> Any:
        dataset, inner = self._place(index)
        return dataset[inner]

    def _picture(self, index: int) -> Any:
        dataset, inner = self._place(index)
        return dataset.picture(inner)

    def _place(self, index: int) -> tuple[Any, int]:
        number = int(np.searchsorted(self.ends, index, side="right"))
        return self.datasets[number], index - (int(self.ends[number - 1]) if number else 0)


class InOrder:
    """A loader of what a dataset gives, in its own order; each epoch is alike.

    `classes` has the model's number of each class of the data, None where they are the same.
    """

    kind = "in order"
    waited = 0.0
    bad: Sequence[Any] = ()  # what can't be read ends the command

    def __init__(
        self, dataset: Joined, trained: Trained, classes: Sequence[int] | None = None
    ) -> None:
        assert trained.loaders is not None
        self.dataset, self.device = dataset, trained.device
        self.target = getattr(trained.task, "target", 1)
        self.classes = None if classes is None else torch.tensor(classes)
        self.num_samples = len(dataset)
        self.batch_size = trained.loaders.train.batch_size
        self.pool: ThreadPoolExecutor | None = None

    def __len__(self) -> int:
        return -(-self.num_samples // self.batch_size)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Any]:
        """Yield the batches from `start` on, on the device."""
        for number in range(start, len(self)):
            yield self._batch(self._samples(self.indices(epoch, number)))

    def indices(self, epoch: int, batch: int) -> list[int]:
        """Which samples a batch holds."""
        first = batch * self.batch_size
        return list(range(first, min(first + self.batch_size, self.num_samples)))

    def close(self) -> None:
        """End the threads."""
        if self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)

    def _samples(self, indices: Sequence[int]) -> list[Any]:
        if not self.dataset.in_threads:
            return [self.dataset[index] for index in indices]
        if self.pool is None:
            self.pool = ThreadPoolExecutor(min(MOST_THREADS, available_cpus()))
        return list(self.pool.map(self.dataset.__getitem__, indices))

    def _batch(self, samples: Sequence[Any]) -> Any:
        try:
            batch: Any = default_collate(list(samples))
        except (TypeError, RuntimeError) as error:
            told = " ".join(str(error).split())[:300]
            raise Refused(
                f"the samples of the data don't make a batch: {told}; let the dataset give tensors "
                "of one shape"
            ) from error
        if self.classes is not None:
            batch[self.target] = self._known(batch[self.target])
        if isinstance(batch, Mapping):
            return {name: value.to(self.device) for name, value in batch.items()}
        return tuple(value.to(self.device) for value in batch)

    def _known(self, target: Tensor) -> Tensor:
        """The numbers that the model has for them."""
        assert self.classes is not None
        if target.dtype != torch.int64:
            return target
        wrong = target[(target < 0) | (target >= len(self.classes))]
        if len(wrong):
            raise Refused(
                f"label {int(wrong[0])} of the data is no class: labels are 0 to "
                f"{len(self.classes) - 1}; mend the data"
            )
        return self.classes[target]
