"""The user's own images: a folder for each class, or split folders with classes in them."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from data.bad_samples import option_problems
from data.build import STATISTICS_SAMPLES, choice, stored_splits
from data.errors import DataError
from data.folds import fold_problems, folded
from data.image_files import decoded, file_splits
from data.image_folder import WHOLE, Listing, existing_folder, failures, scan
from data.info import ImageInfo
from data.left_out import judge, without
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
    on_error: Literal["stop", "skip"] = "stop",
    max_bad: int = 20,
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
        on_error: files that can't be read are an error ("stop"), or are left out ("skip") after the
            split, which they don't change; `Splits.bad` names them. As in `data.loaders.loader`.
        max_bad: with "skip", so many may be left out.

    Raises:
        DataError: all that is wrong with the arguments, or with the folder and its files.
    """
    height, width = _checked_arguments(
        size, channels, fit, validation, test, folds, fold, option_problems(on_error, max_bad)
    )
    folder = existing_folder(path)
    listing = scan(folder)
    if listing.ignored:
        shown = ", ".join(listing.ignored[:3]) + (", ..." if len(listing.ignored) > 3 else "")
        logger.warning(
            "%d ignored in %s, no image of a class: %s", len(listing.ignored), folder, shown
        )
    num_bytes = len(listing.names) * channels * height * width
    cached = num_bytes <= CACHE_BYTES if cache == "auto" else cache
    bad = {place: why for place, name in enumerate(listing.names) if (why := listing.bad.get(name))}
    if not cached or listing.problems:
        chosen = choice(len(listing.names), VERIFIED_FILES).tolist()
        unseen = [place for place in chosen if place not in bad]
        bad |= failures(lambda place: verify(folder / listing.names[place]), unseen)
    if listing.problems:
        judge(listing.problems, list(bad.values()), on_error, max_bad)

    labels = np.array(listing.labels, dtype=np.int64)
    parts = folded(
        _parts(listing, labels, validation, test, split_seed),
        labels,
        folds=folds,
        fold=fold,
        seed=split_seed,
        classes=listing.classes,
    )
    sized = [f"{name} {_size(folder / name)}" for name in listing.names]
    shape = (channels, height, width)
    # Names and sizes stand for the content: reading every byte of a large folder takes too long.
    content = "\n".join([f"{channels} {height} {width} {fit}", *sized]).encode()
    named: dict[str, Any] = {"names": listing.names, "classes": listing.classes}
    options: dict[str, Any] = {"augment": augment, "transform": transform, "content": content}
    if cached:
        pixels, undecoded = decoded(folder, listing.names, shape, fit, but=bad)
    else:
        # Decoded on demand; now only those that the statistics are taken over.
        train = [place for place in parts[0].tolist() if place not in bad]
        drawn = [train[number] for number in choice(len(train), STATISTICS_SAMPLES)]
        pixels, found = decoded(folder, [listing.names[place] for place in drawn], shape, fit)
        undecoded = {drawn[number]: why for number, why in found.items()}
        pixels = np.delete(pixels, list(found), axis=0)
    bad |= undecoded
    judge([], list(bad.values()), on_error, max_bad)
    parts, left_out = without(parts, bad, labels, **named)
    make = stored_splits if cached else partial(file_splits, folder)
    return replace(make(pixels, labels, parts, fit=fit, **named, **options), bad=left_out)


def _checked_arguments(
    size: int | Sequence[int],
    channels: int,
    fit: str,
    validation: float,
    test: float,
    folds: int | None,
    fold: int | None,
    problems: list[str],
) -> tuple[int, int]:
    """Return (height, width), or raise DataError with every argument that is out of range."""
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


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1  # a broken link that is left out
