"""The user's own images: folders of classes, or a table with a column of paths."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from data.augmentation.batches import named as named_augmentation
from data.bad_samples import failures
from data.errors import DataError
from data.folds import fold_problems
from data.images.build import choice
from data.images.folder import WHOLE, Listing, existing_path, scan
from data.images.look import look_images
from data.images.options import Cache, Settings, cache_kind, checked, sides, size_problems
from data.images.sets import image_splits
from data.images.table import scan_table
from data.images.targets import Targets
from data.info import ImageInfo
from data.left_out import Parts, judge
from data.pixels.decoding import Fit, verify
from data.splits import Splits, check_fractions
from data.splitting import split as divided

__all__ = ["images", "look_images"]

VERIFIED_FILES = 2000
WAYS = ("stratified", "random", "hash", "group", "column")
logger = logging.getLogger(__name__)


def images(
    path: str | Path | None = None,
    *,
    file: str | None = None,
    target: str | Sequence[str] | None = None,
    problem: str | None = None,
    root: str | Path | None = None,
    group: str | None = None,
    split_column: str | None = None,
    separator: str | None = None,
    encoding: str | None = None,
    decimal: str | None = None,
    size: int | Sequence[int] = 64,
    channels: int = 3,
    fit: Fit = "crop",
    validation: float = 0.1,
    test: float = 0.2,
    split: str | None = None,
    splits: str | Path | None = None,
    split_seed: int = 0,
    folds: int | None = None,
    fold: int | None = None,
    augment: Any = None,
    source_size: int | None = None,
    transform: Any = None,
    cache: Cache = "auto",
    on_error: Literal["stop", "skip"] = "stop",
    max_bad: int = 20,
) -> Splits[ImageInfo]:
    """Return the images of a folder or a table, split into training, validation and test.

    Two folder layouts: `path/CLASS/*.jpg`, or `path/train/CLASS/*.jpg` with test/ and val/ (valid/,
    validation/) beside it; a split that has no folder is split off the training images. Or a table
    (CSV, TSV, Parquet) with a column of paths and one or several of what is to be learnt.
    Hidden files are left out, files of unknown kind too, which is said. Every file's header is
    checked, of more than 2,000 files a fixed sample; with a cache every file is decoded at once.

    Args:
        path: the folder, or the table.
        file: table: the column of paths; by default the one whose entries are image files.
        target: table: what is to be learnt, one column or several; by default found.
        problem: table: "classification", "multilabel" or "regression"; by default found.
        root: table: the folder that its paths are relative to; by default the table's own.
        group: table: a column; samples of one group stay in one split.
        split_column: table: a column that says train, validation or test; by default one called
            "split" that does.
        separator: table: between cells, where guessing fails.
        encoding: table: of its characters, likewise.
        decimal: table: "," for numbers such as 1,5.
        size: rows and columns of the decoded images: one number, or [height, width].
        channels: 1 for gray, 3 for RGB.
        fit: how an image is brought to that size, see `data.pixels.decoding`; "ink" for drawings.
        validation: fraction of the images that are split, 0 for none.
        test: likewise.
        split: "stratified", "random", "hash" (by name), "group" or "column"; by default by what
            there is.
        splits: path of a splits.csv to follow instead.
        split_seed: which split; independent of the run's seed.
        folds: divide all but the test into so many parts, see `data.folds`.
            A validation folder is divided with the rest.
        fold: which of them, from 0, is the validation; `validation` then has no effect.
        augment: for training, e.g. `data.augmentation.RandomAffine` or `RandomResizedCrop`.
        source_size: shorter side of the pictures that RandomResizedCrop cuts from, at most; by
            default twice that of `size`.
        transform: for single training samples, e.g. a torchvision v2 transform, or the name of
            one, see `data.augmentation.policies`.
        cache: keep all decoded pixels in "memory", on "disk" (FIVESTEP_CACHE, ~/.cache/fivestep),
            or not (false); "auto" is memory where they take 1 GiB or less.
        on_error: files that can't be read are an error ("stop"), or are left out ("skip") after the
            split, which they don't change; `Splits.bad` names them. As in `data.loading.loaders`.
        max_bad: with "skip", so many may be left out.

    Raises:
        DataError: all that is wrong with the arguments, or with the data and its files.
    """
    settings = Settings(
        named_augmentation(augment), transform, cache, source_size, on_error, max_bad
    )
    table_options: dict[str, Any] = {
        "file": file,
        "target": target,
        "problem": problem,
        "root": root,
        "group": group,
        "split_column": split_column,
        "separator": separator,
        "encoding": encoding,
        "decimal": decimal,
    }
    checked(
        settings.problems()
        + size_problems(size, channels, fit)
        + _split_problems(validation, test, folds, fold, split)
    )
    place = existing_path(path)
    if place.is_file():
        listing = scan_table(place, **table_options)
    else:
        _refuse_table_options(place, table_options)
        listing = scan(place)
    folder = listing.root or place
    _tell_ignored(listing, folder)

    from data.images.files import Files

    height, width = sides(size)
    source = Files(folder, tuple(listing.names), height, width, channels, fit)
    targets = listing.targets
    if listing.problems:
        parts: Parts = (np.arange(len(source)), np.array([], int), np.array([], int))
    else:
        parts = _parts(listing, targets, validation, test, split, splits, split_seed, folds, fold)
    kind = cache_kind(settings, source, len(parts[0])) if len(source) else "none"
    bad = {at: why for at, name in enumerate(listing.names) if (why := listing.bad.get(name))}
    if kind == "none" or listing.problems:
        unseen = [at for at in choice(len(source), VERIFIED_FILES).tolist() if at not in bad]
        bad |= failures(lambda at: verify(folder / listing.names[at]), unseen)
    if listing.problems:
        judge(listing.problems, list(bad.values()), on_error, max_bad)
    # Names and sizes stand for the content: reading every byte of a large folder takes too long.
    sized = [f"{name} {_size(folder / name)}" for name in listing.names]
    content = "\n".join([f"{channels} {height} {width} {fit}", *sized]).encode()
    return image_splits(
        source, targets, parts, settings=settings, kind=kind, bad=bad, content=content
    )


def _split_problems(
    validation: float, test: float, folds: int | None, fold: int | None, split: str | None
) -> list[str]:
    problems: list[str] = []
    try:
        check_fractions(validation=validation, test=test)
    except DataError as error:
        problems += error.problems
    if split is not None and split not in WAYS:
        problems.append(f"split ({split!r}) in data.split; choose {', '.join(WAYS)}")
    return problems + fold_problems(folds, fold)


def _refuse_table_options(folder: Path, options: dict[str, Any]) -> None:
    """A folder has no columns."""
    named = [f"data.{name}" for name, value in options.items() if value is not None]
    if named:
        raise DataError(
            f"{folder} in data.path is a folder, and {', '.join(named)} are for tables; leave them "
            "out, or give a CSV or Parquet file"
        )


def _tell_ignored(listing: Listing, folder: Path) -> None:
    if listing.ignored:
        shown = ", ".join(listing.ignored[:3]) + (", ..." if len(listing.ignored) > 3 else "")
        logger.warning(
            "%d ignored in %s, no image of a class: %s", len(listing.ignored), folder, shown
        )


def _parts(
    listing: Listing,
    targets: Targets,
    validation: float,
    test: float,
    split: str | None,
    splits: str | Path | None,
    seed: int,
    folds: int | None,
    fold: int | None,
) -> Parts:
    """Return the indices of each split; what the data has not split yet is split here."""
    given = [("" if group == WHOLE else group) for group in listing.groups]
    return divided(
        count=len(listing.names),
        method=split,
        validation=validation,
        test=test,
        seed=seed,
        labels=targets.split_labels,
        groups=listing.grouped,
        given=given if any(given) else None,
        names=listing.names,
        classes=targets.names,
        folds=folds,
        fold=fold,
        splits=splits,
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1  # a broken link that is left out
