"""Numbers that are to be predicted: constant, missing, far away from the others."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.audit.columns import SKEWED, skewness
from data.audit.figures import Histogram, histogram
from data.audit.finding import Finding, many, number, places
from data.audit.parts import CHUNK, Part, stored

FAR = 8.0
FEW_VALUES = 10
LEAST_ROWS = 50


def values_of(part: Part, info: Any) -> NDArray[np.float64] | None:
    """Return the targets [N, targets] of a split in their own unit; None where not at hand."""
    source = stored(part.dataset)
    if source is not None:
        # What is fetched may be in any unit; what is finished is standardised.
        batches = [part.rows[start : start + CHUNK] for start in range(0, len(part), CHUNK)]
        found = [source.finish(source.fetch(rows, 0, 0), rows, 0, 0)[1] for rows in batches]
        values = np.concatenate([np.asarray(each, dtype=np.float64) for each in found])
    elif part.batch is not None and part.batch[1] is not None:
        values = np.asarray(part.batch[1], dtype=np.float64)
    elif hasattr(part.dataset, "targets"):
        values = np.asarray(part.dataset.targets, dtype=np.float64)[part.rows]
    else:
        return None
    values = values.reshape(len(part), -1)
    mean, std = (np.asarray(getattr(info, name, ())) for name in ("target_mean", "target_std"))
    if len(mean) == values.shape[1] and len(std) == len(mean):
        values = values * std + mean
    return values


def names_of(info: Any, count: int) -> list[str]:
    """Return what the targets are called."""
    names = [str(name) for name in getattr(info, "targets", ())]
    return names if len(names) == count else [f"target {number + 1}" for number in range(count)]


def study(
    parts: Sequence[Part], info: Any, *, horizon: bool = False
) -> tuple[list[Finding], list[Histogram], list[NDArray[np.float64]]]:
    """Return findings, a picture for each of the first targets, and the targets of each part.

    With `horizon` the targets are the same quantity at several times.
    """
    found = [values_of(part, info) for part in parts]
    values = [each for each in found if each is not None]
    if len(values) < len(parts) or getattr(info, "problem", "") != "regression":
        return [], [], []
    names = names_of(info, values[0].shape[1])
    findings = [
        *endless(parts, values, names),
        *constant(values, names),
        *outliers(parts, values, names),
        *shaped(values, names),
    ]
    drawn = [
        histogram(
            f"Target {name!r}",
            [(part.split, own[:, place]) for part, own in zip(parts, values, strict=True)],
        )
        for place, name in enumerate(names[: 1 if horizon else 6])
    ]
    return findings, [each for each in drawn if each is not None], values


def endless(
    parts: Sequence[Part], values: Sequence[NDArray[np.float64]], names: Sequence[str]
) -> list[Finding]:
    """Targets that are missing or infinite."""
    told = [
        f"{part.names(row)[0]}: {names[column]} is {values[side][row, column]}"
        for side, part in enumerate(parts)
        for row, column in np.argwhere(~np.isfinite(values[side])).tolist()
    ]
    if not told:
        return []
    return [
        Finding(
            "error",
            f"{many(len(told), 'target')} missing or infinite",
            places(told),
            "no loss can be computed from them; correct or remove these samples",
        )
    ]


def constant(values: Sequence[NDArray[np.float64]], names: Sequence[str]) -> list[Finding]:
    """Targets that are the same in all of the training split."""
    still = [
        f"{name!r}: {number(values[0][0, place])}"
        for place, name in enumerate(names)
        if np.ptp(values[0][:, place]) <= 1e-9 * np.abs(values[0][:, place]).max()
    ]
    if not still:
        return []
    return [
        Finding(
            "error",
            f"{many(len(still), 'target')} with one value only in the train split",
            places(still),
            "there is nothing to learn; choose another target (data.target)",
        )
    ]


def outliers(
    parts: Sequence[Part], values: Sequence[NDArray[np.float64]], names: Sequence[str]
) -> list[Finding]:
    """Targets more than 8 standard deviations of the training split away from its mean."""
    with np.errstate(invalid="ignore"):
        mean, std = np.nanmean(values[0], axis=0), np.nanstd(values[0], axis=0)
        scale = np.where(std > 0, std, np.inf)
        told = [
            f"{part.names(row)[0]}: {names[column]} is {number(values[side][row, column])}"
            for side, part in enumerate(parts)
            for row, column in np.argwhere(
                (np.abs(values[side] - mean) > FAR * scale) & np.isfinite(values[side])
            ).tolist()
        ]
    if not told:
        return []
    usual = ", ".join(
        f"{name} {number(m)} ± {number(s)}" for name, m, s in zip(names, mean, std, strict=True)
    )
    return [
        Finding(
            "warning",
            f"{many(len(told), 'target')} more than {FAR:.0f} standard deviations away from the "
            f"mean ({usual if len(names) <= 3 else f'{len(names)} targets'})",
            places(told),
            "look for wrong values or units; loss=smooth_l1 is pulled less by them",
        )
    ]


def shaped(values: Sequence[NDArray[np.float64]], names: Sequence[str]) -> list[Finding]:
    """Targets of a kind that a mean squared error suits badly."""
    few, bent = [], []
    for place, name in enumerate(names):
        own = values[0][:, place]
        own = own[np.isfinite(own)]
        if len(own) < LEAST_ROWS or not np.ptp(own):
            continue
        different = len(np.unique(own.astype(np.float32)))
        if different <= FEW_VALUES:
            few.append(f"{name!r}: {different} values")
        elif abs(skewness(own)) > SKEWED:
            bent.append(f"{name!r}: {skewness(own):.0f}")
    found = []
    if few:
        found.append(
            Finding(
                "note",
                f"{many(len(few), 'target')} with {FEW_VALUES} values or fewer",
                places(few),
                "if they are classes, say data.problem=classification",
            )
        )
    if bent:
        found.append(
            Finding(
                "note",
                f"{many(len(bent), 'target')} with a few values far from the others (skewness "
                f"over {SKEWED:.0f})",
                places(bent),
                "a few samples decide the error; predict the logarithm, or use loss=smooth_l1",
            )
        )
    return found
