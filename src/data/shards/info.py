"""What tables in shards say about themselves."""

from dataclasses import dataclass

from data.info import Info


@dataclass(frozen=True, kw_only=True)
class RowsInfo(Info):
    """The facts about rows of numbers that models, evaluation and export need."""

    features: tuple[str, ...]
    """Names of the columns that are a model's input, in their order."""
    mean: tuple[float, ...]
    """Mean of each feature over a fixed sample of the training split, missing values apart."""
    std: tuple[float, ...]
    """Standard deviation of each feature, likewise."""
