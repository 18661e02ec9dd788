"""Millions of names in two arrays instead of as many objects."""

from collections.abc import Iterable, Sequence
from typing import overload

import numpy as np

from data.splits import Indices


class PackedNames(Sequence[str]):
    """Names of samples, "SHARD/KEY", put together when they are asked for.

    Args:
        shards: name of each shard.
        shard: number of each sample's shard, int32 or int64 [N].
        text: the keys' UTF-8 bytes, one after the other.
        ends: where each key ends in it, int64 [N].
        rows: which samples these names are of, int64; None for all.
    """

    def __init__(
        self,
        shards: Sequence[str],
        shard: np.ndarray,
        text: bytes,
        ends: Indices,
        rows: Indices | None = None,
    ) -> None:
        self._shards, self._shard, self._text, self._ends = tuple(shards), shard, text, ends
        self._rows = rows

    def __len__(self) -> int:
        return len(self._ends) if self._rows is None else len(self._rows)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        row = range(len(self))[place] if self._rows is None else int(self._rows[place])
        begin = int(self._ends[row - 1]) if row else 0
        key = self._text[begin : int(self._ends[row])].decode("utf-8", "surrogateescape")
        return f"{self._shards[int(self._shard[row])]}/{key}"

    def of(self, rows: Indices) -> "PackedNames":
        """Return the names of some samples, which share the bytes with these."""
        own = rows if self._rows is None else self._rows[rows]
        return PackedNames(self._shards, self._shard, self._text, self._ends, own)

    @property
    def content(self) -> bytes:
        """The bytes of all keys, for a fingerprint."""
        return self._text


def packed(keys: Iterable[str]) -> tuple[bytes, Indices]:
    """Return the bytes of all keys, and where each of them ends."""
    parts = [key.encode("utf-8", "surrogateescape") for key in keys]
    return b"".join(parts), np.cumsum([len(part) for part in parts], dtype=np.int64)
