"""What came of a comparison."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Compared:
    """One thing of two runs, held against each other.

    `told` says it in a line: what is identical, or the first place where they differ; `numbers` has
    it in full, for JSON.
    """

    what: str
    identical: bool
    told: str
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """As it is written down."""
        return {"identical": self.identical, "told": self.told, **self.numbers}
