"""What detection data says about itself."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class DetectionInfo:
    """The facts about images with boxes that models, evaluation and export need."""

    classes: tuple[str, ...]
    """Class names; the class of a box is an index into them."""
    num_classes: int
    """How many classes there are."""
    num_outputs: int
    """Width of a model's last layer: one output for each class, and 4 for a box."""
    class_counts: tuple[int, ...]
    """Training boxes of each class."""
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
    """SHA-256 over the files' names and sizes, all boxes, and the split."""
    reader: dict[str, Any]
    """Node that makes the reader of single inputs: `_target_` and the arguments it takes."""
    answer: dict[str, Any]
    """Node of what turns a model's outputs into boxes."""
    about: str
    """What the samples are, in one phrase."""
    max_boxes: int
    """The most boxes of an image; targets are filled up to it."""
    problem: str = "detection"
    """What there is to learn."""
    targets: tuple[str, ...] = ()
    """Nothing: there is no regression."""
    target_mean: tuple[float, ...] = ()
    """Likewise."""
    target_std: tuple[float, ...] = ()
    """Likewise."""
