"""What a loader needs of a dataset, and plain torch datasets brought into that shape."""

import time
import traceback
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.utils.data import TensorDataset, default_collate

from data import keyed
from data.errors import DataError, SampleError
from data.randomness import own_randomness, reseed
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
    """

    resident_bytes: int | None = None
    is_augmented = True

    def __init__(self, dataset: Any, *, reseeds: bool) -> None:
        if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
            raise DataError(
                f"{type(dataset).__name__} has no length or can't be indexed; give a map-style "
                "dataset (__len__ and __getitem__), which can be shuffled and resumed"
            )
        self._dataset, self._reseeds = dataset, reseeds

    def __len__(self) -> int:
        return len(self._dataset)

    @property
    def is_costly(self) -> bool:
        """Whether a sample takes more than a millisecond, by reading a few."""
        count = min(PROBED_SAMPLES, len(self))
        if count == 0:
            return False
        with own_randomness():
            began = time.perf_counter()
            for index in range(count):
                self._sample(index)
            return time.perf_counter() - began > COSTLY_SECONDS * count

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
            return self._dataset[index]
        except SampleError:
            raise
        except Exception as error:
            # A user's dataset may raise anything; which sample it was is what helps.
            raise SampleError(
                f"sample {index} of {type(self._dataset).__name__} failed ({one_line(error)}); "
                "mend or remove the sample"
            ) from error


def as_source(dataset: Any, *, reseeds: bool) -> BatchSource:
    """Return the dataset itself if it can be read in batches, otherwise wrapped."""
    if isinstance(dataset, BatchSource):
        return dataset
    if type(dataset) is TensorDataset:
        return StoredTensors(dataset)
    return PlainDataset(dataset, reseeds=reseeds)


def read(source: BatchSource, indices: Indices, epoch: int, seed: int, finish: bool) -> Any:
    """Fetch a batch (and finish it on the CPU); whatever fails is a SampleError of one line."""
    try:
        batch = source.fetch(indices, epoch, seed)
        return source.finish(batch, indices, epoch, seed) if finish else batch
    except SampleError:
        raise
    except Exception as error:
        # A user's augmentation or source may raise anything.
        raise SampleError(
            f"reading samples {shown(indices)} of {type(source).__name__} failed "
            f"({one_line(error)}); mend the data or its augmentation"
        ) from error


def shown(indices: Indices) -> str:
    """Return the first few indices for a message."""
    return ", ".join(map(str, indices[:5].tolist())) + (", ..." if len(indices) > 5 else "")


def one_line(error: BaseException) -> str:
    """Return an exception's kind, message and place in one line."""
    text = f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
    frames = traceback.extract_tb(error.__traceback__)
    return f"{text}, at {frames[-1].filename}:{frames[-1].lineno}" if frames else text


def to_device(batch: Any, device: torch.device) -> Any:
    """Move the tensors of a tuple, list or dict to the device; the rest stays."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {name: to_device(value, device) for name, value in batch.items()}
    if isinstance(batch, tuple | list):
        return type(batch)(to_device(value, device) for value in batch)
    return batch
