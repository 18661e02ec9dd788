"""What tables in shards say about themselves."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RowsInfo:
    """The facts about rows of numbers that models, evaluation and export need."""

    problem: str
    """"classification" or "regression"."""
    about: str
    """What the samples are, in one phrase."""
    features: tuple[str, ...]
    """Names of the columns that are a model's input, in their order."""
    mean: tuple[float, ...]
    """Mean of each feature over a fixed sample of the training split, missing values apart."""
    std: tuple[float, ...]
    """Standard deviation of each feature, likewise."""
    classes: tuple[str, ...]
    """Class names; a target is an index into them. () for regression."""
    num_classes: int
    """How many classes there are; 0 for regression."""
    class_counts: tuple[int, ...]
    """Training samples of each class; () for regression."""
    targets: tuple[str, ...]
    """Regression: names of the target columns; () otherwise."""
    target_mean: tuple[float, ...]
    """Regression: a target is (value - mean) / std, over the training split; () otherwise."""
    target_std: tuple[float, ...]
    """See `target_mean`."""
    num_outputs: int
    """Width of a model's last layer: classes, or targets."""
    input_shape: tuple[int, ...]
    """Shape of one input: (number of features,)."""
    num_train: int
    """Training samples."""
    num_validation: int
    """Validation samples; 0 without a validation split."""
    num_test: int
    """Test samples; 0 without a test split."""
    fingerprint: str
    """SHA-256 over files, labels and split: equal means the same data, split alike."""
    reader: dict[str, Any]
    """Node that makes the reader of single inputs: `_target_` and the arguments it takes."""
    answer: dict[str, Any]
    """Node of what turns a model's outputs into what a user reads, see `data.answers`."""
