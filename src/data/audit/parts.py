"""The splits as an audit reads them: which samples, what they are called, and their labels."""

from collections.abc import Callable, Sequence
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from data.errors import SampleError
from data.splits import Indices, Splits

SPLITS = ("train", "validation", "test")
# Samples that are looked at where no limit is given: rows that lie in memory, pictures that do, and
# samples that have to be read and decoded one by one.
READY, PICTURES, TO_BE_READ = 1_000_000, 100_000, 10_000
CHUNK = 4096
MOST_COLUMNS = 2_000
Read = TypeVar("Read")


class Part:
    """One split, or as many of its samples as are looked at.

    Args:
        split: "train", "validation" or "test".
        dataset: map-style dataset of (input, target).
        count: how many samples to look at; which ones depends on their names alone.
    """

    def __init__(self, split: str, dataset: Any, count: int) -> None:
        self.split, self.dataset, self.total = split, dataset, len(dataset)
        self.rows: Indices = np.arange(self.total)
        if count < self.total:
            marks = digests(self.name(row).encode() for row in range(self.total))
            self.rows = np.sort(np.argsort(marks, kind="stable")[:count])

    def __len__(self) -> int:
        return len(self.rows)

    def name(self, row: int) -> str:
        """Return what a sample of the dataset is called."""
        names = getattr(self.dataset, "names", None)
        return str(names[row]) if names is not None else f"{self.split}[{row}]"

    def names(self, places: Any) -> list[str]:
        """Return the names of samples by their places among those that are looked at."""
        return [self.name(int(self.rows[place])) for place in np.asarray(places).ravel()]

    def file(self, row: int, folder: Path | None) -> Path | None:
        """Return the file behind a sample, None where there is none; `folder` is its likely place.

        Files that are decoded on demand know their root, what is kept decoded does not.
        """
        sounds, samples = (getattr(self.dataset, key, None) for key in ("sounds", "samples"))
        if sounds is not None and hasattr(sounds, "path"):
            found = Path(sounds.path(row))
        else:
            root = getattr(samples, "root", folder)
            if root is None:
                return None
            found = Path(root) / self.name(row)
        return found if found.is_file() else None

    @cached_property
    def all_labels(self) -> NDArray[np.int64] | None:
        """Class of each sample of the split [total], where that can be had without reading it."""
        found = getattr(self.dataset, "labels", getattr(self.dataset, "targets", None))
        tensors = getattr(self.dataset, "tensors", None)
        if found is None and isinstance(tensors, tuple) and len(tensors) > 1:
            found = tensors[1]
        try:
            labels = np.asarray(found)
        except (TypeError, ValueError, RuntimeError):
            return None  # something else that is called alike
        if labels.shape != (self.total,) or labels.dtype.kind not in "iu":
            return None
        return labels.astype(np.int64)

    @property
    def labels(self) -> NDArray[np.int64] | None:
        """Class of each sample that is looked at [N], or None."""
        return None if self.all_labels is None else self.all_labels[self.rows]

    @cached_property
    def batch(self) -> tuple[NDArray[Any], NDArray[Any] | None] | None:
        """Inputs [N, ...] and targets [N, ...] as fetched; None where it takes too much room.

        That is where all of them lie in memory, or where inputs are vectors.
        """
        from data.loading.randomness import own_randomness

        source = stored(self.dataset)
        with own_randomness():
            if source is not None:
                return as_arrays([source.fetch(self.rows, 0, 0)])
            return self._vectors()

    def _vectors(self) -> tuple[NDArray[Any], NDArray[Any] | None] | None:
        from data.loading.sources import as_source

        if hasattr(self.dataset, "picture") or not hasattr(self.dataset, "__getitem__"):
            return None  # pictures are large, and read one by one
        source = as_source(self.dataset, reseeds=False)
        chunks = [self.rows[start : start + CHUNK] for start in range(0, len(self), CHUNK)]
        try:
            first = as_arrays([source.fetch(self.rows[:1], 0, 0)])
            if first is None or first[0].ndim != 2 or first[0].shape[1] > MOST_COLUMNS:
                return None
            return as_arrays([source.fetch(rows, 0, 0) for rows in chunks])
        except (SampleError, TypeError, ValueError):
            return None  # they will be read one by one, so that it is told which can't be

    def each(
        self, read: Callable[[int], Read], but: tuple[type[Exception], ...] = (SampleError,)
    ) -> tuple[list[Read | None], dict[int, str]]:
        """Read the samples one by one; also why some can't be, by their places."""
        from data.loading.randomness import own_randomness

        values: list[Read | None] = []
        bad: dict[int, str] = {}
        with own_randomness():
            for place, row in enumerate(self.rows.tolist()):
                try:
                    values.append(read(row))
                except but as error:
                    bad[place] = str(error)
                    values.append(None)
        return values, bad


def as_arrays(batches: Sequence[Any]) -> tuple[NDArray[Any], NDArray[Any] | None] | None:
    """Return inputs and targets of batches that are tuples of tensors; None for others."""
    if not all(isinstance(b, tuple | list) and b and hasattr(b[0], "numpy") for b in batches):
        return None
    inputs = np.concatenate([batch[0].numpy() for batch in batches])
    if not all(len(batch) > 1 and hasattr(batch[1], "numpy") for batch in batches):
        return inputs, None
    return inputs, np.concatenate([batch[1].numpy() for batch in batches])


def stored(dataset: Any) -> Any:
    """Return the dataset as a source of batches where all samples lie in memory, else None."""
    from data.loading.sources import BatchSource, as_source

    tensors = isinstance(getattr(dataset, "tensors", None), tuple)
    if not tensors and not isinstance(dataset, BatchSource):
        return None
    source = as_source(dataset, reseeds=False)
    return None if source.resident_bytes is None else source


def parts_of(splits: Splits[Any], limit: int | None) -> list[Part]:
    """Return the splits that there are, with at most `limit` samples altogether (0: all)."""
    present = [(name, getattr(splits, name)) for name in SPLITS]
    # A stream without a length can't be looked at in parts.
    present = [(n, each) for n, each in present if hasattr(each, "__len__") and len(each)]
    total = sum(len(dataset) for _, dataset in present)
    if limit is None:
        ready = all(stored(dataset) is not None for _, dataset in present)
        pictures = any(hasattr(dataset, "picture") for _, dataset in present)
        limit = TO_BE_READ if not ready else PICTURES if pictures else READY
    share = 1.0 if not limit or total <= limit else limit / total
    return [
        Part(name, dataset, max(1, round(len(dataset) * share)) if share < 1 else len(dataset))
        for name, dataset in present
    ]


def digests(contents: Any) -> NDArray[np.uint64]:
    """Return 64 bits of BLAKE2b for each of some bytes: equal contents have equal ones."""
    joined = b"".join(blake2b(content, digest_size=8).digest() for content in contents)
    return np.frombuffer(joined, dtype="<u8").astype(np.uint64)


def row_digests(values: NDArray[Any]) -> NDArray[np.uint64]:
    """Return a digest for each row of an array [N, ...]."""
    rows = np.ascontiguousarray(values).reshape(len(values), -1)
    if rows.dtype.kind == "f":
        rows = rows + rows.dtype.type(0)  # -0.0 is 0.0
    return digests(row.data for row in rows)


def counted(parts: Sequence[Part]) -> str:
    """Return "1,258 train, 179 validation, 360 test"."""
    return ", ".join(f"{part.total:,} {part.split}" for part in parts)
