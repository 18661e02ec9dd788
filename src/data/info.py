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
