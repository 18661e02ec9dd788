"""What two processes tell each other over pipes: a line of JSON, then the bytes of its arrays.

numpy and nothing else, so that the process with onnxruntime never sees torch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A line from a process gone wrong must not fill the memory.
LONGEST = 10_000_000


class Ended(Exception):
    """The other end has closed the pipe, or has written what is no message."""


def send(stream: IO[bytes], content: dict[str, Any], arrays: Sequence[NDArray[Any]] = ()) -> None:
    """Write one message; OSError where nobody reads any more."""
    plain = [np.asarray(array, order="C") for array in arrays]
    shapes = [[array.dtype.str, list(array.shape)] for array in plain]
    stream.write(json.dumps({**content, "arrays": shapes}).encode() + b"\n")
    for array in plain:
        if array.size:
            stream.write(array.reshape(-1).view(np.uint8).data)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """Read one message; raises Ended."""
    line = stream.readline(LONGEST)
    try:
        content = json.loads(line)
        arrays = [np.empty(shape, dtype=np.dtype(kind)) for kind, shape in content.pop("arrays")]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Ended from error
    for array in arrays:
        if array.size:
            room = array.reshape(-1).view(np.uint8).data
            while len(room):
                count = stream.readinto(room)  # type: ignore[attr-defined]
                if not count:
                    raise Ended
                room = room[count:]
    return content, arrays
