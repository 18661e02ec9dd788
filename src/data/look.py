"""What data seems to be, from a first look: the kind, and what to choose for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Look:
    """The answer of a first look at a file or a folder, taken without reading all of it."""

    kind: str
    """The choice of conf/data that fits, such as "table"."""
    problem: str
    """What there is to learn: "classification", "multilabel", "regression" ..."""
    model: str
    """The choice of conf/model that suits it."""
    about: tuple[str, ...] = ()
    """Lines for the user: what it seems to be, and why."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """Values for keys of `data` that the user left open, such as the target."""
    certainty: float = 1.0
    """From 0 (it can't be of this kind) to 1 (it surely is)."""
    loss: str | None = None
    """The choice of conf/loss; None: the usual one of the problem."""
    evaluation: str | None = None
    """The choice of conf/evaluation; None: that of the problem."""
    others: Mapping[str, Any] = field(default_factory=dict)
    """Values for keys elsewhere that were left open, by their dotted path."""
