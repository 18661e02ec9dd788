"""From a folder of images and masks to splits."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from data.augmentation.joint import augment_problems
from data.bad_samples import OnError, option_problems
from data.errors import DataError
from data.folds import fold_problems
from data.images.build import choice, fingerprint
from data.images.pairing import Pairs, pair
from data.images.picture_files import VERIFIED_FILES, PictureFiles, size_of, sound_parts
from data.info import ImageInfo
from data.inputs import EXTENSIONS
from data.left_out import judge
from data.pixels.masks import Encoding
from data.pixels.placement import Way, frame_problems, sides
from data.segmentation.answer import MaskAnswer
from data.segmentation.classes import (
    Classes,
    Ignore,
    class_problems,
    encoding,
    named,
)
from data.segmentation.folder_masks import FolderMasks
from data.segmentation.layout import SUFFIXES, existing_folder, mask_places
from data.splits import Indices, Splits, check_fractions
from data.splitting import split as divided

logger = logging.getLogger(__name__)


def segmentation(
    path: str | Path | None = None,
    *,
    size: int | Sequence[int] = 128,
    channels: int = 3,
    fit: Way = "pad",
    classes: Classes = None,
    ignore: Ignore = "auto",
    validation: float = 0.1,
    test: float = 0.2,
    split: str | None = None,
    split_seed: int = 0,
    folds: int | None = None,
    fold: int | None = None,
    splits: str | None = None,
    augment: Any = None,
    cache: bool | Literal["auto"] = "auto",
    on_error: OnError = "stop",
    max_bad: int = 20,
) -> Splits[ImageInfo]:
    """Return images with masks of a folder, split into training, validation and test.

    Layouts: `path/images` and `path/masks` (or labels, annotations, gt ...), each with a folder for
    each split or without, `path/train/images` and `path/train/masks` ..., or a.jpg and a_mask.png
    in one folder. Image and mask have the same name, but for the ending and `_mask`, `_label`,
    `_seg` or `_gt`. Mask values are class numbers, also of a palette, or 0 and 255 for two
    classes, or gray levels or colours, which are classes in their order.

    Args:
        path: the folder.
        size: rows and columns of the model's input: one number, or [height, width].
        channels: 1 for gray, 3 for RGB.
        fit: how image and mask are brought to that size: "pad" (what is added is ignored),
            "crop" or "stretch".
        classes: class names in the order of their values, or {name: value or [red, green, blue]};
            None takes those of classes.txt or labelmap.txt, or else the values.
        ignore: the value of pixels that count for nothing, None for none; "auto" takes 255 for it
            where all other values are small.
        validation: fraction of the images that are split, 0 for none.
        test: likewise.
        split: how they are split, see `data.splitting`; None: by the folders, or else at random.
        split_seed: which split; independent of the run's seed.
        folds: divide all but the test into so many parts.
        fold: which of them, from 0, is the validation.
        splits: path of a splits.csv to follow.
        augment: for training samples, e.g. `data.augmentation.joint.JointAffine`.
        cache: keep all pixels in memory; "auto" does where they take 1 GiB or less.
        on_error: what can't be read is an error ("stop"), or left out ("skip").
        max_bad: with "skip", so many may be left out.

    Raises:
        DataError: all that is wrong with the arguments, or with the folder and its files.
    """
    problems = frame_problems(size, channels, fit) + class_problems(classes, ignore)
    problems += option_problems(on_error, max_bad) + fold_problems(folds, fold)
    problems += augment_problems(augment, "with_masks")
    try:
        check_fractions(validation=validation, test=test)
    except DataError as error:
        problems += error.problems
    if problems:
        raise DataError(*problems)
    folder = existing_folder(path, "images and masks")
    classes = named(folder, classes)
    pairs = _pairs(folder)
    names = pairs.names
    files = PictureFiles(folder, names, (channels, *sides(size)), fit)
    cached = files.fits(cache, extra=5 * files.shape[1] * files.shape[2])
    masks = FolderMasks(folder, pairs, files.shape[1], files.shape[2], fit)
    bad = masks.scan(range(len(names)) if cached else choice(len(names), VERIFIED_FILES).tolist())
    if cached:
        files.load(bad)
    else:
        files.check(bad)
    judge([], [bad[place] for place in sorted(bad)], on_error, max_bad)
    class_names, meaning = encoding(
        masks.census(), colours=masks.colours, classes=classes, ignore=ignore
    )
    if cached:
        masks.encode(meaning, bad)

    given = pairs.groups if any(pairs.groups) else None
    parts = divided(
        count=len(names),
        method=split,
        validation=validation,
        test=test,
        seed=split_seed,
        given=given,
        names=names,
        folds=folds,
        fold=fold,
        splits=splits,
    )
    statistics = files.statistics(parts[0], bad)
    judge([], [bad[place] for place in sorted(bad)], on_error, max_bad)
    parts, left_out = sound_parts(parts, bad, names)
    sized = [
        f"{n} {size_of(folder / n)}" for pair in zip(names, masks.names, strict=True) for n in pair
    ]
    content = "\n".join([f"{files.shape} {fit} {meaning}", *sized]).encode()
    info = ImageInfo(
        problem="segmentation",
        classes=class_names,
        num_classes=len(class_names),
        num_outputs=len(class_names),
        class_counts=masks.pixels_of(parts[0], len(class_names), meaning),
        fingerprint=fingerprint(content, np.zeros(0, dtype=np.int64), parts),
        answer=MaskAnswer(class_names, files.shape[1], files.shape[2], fit).node,
        about=_about(files.shape, class_names),
        **files.facts([len(part) for part in parts], statistics),
    )
    made = [
        _dataset(files, masks, rows, info, meaning, augment if rows is parts[0] else None)
        for rows in parts
    ]
    return Splits(made[0], made[1], made[2], info, bad=left_out)


def _about(shape: Sequence[int], classes: Sequence[str]) -> str:
    shown = ", ".join(classes[:5]) + (", ..." if len(classes) > 5 else "")
    return f"{'x'.join(map(str, shape))} with masks of {len(classes)} classes ({shown})"


def _pairs(folder: Path) -> Pairs:
    """Return images with masks, or raise DataError with all that has none."""
    pairs = pair(folder, mask_places(folder), endings=EXTENSIONS, suffixes=SUFFIXES)
    problems = list(pairs.problems)
    problems += [
        f"{folder / name} has no mask; add one of the same name, or remove the image"
        for name, mask in zip(pairs.names, pairs.partners, strict=True)
        if mask is None
    ]
    if not pairs.names:
        problems.append(
            f"{folder} in data.path holds no image; put images "
            f"({', '.join(sorted(EXTENSIONS))}) into images/ and "
            "masks of the same names into masks/"
        )
    if problems:
        raise DataError(*problems)
    if pairs.alone:
        shown = ", ".join(pairs.alone[:3]) + (", ..." if len(pairs.alone) > 3 else "")
        logger.warning("%d masks without an image are left out: %s", len(pairs.alone), shown)
    return pairs


def _dataset(
    files: PictureFiles,
    masks: FolderMasks,
    rows: Indices,
    info: ImageInfo,
    meaning: Encoding,
    augment: Any,
) -> Any:
    if not len(rows):
        return None
    import torch

    from data.segmentation.dataset import MaskFiles, SegmentationImages

    own = tuple(files.names[row] for row in rows.tolist())
    found = (
        torch.from_numpy(masks.classes[rows])
        if masks.classes is not None
        else MaskFiles(
            files.folder,
            tuple(masks.names[row] for row in rows.tolist()),
            own,
            meaning,
            masks.height,
            masks.width,
            masks.fit,
        )
    )
    return SegmentationImages(
        files.part(rows),
        found,
        classes=info.classes,
        names=own,
        mean=info.mean,
        std=info.std,
        augment=augment,
    )
