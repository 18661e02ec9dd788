"""From pixels, labels and three lists of indices to Splits: what all image datasets share."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data import keyed
from data.answers import ClassAnswer
from data.images.reader import ImageReader
from data.info import ImageInfo
from data.pixels.decoding import Fit
from data.splits import Indices, Splits

STATISTICS_SAMPLES = 2000


def choice(count: int, largest: int, seed: int = 0) -> Indices:
    """Return at most `largest` of the numbers below `count`, sorted; always the same ones."""
    order = keyed.permutation(keyed.key(seed, keyed.CHOICE), count)
    return np.sort(order[:largest])


def statistics(pixels: NDArray[np.uint8]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation per channel of pixels [N, C, H, W] / 255, in float64.

    A channel that never changes has the standard deviation 1, so that it can be divided by.
    """
    channels = pixels.shape[1]
    counts = np.stack([np.bincount(pixels[:, c].ravel(), minlength=256) for c in range(channels)])
    values = np.arange(256) / 255
    shares = counts / counts.sum(axis=1, keepdims=True)
    mean = shares @ values
    std = np.sqrt((shares * (values[None, :] - mean[:, None]) ** 2).sum(axis=1))
    std[std == 0] = 1.0
    return tuple(mean.tolist()), tuple(std.tolist())


def fingerprint(content: Any, labels: NDArray[np.int64], parts: Sequence[Indices]) -> str:
    """Return the SHA-256 over the samples' content (a bytes-like object), labels and split."""
    digest = hashlib.sha256(content)
    for array in (labels, *parts):
        digest.update(np.int64(len(array)).tobytes())
        digest.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
    return digest.hexdigest()


def stored_splits(
    pixels: NDArray[np.uint8],
    labels: NDArray[np.int64],
    parts: tuple[Indices, Indices, Indices],
    *,
    classes: Sequence[str],
    names: Sequence[str],
    fit: Fit,
    augment: Any,
    transform: Any,
    content: Any = None,
) -> Splits[ImageInfo]:
    """Return the splits of data whose pixels are all in memory.

    Args:
        pixels: uint8 [N, C, H, W].
        labels: int64 [N].
        parts: sample indices of training, validation and test.
        classes: class names.
        names: what to call each sample.
        fit: how other images are brought to this size, see `data.pixels.decoding.decode`.
        augment: for training samples only, see `data.images.dataset.Images`.
        transform: likewise.
        content: what the fingerprint is taken over; by default the pixels.
    """
    import torch

    from data.images.dataset import Images

    train = parts[0]
    sample = train[choice(len(train), STATISTICS_SAMPLES)]
    mean, std = statistics(pixels[sample])
    content = np.ascontiguousarray(pixels) if content is None else content
    info = image_info(
        classes=classes,
        counts=np.bincount(labels[train], minlength=len(classes)),
        shape=(pixels.shape[1], pixels.shape[2], pixels.shape[3]),
        statistics=(mean, std),
        fit=fit,
        parts=parts,
        mark=fingerprint(content, labels, parts),
    )
    datasets = [
        Images(
            torch.from_numpy(pixels[part]),
            labels[part],
            names=tuple(names[index] for index in part.tolist()),
            mean=mean,
            std=std,
            num_classes=len(classes),
            augment=augment if part is train else None,
            transform=transform if part is train else None,
        )
        if len(part)
        else None
        for part in parts
    ]
    return Splits(datasets[0], datasets[1], datasets[2], info)


def image_info(
    *,
    classes: Sequence[str],
    counts: NDArray[np.int64],
    shape: tuple[int, int, int],
    statistics: tuple[tuple[float, ...], tuple[float, ...]],
    fit: Fit,
    parts: Sequence[Indices],
    mark: str,
) -> ImageInfo:
    """Return the description of split images.

    Args:
        classes: class names.
        counts: training samples of each class, int64 [C].
        shape: (channels, height, width).
        statistics: mean and standard deviation per channel.
        fit: how other images are brought to this size, see `data.pixels.decoding.decode`.
        parts: sample indices of training, validation and test.
        mark: fingerprint.
    """
    return ImageInfo(
        classes=tuple(classes),
        num_classes=len(classes),
        num_outputs=len(classes),
        class_counts=tuple(counts.tolist()),
        channels=shape[0],
        height=shape[1],
        width=shape[2],
        input_shape=shape,
        mean=statistics[0],
        std=statistics[1],
        num_train=len(parts[0]),
        num_validation=len(parts[1]),
        num_test=len(parts[2]),
        fingerprint=mark,
        reader=ImageReader(
            height=shape[1],
            width=shape[2],
            channels=shape[0],
            fit=fit,
            mean=statistics[0],
            std=statistics[1],
        ).node,
        answer=ClassAnswer(classes).node,
        about=f"{shape[0]}x{shape[1]}x{shape[2]}, {len(classes)} classes",
    )
