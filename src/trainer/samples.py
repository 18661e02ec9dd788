"""Single samples, looked at where a batch or a loss can't say which of them is wrong."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from trainer.facts import problem_of
from trainer.run import Run

SPLITS = ("train", "validation", "test")


def labels_at_hand(run: Run, dataset: Any) -> Tensor | None:
    """All class labels of a dataset as int64 [N], where they can be had without reading samples."""
    if problem_of(run.splits.info) != "classification":
        return None
    labels = getattr(dataset, "labels", getattr(dataset, "targets", None))
    tensors, target = getattr(dataset, "tensors", None), getattr(run.task, "target", 1)
    if labels is None and isinstance(tensors, tuple) and isinstance(target, int):
        labels = tensors[target] if target < len(tensors) else None
    try:
        found = torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError):
        return None  # names, or something else that is called alike
    if found.is_floating_point() or found.is_complex() or found.dim() != 1:
        return None
    return found


def label_problems(run: Run) -> Iterator[str]:
    """A line for each split with labels at hand that are out of range."""
    for split in SPLITS:
        dataset = getattr(run.splits, split)
        labels = None if dataset is None else labels_at_hand(run, dataset)
        if labels is None:
            continue
        rows = ((labels < 0) | (labels >= run.splits.info.num_classes)).nonzero().flatten().tolist()
        bad = [row for row in rows if not in_range(run, int(labels[row]))]
        if bad:
            where = ", ".join(f"{int(labels[row])} at row {row}" for row in bad[:5])
            many = "1 label" if len(bad) == 1 else f"{len(bad)} labels"
            yield f"{many} of the {split} split out of range ({where}); {allowed(run)}"


def label_warnings(run: Run) -> Iterator[str]:
    """What is odd about labels at hand without being wrong."""
    ignored = getattr(getattr(run.task, "objective", None), "ignore_index", None)
    for split in SPLITS:
        dataset = getattr(run.splits, split)
        labels = None if dataset is None else labels_at_hand(run, dataset)
        if labels is None:
            continue
        if number := int((labels == ignored).sum()) if ignored is not None else 0:
            yield f"{number} labels of the {split} split are {ignored}, which the loss ignores"
        present = labels[labels != ignored].unique() if ignored is not None else labels.unique()
        if split == "train" and len(present) == 1 and run.splits.info.num_classes > 1:
            yield (
                f"only one class ({run.splits.info.classes[int(present)]!r}) comes in the train "
                "split: any model will learn to say nothing else"
            )


def in_range(run: Run, label: int) -> bool:
    """Whether a label names a class, or is the one that the loss ignores."""
    ignored = getattr(getattr(run.task, "objective", None), "ignore_index", None)
    return 0 <= label < run.splits.info.num_classes or label == ignored


def allowed(run: Run) -> str:
    """What labels have to be."""
    classes = run.splits.info.num_classes
    return f"labels have to be 0 to {classes - 1} for {classes} classes"


def late_label(run: Run, steps_back: int) -> str:
    """The line about a label out of range that failed while running, "" where none is found.

    Looks at the batches of the last steps, then at the splits that are evaluated; only where the
    labels were not at hand before.
    """
    if problem_of(run.splits.info) != "classification":
        return ""
    trainer, loader = run.trainer, run.loaders.train
    end = trainer.epoch * len(loader) + trainer.batch
    first = max(0, end - steps_back * run.options.accumulate)
    seen = [i for k in range(first, end) for i in loader.indices(*divmod(k, len(loader)))]
    for split in SPLITS:
        dataset = getattr(run.splits, split)
        if dataset is None or labels_at_hand(run, dataset) is not None:
            continue
        for index in seen if split == "train" else range(len(dataset)):
            label = label_of(run, dataset[index])
            where = f"of sample {index} in the {split} split"
            if isinstance(label, float):
                return f"label {label:g} {where} is no whole number; {allowed(run)}"
            if label is not None and not in_range(run, label):
                return f"label {label} {where} is out of range; {allowed(run)}"
    return ""


def label_of(run: Run, sample: Any) -> int | float | None:
    """The class label of one sample; None where it is no number."""
    try:
        label = torch.as_tensor(sample[getattr(run.task, "target", 1)])
    except (TypeError, ValueError, RuntimeError, KeyError, IndexError):
        return None
    if label.numel() != 1 or label.is_complex():
        return None
    return float(label) if label.is_floating_point() else int(label)


def not_finite(run: Run, samples: Iterable[int]) -> str:
    """Name the first of some training samples that holds NaN or infinity, "" where none does."""
    for index in samples:
        if any(not math.isfinite(size) for size in magnitudes(run.splits.train[index])):
            return f"sample {index} of the train split holds NaN or infinity"
    return ""


def magnitudes(value: Any) -> Iterable[float]:
    """The largest magnitude in each part of a sample that holds floats: finite if all are."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple | list):
        return [size for part in value for size in magnitudes(part)]
    if isinstance(value, float):
        return [value]
    dtype = getattr(value, "dtype", None)
    if dtype is None or "float" not in str(dtype):
        return []
    return [float(abs(value).max())] if 0 not in value.shape else []
