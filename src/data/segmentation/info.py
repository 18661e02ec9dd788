"""What segmentation data says about itself."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SegmentationInfo:
    """The facts about images with masks that models, evaluation and export need."""

    classes: tuple[str, ...]
    """Class names; a pixel's target is an index into them."""
    num_classes: int
    """How many classes there are."""
    num_outputs: int
    """Width of a model's last layer: one output for each class, at each pixel."""
    class_counts: tuple[int, ...]
    """Training pixels of each class, at the size of the input."""
    channels: int
    """Channels of an input: 1 for gray, 3 for RGB."""
    height: int
    """Rows of an input and of a mask, in pixels."""
    width: int
    """Columns of an input and of a mask, in pixels."""
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
    """SHA-256 over the files' names and sizes, the meaning of masks, and the split."""
    reader: dict[str, Any]
    """Node that makes the reader of single inputs: `_target_` and the arguments it takes."""
    answer: dict[str, Any]
    """Node of what turns a model's outputs into masks."""
    about: str
    """What the samples are, in one phrase."""
    problem: str = "segmentation"
    """What there is to learn."""
    targets: tuple[str, ...] = ()
    """Nothing: there is no regression."""
    target_mean: tuple[float, ...] = ()
    """Likewise."""
    target_std: tuple[float, ...] = ()
    """Likewise."""
