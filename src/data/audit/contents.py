"""Digests of inputs of any kind, to find equal ones."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from data.audit.duplicates import Contents
from data.audit.inputs import inputs_of
from data.audit.parts import Part, row_digests


def contents_of(parts: Sequence[Part]) -> Contents | None:
    """Return digests of all inputs: stored ones as they are, others read one by one.

    Of a sample that is a dict all is taken, its target too. None where inputs are no arrays.
    """
    stored = [inputs_of(part) for part in parts]
    ready = [each for each in stored if each is not None]
    if len(ready) == len(parts):
        return Contents([row_digests(own) for own in ready], "sample")
    marks, ignore = [], []
    for part in parts:
        values, _ = part.each(partial(input_of, part), (Exception,))
        wrong = np.array([value is None for value in values], dtype=bool)
        if wrong.all():
            return None
        own = [0 if v is None else int(row_digests(v[None])[0]) for v in values]
        marks.append(np.array(own, dtype=np.uint64))
        ignore.append(wrong)
    return Contents(marks, "sample", ignore=ignore)


def input_of(part: Part, row: int) -> Any:
    """Return the input of one sample as an array; None where it is none."""
    if hasattr(part.dataset, "raw"):
        value = part.dataset.raw(row)
    else:
        sample = part.dataset[row]
        value = sample[0] if isinstance(sample, tuple | list) else sample
    if isinstance(value, dict):
        pieces = [np.asarray(value[key]).ravel() for key in sorted(value)]
        numbers = [piece for piece in pieces if piece.dtype.kind in "fiub"]
        return np.concatenate(numbers).astype(np.float64) if numbers else None
    array = np.asarray(value)
    return array.ravel() if array.dtype.kind in "fiub" and array.size else None
