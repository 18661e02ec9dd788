"""What the look at one kind of data gives to the audit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.audit.duplicates import Contents
from data.audit.figures import Figure
from data.audit.finding import Finding, places
from data.audit.parts import Part


@dataclass
class Study:
    """Findings, pictures and facts about the samples, and what to look for duplicates in."""

    findings: list[Finding] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    contents: list[Contents] = field(default_factory=list)


def flagged(parts: Sequence[Part], flags: Sequence[NDArray[np.bool_]]) -> list[str]:
    """Return the names of the samples whose flag is set, each flag array being of one part."""
    return [
        name
        for part, flag in zip(parts, flags, strict=True)
        for name in part.names(np.flatnonzero(flag))
    ]


def flagged_with(
    parts: Sequence[Part],
    flags: Sequence[NDArray[np.bool_]],
    shown: Callable[[int, int], str],
) -> str:
    """Return the places of flagged samples, each with what `shown` says of (part, place)."""
    return places(
        f"{part.names(place)[0]}: {shown(number, int(place))}"
        for number, (part, flag) in enumerate(zip(parts, flags, strict=True))
        for place in np.flatnonzero(flag)
    )


def unreadable(parts: Sequence[Part], bad: Sequence[dict[int, str]], what: str) -> list[Finding]:
    """Return a finding about samples that could not be read."""
    from data.audit.finding import many

    number = sum(map(len, bad))
    if not number:
        return []
    reasons = [reason for each in bad for reason in each.values()]
    return [
        Finding(
            "error",
            f"{many(number, what)} can't be read",
            places(reasons),
            "mend or remove them, or leave them out: loader.on_error=skip",
        )
    ]
