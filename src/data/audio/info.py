"""What recordings say about themselves, so that nobody types a size twice."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class AudioInfo:
    """The facts about recordings that models, evaluation, predict and export need."""

    problem: str
    """What there is to learn: "classification", "multilabel" or "regression"."""
    about: str
    """What the samples are, in one phrase."""
    num_outputs: int
    """Width of a model's last layer: classes, labels or targets."""
    classes: tuple[str, ...]
    """Names of classes or labels; a class is an index into them. () for regression."""
    num_classes: int
    """How many classes or labels there are."""
    class_counts: tuple[int, ...]
    """Training samples of each class, or with each label."""
    targets: tuple[str, ...]
    """Regression: the name of each output."""
    target_mean: tuple[float, ...]
    """Regression: a target is (value - mean) / std, over the training split only."""
    target_std: tuple[float, ...]
    """See `target_mean`."""
    sample_rate: int
    """Samples of a waveform in a second, Hz."""
    seconds: float
    """Duration of one input."""
    length: int
    """Samples of one input."""
    input_shape: tuple[int]
    """Shape of one input: (length,)."""
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
