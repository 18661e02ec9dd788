"""What a dataset says about itself, so that nobody types a size twice."""

from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, kw_only=True)
class Info:
    """The facts that each kind of data has, for models, evaluation, export and predict."""

    kind: ClassVar[str] = ""
    """"table", "text", "audio" or "series"; "" where the samples are seen to be pictures, or are
    anything else."""
    classes: tuple[str, ...] = ()
    """Names of classes or labels; the target of a class is an index into them."""
    num_classes: int = 0
    """How many there are."""
    problem: str
    """What there is to learn: "classification", "multilabel", "regression", "segmentation",
    "detection", "language" or "translation"."""
    about: str
    """What the samples are, in one phrase."""
    num_outputs: int
    """Width of a model's last layer: classes, labels, targets or tokens."""
    input_shape: tuple[int, ...]
    """Shape of one input."""
    num_train: int
    """Training samples."""
    num_validation: int
    """Validation samples; 0 without a validation split."""
    num_test: int
    """Test samples; 0 without a test split."""
    fingerprint: str
    """SHA-256 over samples, targets and split: equal means the same data, split alike."""
    answer: dict[str, Any]
    """Node of what turns a model's outputs into what a user reads, see `data.answers`."""
    reader: dict[str, Any]
    """Node that makes the reader of single inputs: `_target_` and the arguments it takes."""
    class_counts: tuple[int, ...] = ()
    """Training samples of each class, or with each label; of segmentation pixels, of detection
    boxes."""
    targets: tuple[str, ...] = ()
    """Regression: the name of each output."""
    target_mean: tuple[float, ...] = ()
    """Regression: a target is (value - mean) / std, over the training split only."""
    target_std: tuple[float, ...] = ()
    """See `target_mean`."""


@dataclass(frozen=True, kw_only=True)
class ImageInfo(Info):
    """The facts about pictures, also those with masks or boxes."""

    problem: str = "classification"
    input_shape: tuple[int, int, int]
    """Shape of one input: (channels, height, width)."""
    channels: int
    """Channels of an input: 1 for gray, 3 for RGB."""
    height: int
    """Rows of an input, and of its mask, in pixels."""
    width: int
    """Columns of an input, and of its mask, in pixels."""
    mean: tuple[float, ...]
    """Mean of pixels / 255 per channel, over the training split only."""
    std: tuple[float, ...]
    """Standard deviation of pixels / 255 per channel, over the training split only."""
