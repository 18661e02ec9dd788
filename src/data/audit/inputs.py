"""Inputs of any kind: missing and infinite numbers, and inputs that are all the same."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.audit.columns import Column
from data.audit.finding import Finding, many, places
from data.audit.parts import MOST_COLUMNS, Part
from data.audit.study import flagged


def inputs_of(part: Part) -> NDArray[Any] | None:
    """Return the inputs of a part [N, ...] as stored, where all lie in memory."""
    return None if part.batch is None else part.batch[0]


def findings(parts: Sequence[Part], *, missing_is_normal: bool = False) -> list[Finding]:
    """Return what is wrong with stored inputs, whatever they are."""
    found = []
    stored = [inputs_of(part) for part in parts]
    inputs = [each for each in stored if each is not None]
    if len(inputs) < len(parts):
        return []
    if inputs[0].dtype.kind == "f" and not missing_is_normal:
        names = flagged(
            parts, [~np.isfinite(each).reshape(len(each), -1).all(axis=1) for each in inputs]
        )
        if names:
            found.append(
                Finding(
                    "error",
                    f"{many(len(names), 'input')} with missing or infinite numbers",
                    places(names),
                    "a loss can't be computed from them; correct or remove these samples",
                )
            )
    first = inputs[0]
    if len(first) > 1 and first.size and (first == first[:1]).all():
        found.append(
            Finding(
                "error",
                f"all {len(first):,} inputs of the train split are equal",
                "",
                "there is nothing to tell them apart by; look at how the data is read",
            )
        )
    return found


def as_columns(parts: Sequence[Part], info: Any) -> list[Column]:
    """Return the columns of inputs that are vectors [N, D], as numbers; none for other shapes."""
    stored = [inputs_of(part) for part in parts]
    inputs = [each for each in stored if each is not None]
    if len(inputs) < len(parts) or inputs[0].ndim != 2 or inputs[0].shape[1] > MOST_COLUMNS:
        return []
    if inputs[0].dtype.kind not in "fiub":
        return []
    width = inputs[0].shape[1]
    names = next(
        (
            [str(name) for name in found]
            for key in ("features", "columns", "names")
            if len(found := getattr(info, key, ())) == width
        ),
        [f"input {number}" for number in range(width)],
    )
    return [
        Column(name, [each[:, place].astype(np.float64) for each in inputs], holds_ids=False)
        for place, name in enumerate(names)
    ]
