"""Small data of every kind, sound or with a fault, through the protocol of a dataset alone."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from data.images.dataset import Images
from data.splits import Splits


@dataclass(frozen=True)
class VectorInfo:
    """Of rows of numbers, or anything else that has no kind."""

    kind: ClassVar[str] = ""
    classes: tuple[str, ...] = ("no", "yes")
    num_classes: int = 2
    problem: str = "classification"
    columns: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    target_mean: tuple[float, ...] = ()
    target_std: tuple[float, ...] = ()
    height: int = 0
    width: int = 0
    length: int = 0
    sample_rate: int = 0


@dataclass(frozen=True)
class TextInfo(VectorInfo):
    """Of texts."""

    kind = "text"


@dataclass(frozen=True)
class AudioInfo(VectorInfo):
    """Of recordings."""

    kind = "audio"


@dataclass(frozen=True)
class SeriesInfo(VectorInfo):
    """Of series."""

    kind = "series"


class Named:
    """Tensors with names, all in memory."""

    is_augmented = False
    is_costly = False

    def __init__(self, inputs: Any, targets: Any, names: list[str]) -> None:
        self.tensors = torch.as_tensor(inputs), torch.as_tensor(targets)
        self.names = names
        self.resident_bytes: int | None = sum(tensor.nbytes for tensor in self.tensors)
        if self.tensors[1].dtype == torch.int64 and self.tensors[1].dim() == 1:
            self.labels = self.tensors[1]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Any:
        return tuple(tensor[index] for tensor in self.tensors)

    def fetch(self, indices: Any, epoch: int, seed: int) -> Any:
        """Return the rows of both."""
        return tuple(tensor[torch.from_numpy(indices)] for tensor in self.tensors)

    def finish(self, batch: Any, indices: Any, epoch: int, seed: int) -> Any:
        """Return the batch as it is."""
        return batch


class Raw:
    """Samples that are read one by one, with or without a text."""

    def __init__(self, values: list[Any], labels: Any, names: list[str]) -> None:
        self.values, self.names = values, names
        self.labels = torch.as_tensor(labels)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.values[index], int(self.labels[index])

    def raw(self, index: int) -> Any:
        """One sample as the reader gives it."""
        return self.values[index]


class Texts(Raw):
    """Texts."""

    def sample_text(self, index: int) -> str:
        """One text."""
        text: str = self.values[index]
        return text


def cut(count: int) -> tuple[slice, slice, slice]:
    """Six tenths to train, two to validate, two to test."""
    return (
        slice(0, count * 6 // 10),
        slice(count * 6 // 10, count * 8 // 10),
        slice(count * 8 // 10, count),
    )


def split(make: Any, values: Any, labels: Any, names: list[str], info: Any) -> Splits[Any]:
    """Splits over samples in their order; `make` is a dataset's class."""
    train, validation, test = (
        make(values[own], labels[own], names[own]) for own in cut(len(values))
    )
    return Splits(train, validation, test, info)


def names_of(count: int, kind: str = "row") -> list[str]:
    """Names that don't sort as numbers do."""
    return [f"{kind} {number}" for number in range(count)]


def vectors(
    values: NDArray[Any] | None = None, labels: NDArray[Any] | None = None, **facts: Any
) -> Splits[Any]:
    """Rows of five numbers, two classes."""
    values = clean_values() if values is None else values
    labels = clean_labels(len(values)) if labels is None else labels
    info = replace(VectorInfo(), **facts)
    return split(Named, values, labels, names_of(len(values)), info)


def clean_values(count: int = 400, columns: int = 5) -> NDArray[np.float32]:
    """Numbers without a fault, the first of which has to do with the labels."""
    values = np.random.default_rng(0).normal(size=(count, columns)).astype(np.float32)
    values[:, 0] += clean_labels(count)
    return values


def clean_labels(count: int = 400) -> NDArray[np.int64]:
    """Two classes by turns."""
    return np.arange(count) % 2


def pictures(
    values: NDArray[np.uint8] | None = None, labels: NDArray[Any] | None = None
) -> Splits[Any]:
    """Coloured pictures of 32 x 32, each of random waves."""
    values = clean_pictures() if values is None else values
    labels = clean_labels(len(values)) if labels is None else labels

    def make(own: Any, classes: Any, names: list[str]) -> Images:
        pixels = torch.from_numpy(np.ascontiguousarray(own.transpose(0, 3, 1, 2)))
        return Images(pixels, classes, names=names, mean=[0.0] * 3, std=[1.0] * 3)

    info = VectorInfo(height=32, width=32)
    return split(make, values, labels, names_of(len(values), "picture"), info)


def clean_pictures(count: int = 100, side: int = 32) -> NDArray[np.uint8]:
    """Pictures uint8 [count, side, side, 3] that have nothing in common."""
    random = np.random.default_rng(1)
    grid = np.linspace(0, 1, side)
    waves = random.normal(size=(count, 5, 5, 3))
    basis = np.cos(np.pi * np.arange(5)[:, None] * grid)
    shades = np.einsum("nabc,ay,bx->nyxc", waves, basis, basis)
    shades -= shades.min(axis=(1, 2, 3), keepdims=True)
    return np.asarray(255 * shades / shades.max(axis=(1, 2, 3), keepdims=True), dtype=np.uint8)


WORDS = ["red", "green", "blue", "small", "large", "old", "new", "quick", "slow", "happy", "sad"]


def clean_texts(count: int = 100) -> list[str]:
    """Sentences of 14 words that don't come twice."""
    random = np.random.default_rng(2)
    return [" ".join(random.choice(WORDS, 14)) + f" {number}." for number in range(count)]


def texts(values: list[str] | None = None, labels: Any = None) -> Splits[Any]:
    """Labelled texts."""
    values = clean_texts() if values is None else values
    labels = clean_labels(len(values)) if labels is None else labels
    return split(Texts, values, labels, names_of(len(values), "text"), TextInfo())


def clean_waves(count: int = 60, seconds: float = 0.5) -> list[NDArray[np.float32]]:
    """Tones with noise, at 8 kHz."""
    random = np.random.default_rng(3)
    time = np.arange(int(8000 * seconds)) / 8000
    return [
        np.asarray(
            0.3 * np.sin(2 * np.pi * random.uniform(200, 2000) * time)
            + 0.01 * random.normal(size=len(time)),
            dtype=np.float32,
        )
        for _ in range(count)
    ]


def waves(values: list[Any] | None = None) -> Splits[Any]:
    """Labelled recordings."""
    values = clean_waves() if values is None else values
    labels = clean_labels(len(values))
    info = AudioInfo(sample_rate=8000)
    return split(Raw, values, labels, names_of(len(values), "sound"), info)


def shuffled(splits: Splits[Any], seed: int = 5) -> Splits[Any]:
    """The same samples with their names, in another order within each split."""
    parts = []
    for name in ("train", "validation", "test"):
        dataset = getattr(splits, name)
        order = np.random.default_rng(seed).permutation(len(dataset))
        names = [dataset.names[row] for row in order]
        if isinstance(dataset, Images):
            pixels = dataset.samples[torch.from_numpy(order)]  # type: ignore[index]
            moved: Any = Images(
                pixels, dataset.labels[order], names=names, mean=[0.0] * 3, std=[1.0] * 3
            )
        elif isinstance(dataset, Named):
            moved = Named(dataset.tensors[0][order], dataset.tensors[1][order], names)
        else:
            values = [dataset.values[row] for row in order]
            moved = type(dataset)(values, dataset.labels[order], names)
        parts.append(moved)
    return Splits(parts[0], parts[1], parts[2], splits.info)


def said(splits: Splits[Any], *levels: str, folder: Path | None = None) -> list[str]:
    """The lines of an audit that have one of the levels, by default of errors and warnings."""
    from data.audit import audit

    wanted = levels or ("error", "warning")
    found = audit(splits, folder=folder).findings
    return [f"{each.level}: {each.line}" for each in found if each.level in wanted]
