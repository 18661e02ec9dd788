"""The files of a folder of images: all decoded at once, or splits that decode them on demand."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.build import fingerprint, image_info, statistics
from data.image_folder import failures
from data.info import ImageInfo
from data.pixels import Fit
from data.splits import Indices, Splits


def decoded(
    folder: Path,
    names: Sequence[str],
    shape: tuple[int, int, int],
    fit: Fit,
    but: Collection[int] = (),
) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Decode files to uint8 [N, C, H, W], `shape` being (C, H, W).

    Also returns why files can't be decoded, by their place in `names`; their pixels mean nothing,
    nor do those of the places in `but`, which aren't tried.
    """
    from data.files import Files

    channels, height, width = shape
    files = Files(folder, tuple(names), height, width, channels, fit)
    pixels = np.zeros((len(names), *shape), dtype=np.uint8)

    def store(place: int) -> None:
        pixels[place] = files.one(place).transpose(2, 0, 1)

    return pixels, failures(store, [place for place in range(len(names)) if place not in but])


def file_splits(
    folder: Path,
    pixels: NDArray[np.uint8],
    labels: NDArray[np.int64],
    parts: tuple[Indices, Indices, Indices],
    *,
    classes: Sequence[str],
    names: Sequence[str],
    fit: Fit,
    augment: Any,
    transform: Any,
    content: bytes,
) -> Splits[ImageInfo]:
    """Return splits whose files are decoded on demand.

    Args:
        folder: what `names` are relative to.
        pixels: of the training images that the statistics are taken over, uint8 [N, C, H, W].
        labels: class of each file.
        parts: indices of training, validation and test.
        classes: class names.
        names: path of each file.
        fit: see `data.pixels.decode`.
        augment: for training samples only, see `data.dataset.Images`.
        transform: likewise.
        content: what the fingerprint is taken over.
    """
    from data.dataset import Images
    from data.files import Files

    channels, height, width = pixels.shape[1:]
    info = image_info(
        classes=classes,
        shape=(channels, height, width),
        statistics=statistics(pixels),
        fit=fit,
        parts=parts,
        mark=fingerprint(content, labels, parts),
    )
    datasets = []
    for part in parts:
        own = tuple(names[index] for index in part.tolist())
        datasets.append(
            Images(
                Files(folder, own, height, width, channels, fit),
                labels[part],
                names=own,
                mean=info.mean,
                std=info.std,
                augment=augment if part is parts[0] else None,
                transform=transform if part is parts[0] else None,
            )
            if own
            else None
        )
    return Splits(datasets[0], datasets[1], datasets[2], info)
