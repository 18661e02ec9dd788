"""The user's own images: a folder for each class, or split folders with classes in them."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from data.build import (
    STATISTICS_SAMPLES,
    choice,
    fingerprint,
    image_info,
    statistics,
    stored_splits,
)
from data.errors import DataError
from data.folds import fold_problems, folded
from data.image_folder import WHOLE, Listing, existing_folder, failures, scan
from data.info import ImageInfo
from data.pixels import FITS, Fit, verify
from data.splits import Indices, Splits, check_fractions, stratified

VERIFIED_FILES = 2000
CACHE_BYTES = 1 << 30
logger = logging.getLogger(__name__)


def images(
    path: str | Path | None = None,
    *,
    size: int | Sequence[int] = 64,
    channels: int = 3,
    fit: Fit = "crop",
    validation: float = 0.1,
    test: float = 0.2,
    split_seed: int = 0,
    folds: int | None = None,
    fold: int | None = None,
    augment: Any = None,
    transform: Any = None,
    cache: bool | Literal["auto"] = "auto",
) -> Splits[ImageInfo]:
    """Return the images of a folder, split into training, validation and test.

    Two layouts: `path/CLASS/*.jpg`, or `path/train/CLASS/*.jpg` with test/ and val/ (valid/,
    validation/) beside it; a split that has no folder is split off the training images.
    Hidden files are left out, files of unknown kind too, which is said. Every file's header is
    checked, of more than 2,000 files a fixed sample; with `cache` every file is decoded at once.

    Args:
        path: the folder.
        size: rows and columns of the decoded images: one number, or [height, width].
        channels: 1 for gray, 3 for RGB.
        fit: how an image is brought to that size, see `data.pixels.decode`; "ink" for drawings.
        validation: fraction of the images that are split, 0 for none.
        test: likewise.
        split_seed: which stratified split; independent of the run's seed.
        folds: divide all but the test into so many stratified parts, see `data.folds`.
            A validation folder is divided with the rest.
        fold: which of them, from 0, is the validation; `validation` then has no effect.
        augment: for training batches, e.g. `data.augmentation.RandomAffine`.
        transform: for single training samples, e.g. a torchvision v2 transform.
        cache: keep all decoded pixels in memory; "auto" does where they take 1 GiB or less,
            otherwise files are decoded whenever they are needed.

    Raises:
        DataError: all that is wrong with the arguments, or with the folder and its files.
    """
    height, width = _checked_arguments(size, channels, fit, validation, test, folds, fold)
    folder = existing_folder(path)
    listing = scan(folder)
    if listing.ignored:
        shown = ", ".join(listing.ignored[:3]) + (", ..." if len(listing.ignored) > 3 else "")
        logger.warning(
            "%d ignored in %s, no image of a class: %s", len(listing.ignored), folder, shown
        )
    num_bytes = len(listing.names) * channels * height * width
    cached = num_bytes <= CACHE_BYTES if cache == "auto" else cache
    if not cached or listing.problems:
        verified = choice(len(listing.names), VERIFIED_FILES)
        listing.problems += failures(
            lambda index: verify(folder / listing.names[index]), verified.tolist()
        )
    if listing.problems:
        raise DataError(*listing.problems)

    labels = np.array(listing.labels, dtype=np.int64)
    parts = folded(
        _parts(listing, labels, validation, test, split_seed),
        labels,
        folds=folds,
        fold=fold,
        seed=split_seed,
        classes=listing.classes,
    )
    # Names and sizes stand for the content: reading every byte of a large folder takes too long.
    facts = [f"{name} {(folder / name).stat().st_size}" for name in listing.names]
    content = "\n".join([f"{channels} {height} {width} {fit}", *facts]).encode()
    shape = (channels, height, width)
    if cached:
        return stored_splits(
            _pixels(folder, listing.names, shape, fit),
            labels,
            parts,
            classes=listing.classes,
            names=listing.names,
            fit=fit,
            augment=augment,
            transform=transform,
            content=content,
        )
    return _file_splits(folder, listing, labels, parts, shape, fit, augment, transform, content)


def _checked_arguments(
    size: int | Sequence[int],
    channels: int,
    fit: str,
    validation: float,
    test: float,
    folds: int | None,
    fold: int | None,
) -> tuple[int, int]:
    """Return (height, width), or raise DataError with every argument that is out of range."""
    problems = []
    sides = [size, size] if isinstance(size, int) else list(size)
    if len(sides) != 2 or any(not isinstance(side, int) or side < 1 for side in sides):
        problems.append(f"size ({size}) in data.size; give a number of pixels or [height, width]")
    if channels not in (1, 3):
        problems.append(f"channels ({channels}) in data.channels; give 1 for gray or 3 for RGB")
    if fit not in FITS:
        problems.append(f"fit ({fit!r}) in data.fit; choose {', '.join(FITS)}")
    try:
        check_fractions(validation=validation, test=test)
    except DataError as error:
        problems += error.problems
    problems += fold_problems(folds, fold)
    if problems:
        raise DataError(*problems)
    return sides[0], sides[1]


def _parts(
    listing: Listing, labels: NDArray[np.int64], validation: float, test: float, seed: int
) -> tuple[Indices, Indices, Indices]:
    """Return the indices of each split; what the folder has not split yet is split here."""
    groups = np.array(listing.groups)
    given = {name: np.flatnonzero(groups == name) for name in ("validation", "test")}
    rest = np.flatnonzero((groups == "train") | (groups == WHOLE))
    train, split_validation, split_test = stratified(
        labels[rest],
        validation=0 if len(given["validation"]) else validation,
        test=0 if len(given["test"]) else test,
        seed=seed,
        classes=listing.classes,
    )
    return (
        rest[train],
        given["validation"] if len(given["validation"]) else rest[split_validation],
        given["test"] if len(given["test"]) else rest[split_test],
    )


def _pixels(
    folder: Path, names: Sequence[str], shape: tuple[int, int, int], fit: Fit
) -> NDArray[np.uint8]:
    """Decode all files to uint8 [N, C, H, W], or raise DataError with all that fail."""
    from data.files import Files

    channels, height, width = shape
    files = Files(folder, tuple(names), height, width, channels, fit)
    pixels = np.empty((len(names), *shape), dtype=np.uint8)

    def store(index: int) -> None:
        pixels[index] = files.one(index).transpose(2, 0, 1)

    problems = failures(store, range(len(names)))
    if problems:
        raise DataError(*problems)
    return pixels


def _file_splits(
    folder: Path,
    listing: Listing,
    labels: NDArray[np.int64],
    parts: tuple[Indices, Indices, Indices],
    shape: tuple[int, int, int],
    fit: Fit,
    augment: Any,
    transform: Any,
    content: bytes,
) -> Splits[ImageInfo]:
    """Return splits whose files are decoded on demand."""
    from data.dataset import Images
    from data.files import Files

    train = parts[0]
    chosen = train[choice(len(train), STATISTICS_SAMPLES)]
    sample = _pixels(folder, [listing.names[index] for index in chosen.tolist()], shape, fit)
    info = image_info(
        classes=listing.classes,
        shape=shape,
        statistics=statistics(sample),
        fit=fit,
        parts=parts,
        mark=fingerprint(content, labels, parts),
    )
    channels, height, width = shape
    datasets = []
    for part in parts:
        names = tuple(listing.names[index] for index in part.tolist())
        datasets.append(
            Images(
                Files(folder, names, height, width, channels, fit),
                labels[part],
                names=names,
                mean=info.mean,
                std=info.std,
                augment=augment if part is train else None,
                transform=transform if part is train else None,
            )
            if names
            else None
        )
    return Splits(datasets[0], datasets[1], datasets[2], info)
