"""Samples that come twice: within a split, across splits, and with different labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.audit.finding import Finding, Level, many, natural, percent, places
from data.audit.parts import Part
from data.splits import Indices

GRAVE_SHARE = 0.01
# So many times the expected number of coincidences is still chance: columns are not independent.
CHANCE_FACTOR = 10.0


@dataclass(frozen=True)
class Contents:
    """What the samples hold, as digests, and how much a coincidence means."""

    digests: Sequence[NDArray[np.uint64]]
    """For each part, a digest of each sample [N]; equal ones stand for equal samples."""
    what: str
    """What a sample is called: "image", "row", "text" ..."""
    rich: bool = True
    """Whether two samples can't be equal by chance."""
    chance: float = 0.0
    """Equal pairs for one pair of samples, expected by chance."""
    equal: str = "equal"
    """How the samples of a pair relate: "equal", "equal but for case and punctuation"."""
    ignore: Sequence[NDArray[np.bool_]] | None = None
    """For each part, samples that can't be judged [N], such as unreadable ones."""


def find(parts: Sequence[Part], contents: Contents) -> list[Finding]:
    """Return findings about equal samples; which ones doesn't depend on their order."""
    sides = [usable(contents, number) for number in range(len(parts))]
    found: list[Finding] = []
    for first in range(len(parts)):
        for second in range(first + 1, len(parts)):
            found += across(parts[first], parts[second], sides[first], sides[second], contents)
    found += within(parts, sides, contents)
    return found + disagreeing(parts, sides, contents)


def usable(contents: Contents, number: int) -> tuple[NDArray[np.uint64], Indices]:
    """Return the digests of a part that count, and the places of their samples."""
    digests = contents.digests[number]
    kept = np.arange(len(digests))
    if contents.ignore is not None:
        kept = kept[~contents.ignore[number]]
    return digests[kept], kept


Side = tuple[NDArray[np.uint64], Indices]


def across(first: Part, second: Part, one: Side, two: Side, contents: Contents) -> list[Finding]:
    """Samples of one split that another has, too."""
    partner = partners(one[0], two[0], first.names(one[1]) if len(one[0]) else [])
    hits = np.flatnonzero(partner >= 0)
    if not len(hits):
        return []
    share = len(hits) / len(two[0])
    pairs = coinciding(one[0], two[0])
    expected = contents.chance * len(one[0]) * len(two[0])
    chance = pairs <= CHANCE_FACTOR * expected
    level: Level = "error" if contents.rich or share >= GRAVE_SHARE else "warning"
    names = zip(second.names(two[1][hits]), first.names(one[1][partner[hits]]), strict=True)
    counted = f"{len(hits):,} of {many(len(two[0]), second.split + ' ' + contents.what)}"
    return [
        Finding(
            "note" if chance else level,
            f"{counted} ({percent(share)}) {'is' if len(hits) == 1 else 'are'} in the "
            f"{first.split} split too, {contents.equal}",
            places(f"{ours} = {theirs}" for ours, theirs in names),
            "so few different values come in them that some coincide by chance"
            if chance
            else f"what is measured on {second.split} is then partly known by heart; remove the "
            "copies, or keep them in one split (data.split=group)",
        )
    ]


def partners(ours: NDArray[np.uint64], theirs: NDArray[np.uint64], names: Sequence[str]) -> Indices:
    """Return for each of theirs the place of an equal one of ours, the first by name, or -1."""
    order = np.lexsort((np.asarray(names), ours)) if len(ours) else np.arange(0)
    places_in = np.searchsorted(ours, theirs, sorter=order)
    inside = np.minimum(places_in, max(len(ours) - 1, 0))
    if not len(ours):
        return np.full(len(theirs), -1)
    match = ours[order[inside]] == theirs
    return np.where(match & (places_in < len(ours)), order[inside], -1)


def coinciding(one: NDArray[np.uint64], two: NDArray[np.uint64]) -> int:
    """Return how many pairs of one of each are equal."""
    values, counts = np.unique(one, return_counts=True)
    others, other_counts = np.unique(two, return_counts=True)
    _, left, right = np.intersect1d(values, others, assume_unique=True, return_indices=True)
    return int((counts[left] * other_counts[right]).sum())


def within(parts: Sequence[Part], sides: Sequence[Side], contents: Contents) -> list[Finding]:
    """Samples that come more than once in a split."""
    extra: dict[str, int] = {}
    shown: list[str] = []
    pairs, expected = 0, 0.0
    for part, (digests, kept) in zip(parts, sides, strict=True):
        _, inverse, counts = np.unique(digests, return_inverse=True, return_counts=True)
        pairs += int((counts * (counts - 1) // 2).sum())
        expected += contents.chance * len(digests) * (len(digests) - 1) / 2
        if more := int((counts - 1).sum()):
            extra[part.split] = more
            shown += groups_of(part, kept, inverse, np.flatnonzero(counts > 1))
    if not extra:
        return []
    total, chance = sum(extra.values()), pairs <= CHANCE_FACTOR * expected
    each = ", ".join(f"{number:,} {split}" for split, number in extra.items())
    where = f"the {next(iter(extra))} split" if len(extra) == 1 else f"one split ({each})"
    share = percent(total / sum(len(digests) for digests, _ in sides))
    return [
        Finding(
            "note" if chance else "warning",
            f"{many(total, contents.what)} {'comes' if total == 1 else 'come'} again in {where}, "
            f"{contents.equal} ({share} of all)",
            places(shown),
            "so few different values come in them that some coincide by chance"
            if chance
            else "they count more than others; remove the copies",
        )
    ]


def groups_of(part: Part, kept: Indices, inverse: Indices, groups: Indices) -> list[str]:
    """Return "a = b" for each group of equal samples."""
    order = np.argsort(inverse, kind="stable")
    starts = np.searchsorted(inverse[order], groups, side="left")
    ends = np.searchsorted(inverse[order], groups, side="right")
    shown = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        names = sorted(part.names(kept[order[start:end]]), key=natural)
        shown.append(" = ".join(names[:2]) + (" = ..." if len(names) > 2 else ""))
    return shown


def disagreeing(parts: Sequence[Part], sides: Sequence[Side], contents: Contents) -> list[Finding]:
    """Equal samples with different labels: at least one of them is wrong."""
    if any(part.labels is None for part in parts):
        return []
    digests = np.concatenate([side[0] for side in sides])
    labels = np.concatenate(
        [part.labels[side[1]] for part, side in zip(parts, sides, strict=True)]  # type: ignore[index]
    )
    _, inverse = np.unique(digests, return_inverse=True)
    lowest = np.full(len(digests), np.iinfo(np.int64).max)
    highest = np.full(len(digests), np.iinfo(np.int64).min)
    np.minimum.at(lowest, inverse, labels)
    np.maximum.at(highest, inverse, labels)
    torn = (lowest != highest)[inverse]
    if not torn.any():
        return []
    names = [n for part, side in zip(parts, sides, strict=True) for n in part.names(side[1])]
    share = float(torn.mean())
    pairs = coinciding(digests, digests) - len(digests)
    chance = pairs <= CHANCE_FACTOR * contents.chance * len(digests) * (len(digests) - 1)
    grave = share >= GRAVE_SHARE and not chance
    level: Level = "error" if contents.rich else "warning" if grave else "note"
    return [
        Finding(
            level,
            f"{many(int(torn.sum()), contents.what)} {contents.equal} to others with another "
            f"label ({percent(share)})",
            places(pair(torn, inverse, names)),
            "no model can be right about both; correct the labels"
            + (", or add columns" if contents.what == "row" else ""),
        )
    ]


def pair(torn: NDArray[np.bool_], inverse: Indices, names: Sequence[str]) -> list[str]:
    """Return "a = b" for each group whose labels differ."""
    members: dict[int, list[str]] = {}
    for place in np.flatnonzero(torn).tolist():
        members.setdefault(int(inverse[place]), []).append(names[place])
    return [" = ".join(sorted(group, key=natural)[:2]) for group in members.values()]
