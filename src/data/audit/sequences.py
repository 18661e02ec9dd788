"""Series: gaps that were filled in, series that stand still, and series that come twice."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.audit.duplicates import Contents
from data.audit.figures import histogram
from data.audit.finding import Finding, many, percent, places
from data.audit.parts import Part, digests, row_digests
from data.audit.study import Study, flagged, unreadable

STILL = 20  # steps in a row without a change
STILL_SHARE = 0.05


def study(parts: Sequence[Part], info: Any) -> Study:
    """Look at whole series where the samples are windows of them, else at each sample."""
    steps = getattr(parts[0].dataset, "steps", None)
    if steps is not None and getattr(info, "problem", "") == "regression":
        return of_steps(steps, [str(name) for name in getattr(info, "channels", ())])
    return of_samples(parts)


def of_steps(steps: Any, channels: Sequence[str]) -> Study:
    """Look at all steps of all series, whatever the windows."""
    values, original = np.asarray(steps.values), np.asarray(steps.is_original)
    offsets, owner = np.asarray(steps.offsets), np.asarray(steps.series)
    names = [str(name) for name in steps.names]
    of_step = np.repeat(owner, np.diff(offsets))
    own = {name: values[of_step == number] for number, name in enumerate(names)}
    result = Study()
    result.findings += gaps(names, owner, of_step, original)
    result.findings += still(own, channels)
    result.findings += twice(own)
    result.findings += infinite(own, channels)
    for place, channel in enumerate(channels[:6]):
        drawn = histogram(
            f"Values of {channel!r}", [("all series", values[:, place].astype(float))]
        )
        result.figures += [drawn] if drawn is not None else []
    result.facts = {"series": len(names), "steps": len(values)}
    return result


def gaps(
    names: Sequence[str], owner: NDArray[Any], of_step: NDArray[Any], original: NDArray[np.bool_]
) -> list[Finding]:
    """Steps that were missing and filled in, and holes that cut a series in pieces."""
    found = []
    filled = np.bincount(of_step[~original], minlength=len(names))
    if total := int(filled.sum()):
        found.append(
            Finding(
                "warning" if total > 0.05 * len(original) else "note",
                f"{many(total, 'step')} missing and filled in ({percent(total / len(original))})",
                places(f"{names[k]}: {filled[k]:,}" for k in np.flatnonzero(filled).tolist()),
                "what was filled in is a guess; see whether these times should be there",
            )
        )
    pieces = np.bincount(owner, minlength=len(names))
    if len(cut := np.flatnonzero(pieces > 1)):
        found.append(
            Finding(
                "warning",
                f"{many(len(cut), 'series', 'series')} with gaps",
                places(f"{names[k]}: {pieces[k] - 1}" for k in cut.tolist()),
                "no window reaches over a gap; fill in the steps if you know them",
            )
        )
    return found


def still(own: dict[str, NDArray[Any]], channels: Sequence[str]) -> list[Finding]:
    """Columns that never change in a series, and long stretches without a change."""
    constant, stuck = [], []
    for name, values in own.items():
        for place, channel in enumerate(channels):
            column = values[:, place]
            if len(column) < 2:
                continue
            longest = longest_run(column)
            if longest == len(column):
                constant.append(f"{name}, {channel!r}: {column[0]:.4g}")
            elif longest >= max(STILL, STILL_SHARE * len(column)):
                stuck.append(f"{name}, {channel!r}: {longest:,} of {many(len(column), 'step')}")
    found = []
    if constant:
        found.append(
            Finding(
                "warning",
                f"{many(len(constant), 'column')} of a series with one value only",
                places(constant),
                "there is nothing to learn from them; leave them out (data.ignore)",
            )
        )
    if stuck:
        found.append(
            Finding(
                "note",
                f"{many(len(stuck), 'column')} of a series with a long stretch of one value",
                places(stuck),
                "a sensor that hangs, or missing values that were written as a number?",
            )
        )
    return found


def longest_run(values: NDArray[Any]) -> int:
    """Return how many equal values come in a row at most."""
    changes = np.flatnonzero(values[1:] != values[:-1]) + 1
    return int(np.diff(np.concatenate([[0], changes, [len(values)]])).max())


def twice(own: dict[str, NDArray[Any]]) -> list[Finding]:
    """Series with the same values as another."""
    groups: dict[int, list[str]] = {}
    for name, values in own.items():
        mark = digests([str(values.shape).encode() + values.tobytes()])[0]
        groups.setdefault(int(mark), []).append(name)
    copies = [" = ".join(sorted(group)) for group in groups.values() if len(group) > 1]
    if not copies:
        return []
    return [
        Finding(
            "warning",
            f"{many(len(copies), 'series', 'series')} with the same values as another",
            places(copies),
            "they count more than others; remove the copies",
        )
    ]


def infinite(own: dict[str, NDArray[Any]], channels: Sequence[str]) -> list[Finding]:
    """Values that are missing or infinite."""
    told = [
        f"{name}, {channel!r}: {int(wrong):,}"
        for name, values in own.items()
        for channel, wrong in zip(channels, (~np.isfinite(values)).sum(axis=0), strict=False)
        if wrong
    ]
    if not told:
        return []
    return [
        Finding(
            "error",
            f"{many(len(told), 'column')} of a series with missing or infinite values",
            places(told),
            "a loss can't be computed from them; correct the values",
        )
    ]


def raw_of(part: Part, row: int) -> NDArray[Any]:
    """Return one series as the reader gives it."""
    return np.asarray(part.dataset.raw(row))


def of_samples(parts: Sequence[Part]) -> Study:
    """Look at series each of which is a sample of its own."""
    read = [part.each(partial(raw_of, part)) for part in parts]
    values = [own for own, _ in read]
    result = Study(findings=unreadable(parts, [reasons for _, reasons in read], "series"))
    wrong = [np.array([v is None for v in own], dtype=bool) for own in values]
    flat = [
        np.array([v is not None and bool((v == v[:1]).all()) for v in own], dtype=bool)
        for own in values
    ]
    if names := flagged(parts, flat):
        result.findings.append(
            Finding(
                "warning",
                f"{many(len(names), 'series', 'series')} with one value only",
                places(names),
                "there is nothing to learn from them; remove them",
            )
        )
    marks = [
        np.array([0 if v is None else row_digests(v[None])[0] for v in own], dtype=np.uint64)
        for own in values
    ]
    ignore = [bad | still for bad, still in zip(wrong, flat, strict=True)]
    result.contents.append(Contents(marks, "series", ignore=ignore))
    return result
