"""What series say about themselves."""

from dataclasses import dataclass, field

from data.info import Info


@dataclass(frozen=True, kw_only=True)
class SeriesInfo(Info):
    """The facts about series that models, evaluation and export need."""

    kind = "series"
    window: int
    """Steps of one input."""
    horizon: int
    """Forecast: steps that are foretold; 0 otherwise."""
    channels: tuple[str, ...]
    """Columns of one input; of a forecast the targets come first."""
    num_channels: int
    """How many these are."""
    num_targets: int
    """Forecast: how many of them are foretold; 0 otherwise."""
    mean: tuple[float, ...]
    """Mean of each channel, over the training steps only."""
    std: tuple[float, ...]
    """Standard deviation of each channel, over the training steps only; 1 where it is 0."""
    step: str
    """What one step of time is: "1 hour"."""
    season: int
    """Steps after which a pattern is likely to come again, by the calendar; 1 if unknown."""
    num_series: int
    """How many series there are."""
    naive: dict[str, dict[str, float]] = field(default_factory=dict)
    """Forecast: what to beat, for each split: the RMSE of "last_value" (it stays as it is) and of
    "last_season" (as it was a season ago), in the unit of the (one) target, or standardised."""
