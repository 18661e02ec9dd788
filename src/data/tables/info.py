"""What a table says about itself."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TableInfo:
    """The facts about a table that models, evaluation, export and predict need."""

    problem: str
    """What there is to learn: "classification", "multilabel" or "regression"."""
    about: str
    """What the rows are, in one phrase."""
    columns: tuple[str, ...]
    """What each number of an input is called: numbers first, then codes of categories."""
    num_numeric: int
    """How many of them are numbers; the others are codes."""
    cardinalities: tuple[int, ...]
    """How many codes each category has: 0 is unknown, 1 missing."""
    input_shape: tuple[int, ...]
    """Shape of one input: (columns,)."""
    num_outputs: int
    """Width of a model's last layer: classes, labels, or targets."""
    classes: tuple[str, ...]
    """Names of classes or labels; () for regression."""
    num_classes: int
    """How many of them; 0 for regression."""
    class_counts: tuple[int, ...]
    """Training rows of each class or label; () for regression."""
    targets: tuple[str, ...]
    """Regression: the name of each output; () otherwise."""
    target_mean: tuple[float, ...]
    """Regression: a target is (value - mean) / std, over the training split only; () otherwise."""
    target_std: tuple[float, ...]
    """See `target_mean`."""
    target: tuple[str, ...]
    """Names of the columns that are predicted."""
    num_train: int
    """Training rows."""
    num_validation: int
    """Validation rows; 0 without a validation split."""
    num_test: int
    """Test rows; 0 without a test split."""
    fingerprint: str
    """SHA-256 over content, columns, targets and split: equal means the same data, split alike."""
    reader: dict[str, Any]
    """Node that makes the reader of single rows: it carries the whole encoding."""
    answer: dict[str, Any]
    """Node of what turns a model's outputs into what a user reads, see `data.answers`."""
