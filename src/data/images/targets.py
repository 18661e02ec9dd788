"""What is to be learnt of images: one class, several labels, or numbers. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.answers import LabelsAnswer, NumbersAnswer
from data.info import ImageInfo
from data.splits import Indices

PROBLEMS = ("classification", "multilabel", "regression")


@dataclass(frozen=True)
class Targets:
    """The truth about every sample."""

    problem: str
    """One of `PROBLEMS`."""
    names: tuple[str, ...]
    """Classes, labels, or what the numbers are called."""
    values: NDArray[Any]
    """Classes as int64 [N]; labels as 0 and 1, or numbers, as float64 [N, K]."""

    @property
    def split_labels(self) -> NDArray[np.int64] | None:
        """What a stratified split keeps the shares of; None for numbers."""
        return None if self.problem == "regression" else self.values.astype(np.int64)

    @property
    def shared_labels(self) -> NDArray[np.int64]:
        """The same, with one class for all samples in place of None."""
        found = self.split_labels
        return np.zeros(len(self.values), dtype=np.int64) if found is None else found

    @property
    def marks(self) -> NDArray[np.int64]:
        """What a fingerprint is taken over, int64: classes, or the bits of the numbers."""
        if self.values.ndim == 1:
            return self.values
        return np.ascontiguousarray(self.values, dtype=np.float64).view(np.int64).ravel()

    def scales(self, train: Indices) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return mean and standard deviation of each number in the training split."""
        if self.problem != "regression":
            return (), ()
        mean, std = self.values[train].mean(axis=0), self.values[train].std(axis=0)
        std[std == 0] = 1.0
        return tuple(mean.tolist()), tuple(std.tolist())

    def scaled(self, part: Indices, info: ImageInfo) -> NDArray[Any]:
        """Return what a model is to give for the samples of a part."""
        return scaled(self.values[part], info)

    def counts(self, train: Indices) -> NDArray[np.int64]:
        """Return the training samples of each class or with each label."""
        own = self.values[train]
        counts = np.bincount(own, minlength=len(self.names)) if own.ndim == 1 else own.sum(axis=0)
        return np.asarray(counts, dtype=np.int64)

    def described(self, info: ImageInfo, train: Indices) -> ImageInfo:
        """Return `info`, made for classes, with what it has to say of other targets."""
        if self.problem == "classification":
            return info
        size = "x".join(map(str, info.input_shape))
        if self.problem == "multilabel":
            return replace(
                info,
                problem="multilabel",
                answer=LabelsAnswer(self.names).node,
                about=f"{size}, {len(self.names)} labels",
            )
        mean, std = self.scales(train)
        return replace(
            info,
            problem="regression",
            classes=(),
            num_classes=0,
            class_counts=(),
            targets=self.names,
            target_mean=mean,
            target_std=std,
            answer=NumbersAnswer(self.names, mean, std).node,
            about=f"{size}, {_few(self.names)} as numbers",
        )


def scaled(values: NDArray[Any], info: Any) -> NDArray[Any]:
    """Return classes as they are, all else as float32 [N, K]; numbers standardised by `info`."""
    if values.ndim == 1:
        return values
    if info.problem != "regression":
        return values.astype(np.float32)
    standard = (values - np.array(info.target_mean)) / np.array(info.target_std)
    return np.asarray(standard, dtype=np.float32)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
