"""What a dataset says about itself, so that nobody types a size twice."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ImageInfo:
    """The facts about image classification data that models, evaluation and export need."""

    classes: tuple[str, ...]
    """Class names; a target is an index into them."""
    num_classes: int
    """How many classes there are."""
    num_outputs: int
    """Width of a model's last layer: one output for each class."""
    class_counts: tuple[int, ...]
    """Training samples of each class."""
    channels: int
    """Channels of an input: 1 for gray, 3 for RGB."""
    height: int
    """Rows of an input, in pixels."""
    width: int
    """Columns of an input, in pixels."""
    input_shape: tuple[int, int, int]
    """Shape of one input: (channels, height, width)."""
    mean: tuple[float, ...]
    """Mean of pixels / 255 per channel, over the training split only."""
    std: tuple[float, ...]
    """Standard deviation of pixels / 255 per channel, over the training split only."""
    num_train: int
    """Training samples."""
    num_validation: int
    """Validation samples; 0 without a validation split."""
    num_test: int
    """Test samples; 0 without a test split."""
    fingerprint: str
    """SHA-256 over samples, labels and split: equal means the same data, split alike."""
    reader: dict[str, Any]
    """Node that makes the reader of single inputs: `_target_` and the arguments it takes."""
    answer: dict[str, Any]
    """Node of what turns a model's outputs into what a user reads, see `data.answers`."""
    about: str
    """What the samples are, in one phrase."""
    problem: str = "classification"
    """What there is to learn: "classification", "multilabel" or "regression"."""
    targets: tuple[str, ...] = ()
    """Regression: the name of each output."""
    target_mean: tuple[float, ...] = ()
    """Regression: a target is (value - mean) / std, over the training split only."""
    target_std: tuple[float, ...] = ()
    """See `target_mean`."""
