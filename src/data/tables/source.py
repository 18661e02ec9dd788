"""A whole table as it was read, which its splits share."""

from collections.abc import Sequence
from dataclasses import dataclass

from data.tables.columns import Floats
from data.tables.features import Feature
from data.tables.frame import Frame
from data.tables.target import Target


@dataclass(frozen=True)
class Source:
    """What the splits of a table share: all of its rows, and how they are read."""

    frame: Frame
    """All columns as they were read."""
    features: Sequence[Feature]
    """Those that a model sees."""
    values: Sequence[Floats]
    """Of each feature, as stored, for every row."""
    target: Target
    """Of every row."""
    decimal: str
    """The sign before a fraction where two are possible."""
