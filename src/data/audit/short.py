"""The audit before a training: only what costs next to nothing."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from data.audit import balance, duplicates, inputs, targets
from data.audit.contents import contents_of
from data.audit.finding import Finding, graded
from data.audit.parts import Part, parts_of
from data.splits import Splits

SECONDS = 0.1
BYTES_A_SECOND = 200_000_000  # that are hashed and compared, at least
SAMPLES_A_SECOND = 300_000


def brief(splits: Splits[Any], seconds: float = SECONDS) -> list[str]:
    """Return the errors and warnings that can be seen in so many seconds, a line each.

    Classes are counted where labels are at hand. Of data that lies in memory, and is small enough
    for the time, copies across splits, constant inputs, and odd targets are found too; of other
    data not a sample is read. What may be chance alone is left to `audit`.

    Args:
        splits: training, validation and test.
        seconds: the time to spend, about.
    """
    return [finding.line for finding in graded(found(splits, seconds)) if finding.level != "note"]


def found(splits: Splits[Any], seconds: float) -> Iterator[Finding]:
    """Return the findings of the cheap checks, as far as the time goes."""
    began = time.perf_counter()
    parts = parts_of(splits, 0)
    info = splits.info
    if all(part.all_labels is not None for part in parts) and hasattr(info, "classes"):
        # Labels out of range and lone classes are what a training tells itself.
        for finding in balance.study(parts, info)[0]:
            if not finding.what.startswith("only class") and "out of range" not in finding.what:
                yield finding
    left = seconds - (time.perf_counter() - began)
    if weight(parts) > left:
        return
    if getattr(info, "problem", "") == "regression":
        yield from targets.study(parts, info)[0]
    kind = getattr(info, "kind", "")
    if kind == "series":
        return  # windows overlap: that they hold the same is no fault
    yield from inputs.findings(parts, missing_is_normal=kind == "table")
    yield from copies(parts)


def weight(parts: list[Part]) -> float:
    """Return the seconds that it takes, about, to look at all stored samples; inf for others."""
    from data.audit.parts import stored

    sources = [stored(part.dataset) for part in parts]
    if any(
        source is None or getattr(part.dataset, "transform", None) is not None
        for source, part in zip(sources, parts, strict=True)
    ):
        return float(np.inf)
    stored_bytes = sum(source.resident_bytes for source in sources)
    return float(stored_bytes) / BYTES_A_SECOND + sum(map(len, parts)) / SAMPLES_A_SECOND


def copies(parts: list[Part]) -> Iterator[Finding]:
    """Equal samples in different splits, where that can't be chance."""
    contents = contents_of(parts)
    if contents is None:
        return
    stored = [inputs.inputs_of(part) for part in parts]
    vectors = stored[0] is not None and stored[0].ndim == 2
    for finding in duplicates.find(
        parts, duplicates.Contents(contents.digests, "sample", rich=not vectors)
    ):
        if finding.level == "error" and "split too" in finding.what:
            yield finding
