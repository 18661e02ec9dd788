"""What data made of text says about itself."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TextInfo:
    """The facts about labelled texts, running text, or pairs that models and evaluation need."""

    problem: str
    """"classification", "multilabel", "regression", "language" or "translation"."""
    about: str
    """What the samples are, in one phrase."""
    num_outputs: int
    """Width of a model's last layer: classes, labels, targets, or tokens of the vocabulary."""
    vocabulary: int
    """Tokens that there are; ids are 0 (padding) to vocabulary - 1."""
    length: int
    """Tokens of one input; of a pair, source and target together."""
    input_shape: tuple[int, ...]
    """Shape of one input: (length,)."""
    num_train: int
    """Training samples."""
    num_validation: int
    """Validation samples; 0 without a validation split."""
    num_test: int
    """Test samples; 0 without a test split."""
    fingerprint: str
    """SHA-256 over texts, targets, tokenizer and split: equal means the same data, split alike."""
    reader: dict[str, Any]
    """Node that makes the reader of single texts; it holds the tokenizer."""
    answer: dict[str, Any]
    """Node of what turns a model's outputs into what a user reads."""
    classes: tuple[str, ...] = ()
    """Class or label names."""
    num_classes: int = 0
    """How many there are."""
    class_counts: tuple[int, ...] = ()
    """Training samples of each class; of several labels, those that have it."""
    targets: tuple[str, ...] = ()
    """Regression: the name of each output."""
    target_mean: tuple[float, ...] = ()
    """Regression: a target is (value - mean) / std, over the training split only."""
    target_std: tuple[float, ...] = ()
    """See `target_mean`."""
    source_length: int = 0
    """Translation: tokens of a source."""
    target_length: int = 0
    """Translation: tokens of a target."""
