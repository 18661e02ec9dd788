"""A batch read from a source, whatever it holds: as a whole, or without its bad samples."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from data.bad_samples import Bad, sound
from data.errors import SampleError
from data.loading.sources import BatchSource, one_line, out_of_shared_memory, shown
from data.splits import Indices


def read(
    source: BatchSource, indices: Indices, epoch: int, seed: int, *, finish: bool, skip: bool
) -> tuple[Any, Sequence[Bad]]:
    """Fetch a batch (and finish it on the CPU); whatever fails is a SampleError of one line.

    With `skip` a sample that can't be fetched is left out; returns the batch of the others, None
    where there are none, and the bad ones. Samples that can't be put together stay an error.
    """
    try:
        return _batch(source, indices, epoch, seed, finish), ()
    except SampleError as error:
        if not skip:
            raise
        failure = error
    # One of them at least is bad, or all together are: each is tried by itself.
    found = [bad for index in indices.tolist() if (bad := _tried(source, index, epoch, seed))]
    if not found:
        raise failure
    rest = sound(indices, found)
    return (_batch(source, rest, epoch, seed, finish) if len(rest) else None), tuple(found)


def finished(source: BatchSource, batch: Any, indices: Indices, epoch: int, seed: int) -> Any:
    """Finish a batch where it lies; whatever fails is a SampleError of one line."""
    try:
        return source.finish(batch, indices, epoch, seed)
    except Exception as error:
        raise _failed(source, indices, error) from error


def _batch(source: BatchSource, indices: Indices, epoch: int, seed: int, finish: bool) -> Any:
    try:
        batch = source.fetch(indices, epoch, seed)
        return source.finish(batch, indices, epoch, seed) if finish else batch
    except SampleError:
        raise
    except Exception as error:
        if out_of_shared_memory(error):
            raise  # the samples are sound
        raise _failed(source, indices, error) from error


def _failed(source: BatchSource, indices: Indices, error: Exception) -> SampleError:
    # A user's augmentation or source may raise anything.
    return SampleError(
        f"reading samples {shown(indices)} of {type(source).__name__} failed "
        f"({one_line(error)}); mend the data or its augmentation"
    )


def _tried(source: BatchSource, index: int, epoch: int, seed: int) -> Bad | None:
    """Fetch one sample alone; what is wrong with it, or None."""
    try:
        _batch(source, np.array([index]), epoch, seed, finish=False)
    except SampleError as error:
        return Bad(index, _name(source, index), " ".join(str(error).split()))
    return None


def _name(source: BatchSource, index: int) -> str:
    """Return what the dataset calls a sample."""
    dataset: Any = getattr(source, "dataset", source)
    try:
        return str(dataset.names[index])
    except (AttributeError, TypeError, LookupError):
        return f"{type(dataset).__name__}[{index}]"
