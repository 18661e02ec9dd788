"""What arrays say about themselves."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ArraysInfo:
    """The facts about arrays that models, evaluation and export need."""

    problem: str
    """"classification", "multilabel" or "regression"."""
    about: str
    """What the samples are, in one phrase."""
    num_outputs: int
    """Width of a model's last layer: classes, labels or targets."""
    layout: str
    """What the axes of a sample mean, see `data.arrays.layout`."""
    input_shape: tuple[int, ...]
    """Shape of one model input; pictures are (channels, height, width)."""
    channels: int
    """Channels of pictures and sequences; 0 otherwise."""
    height: int
    """Rows of pictures; 0 otherwise."""
    width: int
    """Columns of pictures; 0 otherwise."""
    mean: tuple[float, ...]
    """Of each feature or channel, over the training split only; of pixels / 255 where those are
    stored; 0 without `data.normalise`."""
    std: tuple[float, ...]
    """Likewise; 1 where it is 0, and without `data.normalise`."""
    num_train: int
    """Training samples."""
    num_validation: int
    """Validation samples; 0 without a validation split."""
    num_test: int
    """Test samples; 0 without a test split."""
    fingerprint: str
    """SHA-256 over samples, targets and split: equal means the same data, split alike."""
    reader: dict[str, Any]
    """Node that makes the reader of single inputs."""
    answer: dict[str, Any]
    """Node of what turns a model's outputs into what a user reads."""
    classes: tuple[str, ...] = ()
    """Names of classes or labels."""
    num_classes: int = 0
    """How many there are."""
    class_counts: tuple[int, ...] = ()
    """Training samples of each class, or with each label."""
    targets: tuple[str, ...] = ()
    """Regression: the name of each output."""
    target_mean: tuple[float, ...] = ()
    """Regression: an output stands for value = output * std + mean."""
    target_std: tuple[float, ...] = ()
    """See `target_mean`."""
