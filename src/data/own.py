"""Datasets of one's own, described well enough to train, evaluate and export."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from data.answers import ClassAnswer, LabelsAnswer, NumbersAnswer
from data.errors import DataError
from data.images.build import choice
from data.info import Info
from data.splits import Splits

Problem = Literal["classification", "multilabel", "regression"]
READ_SAMPLES = 2000
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class OwnInfo(Info):
    """The facts about a user's datasets."""

    reader: Any = None
    """Node that makes the reader of single inputs; None: `predict` takes no files."""
    channels: int
    """First axis of an input of three (pictures); 0 otherwise."""


class Standardised:
    """A dataset of (input, numbers) whose numbers are brought to mean 0 and spread 1.

    Args:
        dataset: map-style, of (input, number) or (input, [numbers]).
        mean: of each target.
        std: likewise.
    """

    def __init__(self, dataset: Any, mean: Sequence[float], std: Sequence[float]) -> None:
        self.dataset = dataset
        self._mean, self._std = np.asarray(mean), np.asarray(std)
        if hasattr(dataset, "names"):
            self.names = dataset.names

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Return the input as it is, and float32 [targets], standardised."""
        import torch

        inputs, target = self.dataset[index]
        values = (_numbers(target) - self._mean) / self._std
        return inputs, torch.from_numpy(values.astype(np.float32))


def splits(
    train: Any,
    validation: Any = None,
    test: Any = None,
    *,
    classes: Sequence[str] = (),
    labels: Sequence[str] = (),
    targets: Sequence[str] = (),
    standardise: bool = True,
    reader: Any = None,
) -> Splits[OwnInfo]:
    """Return datasets of one's own as splits that describe themselves.

    Exactly one of `classes`, `labels` and `targets` says what there is to learn. The first sample,
    and of numbers up to 2,000 training samples, are read.

    Args:
        train: map-style dataset of (input, target) tensors, such as any torch Dataset: the target
            is a class number, or 0 and 1 for each label, or a number for each target.
        validation: likewise, or None.
        test: likewise, or None.
        classes: name of each class (one for each sample).
        labels: name of each label (any number of them for each sample).
        targets: name of each number.
        standardise: let a model learn (number - mean) / std, over the training split; results are
            told in the numbers' own unit all the same.
        reader: makes inputs for `predict` from files: an object with `expand`, `read`, `batch` and
            `node`, see `trainer.protocols.Reader`.

    Raises:
        DataError: not one of the three, an empty split, or samples that are no such pairs.
    """
    given = {"classes": classes, "labels": labels, "targets": targets}
    said = [name for name, value in given.items() if value]
    if len(said) != 1 or isinstance(given[said[0]], str):
        raise DataError(
            "data.own.splits takes one of classes=[names], labels=[names], targets=[names]; say "
            "what there is to learn"
        )
    names = tuple(map(str, given[said[0]]))
    problem: Problem = {  # type: ignore[assignment]
        "classes": "classification",
        "labels": "multilabel",
        "targets": "regression",
    }[said[0]]
    parts = (train, validation, test)
    shape = _input_shape(parts)
    kind = type(train).__name__
    mean, std = (0.0,) * len(names), (1.0,) * len(names)
    counts: tuple[int, ...] = ()
    if problem == "regression":
        if standardise:
            mean, std = _spread(train, names)
        train, validation, test = (_standardised(part, mean, std) for part in parts)
        parts = (train, validation, test)
    elif problem == "classification":
        counts = _counts(train, names)
    answers: dict[str, Any] = {
        "classification": lambda: ClassAnswer(names),
        "multilabel": lambda: LabelsAnswer(names),
        "regression": lambda: NumbersAnswer(names, mean, std),
    }
    numbers = [0 if part is None else len(part) for part in parts]
    is_regression = problem == "regression"
    facts = f"{problem} {names} {shape} {numbers} {counts} {mean} {std}"
    info = OwnInfo(
        problem=problem,
        about=f"{kind} {'x'.join(map(str, shape))}, {len(names)} {said[0]}",
        num_outputs=len(names),
        input_shape=shape,
        channels=shape[0] if len(shape) == 3 else 0,
        num_train=numbers[0],
        num_validation=numbers[1],
        num_test=numbers[2],
        fingerprint=hashlib.sha256(facts.encode()).hexdigest(),
        answer=answers[problem]().node,
        reader=None if reader is None else reader.node,
        classes=() if is_regression else names,
        num_classes=0 if is_regression else len(names),
        class_counts=counts,
        targets=names if is_regression else (),
        target_mean=mean if is_regression else (),
        target_std=std if is_regression else (),
    )
    return Splits(parts[0], parts[1], parts[2], info)


def _input_shape(parts: Sequence[Any]) -> tuple[int, ...]:
    """Return the shape of the first input; raises DataError for what are no datasets of pairs."""
    problems = []
    for split, part in zip(SPLITS, parts, strict=True):
        if part is None and split != "train":
            continue
        if not (hasattr(type(part), "__len__") and hasattr(type(part), "__getitem__")):
            problems.append(
                f"{split} is a {type(part).__name__}, which has no length or can't be indexed; "
                "give a map-style dataset"
            )
        elif len(part) == 0:
            problems.append(
                f"{split} is empty (0 samples); give it some"
                + ("" if split == "train" else ", or None")
            )
    if problems:
        raise DataError(*problems)
    sample = parts[0][0]
    if not (isinstance(sample, tuple | list) and len(sample) == 2 and hasattr(sample[0], "shape")):
        raise DataError(
            f"a sample of {type(parts[0]).__name__} is a {type(sample).__name__}, not (input "
            "tensor, target); return such a pair from __getitem__"
        )
    return tuple(int(size) for size in sample[0].shape)


def _spread(train: Any, names: Sequence[str]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of the training targets, of 2,000 where they are more."""
    known = _at_hand(train)
    if known is None:
        rows = choice(len(train), READ_SAMPLES).tolist()
        known = np.stack([_numbers(train[row][1]) for row in rows])
    values = np.asarray(known, dtype=np.float64).reshape(len(known), -1)
    if values.shape[1] != len(names):
        raise DataError(
            f"{values.shape[1]} numbers in a target, and {len(names)} names in targets ("
            f"{', '.join(names[:5])}); give one for each"
        )
    if not np.isfinite(values).all():
        rows = np.flatnonzero(~np.isfinite(values).all(axis=1))[:5].tolist()
        raise DataError(
            f"training targets are NaN or infinite (such as sample {rows[0]}); mend or leave them "
            "out"
        )
    std = values.std(axis=0)
    std[std == 0] = 1.0
    return tuple(values.mean(axis=0).tolist()), tuple(std.tolist())


def _counts(train: Any, names: Sequence[str]) -> tuple[int, ...]:
    """Return the training samples of each class, where that needs no more than 2,000 reads."""
    known = _at_hand(train)
    if known is None and len(train) <= READ_SAMPLES:
        known = [train[row][1] for row in range(len(train))]
    if known is None:
        return ()
    try:
        labels = np.array([int(label) for label in known])
    except (TypeError, ValueError) as error:
        raise DataError(
            f"targets of {type(train).__name__} are no class numbers ({error}); give 0 to "
            f"{len(names) - 1}"
        ) from error
    bad = np.flatnonzero((labels < 0) | (labels >= len(names)))
    if len(bad):
        raise DataError(
            f"{len(bad)} labels out of range, such as {labels[bad[0]]} of training sample "
            f"{bad[0]}; {len(names)} classes are numbered 0 to {len(names) - 1}"
        )
    return tuple(np.bincount(labels, minlength=len(names)).tolist())


def _standardised(part: Any, mean: Sequence[float], std: Sequence[float]) -> Any:
    """Return a split with standardised targets; tensors stay tensors, which load fastest."""
    from torch.utils.data import TensorDataset

    if type(part) is not TensorDataset:
        return None if part is None else Standardised(part, mean, std)
    import torch

    inputs, targets = part.tensors
    wide = targets.double().reshape(len(targets), -1)
    scaled = (wide - torch.tensor(mean, dtype=torch.float64)) / torch.tensor(
        std, dtype=torch.float64
    )
    return TensorDataset(inputs, scaled.float())


def _at_hand(dataset: Any) -> Any:
    """Return all targets of a dataset where it holds them, or None."""
    tensors = getattr(dataset, "tensors", None)
    if isinstance(tensors, tuple) and len(tensors) == 2:
        return tensors[1].numpy()
    found = getattr(dataset, "targets", getattr(dataset, "labels", None))
    if found is None or isinstance(found, str) or not hasattr(found, "__len__"):
        return None
    return found if len(found) == len(dataset) else None


def _numbers(target: Any) -> Any:
    return np.asarray(target, dtype=np.float64).reshape(-1)
