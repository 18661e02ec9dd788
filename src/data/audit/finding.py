"""What an audit has to say: one line each, graded, with the first places and a remedy."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")
SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """One thing that was found in data."""

    level: Level
    """How bad it is: what is learned or measured is wrong (error), may be (warning), or isn't."""
    what: str
    """What was found, and how often."""
    where: str
    """The first places; "" where it is about all of the data."""
    remedy: str
    """What to do about it."""

    @property
    def line(self) -> str:
        """All of it in one line."""
        where = f" ({self.where})" if self.where else ""
        return f"{self.what}{where}; {self.remedy}"


def graded(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings with the worst first; those of a level stay in their order."""
    return tuple(sorted(findings, key=lambda finding: LEVELS.index(finding.level)))


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return what names are sorted by: "row 9" comes before "row 10"."""
    parts = re.split(r"(\d+)", name)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)


def places(names: Iterable[str]) -> str:
    """Return the first five places, in natural order, and how many more there are."""
    ordered = sorted(names, key=natural)
    hidden = len(ordered) - SHOWN
    return ", ".join(ordered[:SHOWN]) + (f" and {hidden:,} more" if hidden > 0 else "")


def many(number: int, one: str, several: str | None = None) -> str:
    """Return "1 sample", or "2,000 samples"; of "series" there is no other form."""
    several = several or (one if one.endswith("series") else f"{one}s")
    return f"{number:,} {one if number == 1 else several}"


def percent(share: float) -> str:
    """Return a share such as "12 %", "0.3 %" or "under 0.1 %"."""
    if 0 < share < 0.001:
        return "under 0.1 %"
    shown = f"{share * 100:.1f}"
    # What is rounded must not claim that it were all.
    if share < 1 and float(shown) >= 99.95:
        return "over 99.9 %"
    return f"{shown.removesuffix('.0')} %"


def number(value: float) -> str:
    """Return a value with four significant digits."""
    return f"{value:.4g}"


def named(names: Sequence[str]) -> str:
    """Return the first five of some names in their own order, quoted."""
    hidden = len(names) - SHOWN
    shown = ", ".join(repr(name) for name in names[:SHOWN])
    return shown + (f" and {hidden:,} more" if hidden > 0 else "")
