"""Several arrays as one, a row after the other, none of them copied."""

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from data.splits import Indices


class Stack:
    """Arrays of samples of one shape, in memory or mapped from .npy files.

    Args:
        parts: [N, ...] each.
    """

    def __init__(self, parts: Sequence[NDArray[Any]]) -> None:
        # A number a row is one feature.
        self._parts = [part[:, None] if part.ndim == 1 else part for part in parts]
        self._offsets = np.cumsum([0, *map(len, self._parts)])
        self.dtype = np.result_type(*(part.dtype for part in self._parts))

    def __len__(self) -> int:
        return int(self._offsets[-1])

    def __getitem__(self, rows: Indices) -> NDArray[Any]:
        """Return some rows, in the order asked for, as an array of their own."""
        if len(self._parts) == 1:
            return np.array(self._parts[0][rows])
        result = np.empty((len(rows), *self.sample_shape), dtype=self.dtype)
        owner = np.searchsorted(self._offsets, rows, side="right") - 1
        for number, part in enumerate(self._parts):
            own = owner == number
            result[own] = part[rows[own] - self._offsets[number]]
        return result

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return tuple(self._parts[0].shape[1:])

    @property
    def nbytes(self) -> int:
        """Bytes of all samples."""
        return sum(part.nbytes for part in self._parts)

    @property
    def is_mapped(self) -> bool:
        """Whether samples lie in files."""
        return any(isinstance(_owner(part), np.memmap) for part in self._parts)

    def __getstate__(self) -> dict[str, Any]:
        """Leave mapped files out: a worker maps them again."""
        files = [_file_of(part) or part for part in self._parts]
        return dict(vars(self)) | {"_parts": files}

    def __setstate__(self, state: dict[str, Any]) -> None:
        parts: list[Any] = []
        for part in state["_parts"]:
            if isinstance(part, str):
                mapped = np.load(part, mmap_mode="r", allow_pickle=False)
                part = mapped[:, None] if mapped.ndim == 1 else mapped
            parts.append(part)
        vars(self).update(state | {"_parts": parts})


class RowNames(Sequence[str]):
    """ "x.npy[17]" for row 17, made when it is asked for."""

    def __init__(self, name: str, rows: Indices) -> None:
        self._name, self._rows = name, rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        """Return one name, or several."""
        if isinstance(index, slice):
            return RowNames(self._name, self._rows[index])
        return f"{self._name}[{self._rows[index]}]"

    def __iter__(self) -> Iterator[str]:
        return (f"{self._name}[{row}]" for row in self._rows.tolist())


def _owner(part: NDArray[Any]) -> Any:
    return part.base if part.base is not None and not isinstance(part, np.memmap) else part


def _file_of(part: NDArray[Any]) -> str | None:
    """Return the .npy file that an array is the whole of, or None."""
    owner = _owner(part)
    name = getattr(owner, "filename", None) if isinstance(owner, np.memmap) else None
    whole = name is not None and owner.size == part.size and str(name).endswith(".npy")
    return str(name) if whole else None
