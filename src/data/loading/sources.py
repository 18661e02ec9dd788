"""What a loader needs of a dataset, and plain torch datasets brought into that shape."""

import time
import traceback
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.utils.data import TensorDataset, default_collate

from data import keyed
from data.errors import DataError, SampleError
from data.loading.randomness import own_randomness, reseed
from data.splits import Indices

COSTLY_SECONDS = 0.001
PROBED_SAMPLES = 4


@runtime_checkable
class BatchSource(Protocol):
    """A dataset that is read a batch at a time."""

    @property
    def resident_bytes(self) -> int | None:
        """Bytes of all samples as stored, or None where they can't be held ready."""
        ...

    @property
    def is_augmented(self) -> bool:
        """Whether `finish` depends on the epoch."""
        ...

    @property
    def is_costly(self) -> bool:
        """Whether fetching is work that is worth worker processes."""
        ...

    def __len__(self) -> int:
        """Return the number of samples."""
        ...

    def fetch(self, indices: Indices, epoch: int, seed: int) -> Any:
        """Return the samples as a batch on the CPU."""
        ...

    def finish(self, batch: Any, indices: Indices, epoch: int, seed: int) -> Any:
        """Return the batch as the model takes it, on the device it is on; row by row."""
        ...


class StoredTensors:
    """A `TensorDataset`, batched by indexing."""

    is_augmented = False
    is_costly = False

    def __init__(self, dataset: TensorDataset) -> None:
        self._tensors = dataset.tensors
        self.resident_bytes: int | None = sum(tensor.nbytes for tensor in self._tensors)

    def __len__(self) -> int:
        return len(self._tensors[0])

    def fetch(self, indices: Indices, epoch: int, seed: int) -> tuple[Tensor, ...]:
        """Return the rows of each tensor."""
        rows = torch.from_numpy(indices)
        return tuple(tensor.index_select(0, rows) for tensor in self._tensors)

    def finish(self, batch: Any, indices: Indices, epoch: int, seed: int) -> Any:
        """Return the batch as it is."""
        return batch


class PlainDataset:
    """Any map-style dataset whose samples are tuples or dicts, collated as torch does it.

    Args:
        dataset: has `__len__` and `__getitem__`.
        reseeds: seed torch, numpy and random by (seed, epoch, sample) before each sample, so that
            random transforms in it don't depend on workers and batches.
        skips: samples that can't be read are no reason to stop.
    """

    resident_bytes: int | None = None
    is_augmented = True

    def __init__(self, dataset: Any, *, reseeds: bool, skips: bool = False) -> None:
        if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
            raise DataError(
                f"{type(dataset).__name__} has no length or can't be indexed; give a map-style "
                "dataset (__len__ and __getitem__), which can be shuffled and resumed"
            )
        self.dataset, self._reseeds, self._skips = dataset, reseeds, skips

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def is_costly(self) -> bool:
        """Whether each sample takes more than a millisecond, by reading a few.

        The fastest counts: others may have waited for a busy machine.
        """
        times = []
        with own_randomness():
            for index in range(min(PROBED_SAMPLES, len(self))):
                began = time.perf_counter()
                try:
                    self._sample(index)
                except SampleError:
                    if not self._skips:
                        raise
                else:
                    times.append(time.perf_counter() - began)
        return bool(times) and min(times) > COSTLY_SECONDS

    def fetch(self, indices: Indices, epoch: int, seed: int) -> Any:
        """Return the samples, collated; a list of columns as a tuple."""
        stream = keyed.key(seed, keyed.TRANSFORM, epoch)
        if self._reseeds:
            with own_randomness():
                samples = [self._sample(index, stream) for index in indices.tolist()]
        else:
            samples = [self._sample(index) for index in indices.tolist()]
        try:
            batch = default_collate(samples)
        except (TypeError, ValueError, RuntimeError, KeyError) as error:
            if out_of_shared_memory(error):
                raise
            raise SampleError(
                f"samples {shown(indices)} can't be put in one batch ({one_line(error)}); give "
                "all the same shapes and types"
            ) from error
        return tuple(batch) if isinstance(batch, list) else batch

    def finish(self, batch: Any, indices: Indices, epoch: int, seed: int) -> Any:
        """Return the batch as it is."""
        return batch

    def _sample(self, index: int, stream: int | None = None) -> Any:
        if stream is not None:
            reseed(keyed.key(stream, index))
        try:
            return self.dataset[index]
        except SampleError:
            raise
        except Exception as error:
            # A user's dataset may raise anything; which sample it was is what helps.
            raise SampleError(
                f"sample {index} of {type(self.dataset).__name__} failed ({one_line(error)}); "
                "mend or remove the sample, or set loader.on_error=skip"
            ) from error


def as_source(dataset: Any, *, reseeds: bool, skips: bool = False) -> BatchSource:
    """Return the dataset itself if it can be read in batches, otherwise wrapped."""
    if isinstance(dataset, BatchSource):
        return dataset
    if type(dataset) is TensorDataset:
        return StoredTensors(dataset)
    return PlainDataset(dataset, reseeds=reseeds, skips=skips)


def shown(indices: Indices) -> str:
    """Return the first few indices for a message."""
    return ", ".join(map(str, indices[:5].tolist())) + (", ..." if len(indices) > 5 else "")


def one_line(error: BaseException) -> str:
    """Return an exception's kind, message and place in one line."""
    text = f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
    frames = traceback.extract_tb(error.__traceback__)
    return f"{text}, at {frames[-1].filename}:{frames[-1].lineno}" if frames else text


def out_of_shared_memory(error: BaseException) -> bool:
    """Whether a worker could not put tensors where the main process can see them."""
    return isinstance(error, RuntimeError) and "allocate shared memory" in str(error)


def to_device(batch: Any, device: torch.device) -> Any:
    """Move the tensors of a tuple, list or dict to the device; the rest stays."""
    return each_tensor(batch, lambda tensor: tensor.to(device, non_blocking=True))


def each_tensor(batch: Any, act: Callable[[Tensor], Tensor]) -> Any:
    """Replace the tensors of a tuple, list or dict, at any depth; the rest stays."""
    if isinstance(batch, Tensor):
        return act(batch)
    if isinstance(batch, dict):
        return {name: each_tensor(value, act) for name, value in batch.items()}
    if isinstance(batch, tuple | list):
        values = [each_tensor(value, act) for value in batch]
        return type(batch)(*values) if hasattr(batch, "_fields") else type(batch)(values)
    return batch
