"""What series say about themselves."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class SeriesInfo:
    """The facts about series that models, evaluation and export need."""

    problem: str
    """"regression" (a forecast) or "classification"."""
    about: str
    """What the samples are, in one phrase."""
    num_outputs: int
    """Width of a model's last layer: horizon x targets, or classes."""
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
    input_shape: tuple[int, int]
    """Shape of one input: (window, channels)."""
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
    num_train: int
    """Training samples."""
    num_validation: int
    """Validation samples; 0 without a validation split."""
    num_test: int
    """Test samples; 0 without a test split."""
    fingerprint: str
    """SHA-256 over values, times and split: equal means the same data, split alike."""
    reader: dict[str, Any]
    """Node that makes the reader of single inputs."""
    answer: dict[str, Any]
    """Node of what turns a model's outputs into what a user reads."""
    classes: tuple[str, ...] = ()
    """Class names; none for a forecast."""
    num_classes: int = 0
    """How many classes there are."""
    class_counts: tuple[int, ...] = ()
    """Training samples of each class."""
    targets: tuple[str, ...] = ()
    """Forecast: the name of each output, "load+1" (one step ahead) first."""
    target_mean: tuple[float, ...] = ()
    """Forecast: an output stands for value = output * std + mean."""
    target_std: tuple[float, ...] = ()
    """See `target_mean`."""
    naive: dict[str, dict[str, float]] = field(default_factory=dict)
    """Forecast: what to beat, for each split: the RMSE of "last_value" (it stays as it is) and of
    "last_season" (as it was a season ago), in the unit of the (one) target, or standardised."""
