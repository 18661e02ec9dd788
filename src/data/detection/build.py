"""From images with boxes to splits."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from data.augmentation.joint import augment_problems
from data.bad_samples import OnError, option_problems, too_many
from data.detection.answer import BoxAnswer
from data.detection.boxed import Boxed
from data.detection.formats import read_boxes
from data.detection.info import DetectionInfo
from data.errors import DataError
from data.folds import fold_problems
from data.images.build import fingerprint
from data.images.picture_files import PictureFiles, size_of, sound_parts
from data.left_out import judge
from data.pixels.boxes import to_frame
from data.pixels.placement import Way, frame_problems, placement, sides
from data.splits import Indices, Splits, check_fractions
from data.splitting import split as divided

logger = logging.getLogger(__name__)


def detection(
    path: str | Path | None = None,
    *,
    size: int | Sequence[int] = 128,
    channels: int = 3,
    fit: Way = "pad",
    classes: Sequence[str] | None = None,
    validation: float = 0.1,
    test: float = 0.2,
    split: str | None = None,
    split_seed: int = 0,
    folds: int | None = None,
    fold: int | None = None,
    splits: str | None = None,
    threshold: float = 0.3,
    augment: Any = None,
    cache: bool | Literal["auto"] = "auto",
    on_error: OnError = "stop",
    max_bad: int = 20,
) -> Splits[DetectionInfo]:
    """Return images with boxes, split into training, validation and test.

    Formats: images and COCO's JSON (beside them, in annotations/, or one in the folder of each
    split), or YOLO's text files (images/ and labels/, or train/images and train/labels ..., names
    in data.yaml). A target is float32 [max_boxes, 5]: class (-1: no box), x1, y1, x2, y2 in pixels
    of the input. Images without boxes are kept; boxes of crowds (iscrowd) are left out.

    Args:
        path: the folder, or a JSON file.
        size: rows and columns of the model's input: one number, or [height, width].
        channels: 1 for gray, 3 for RGB.
        fit: how an image is brought to that size: "pad", "crop" (boxes are cut as well) or
            "stretch".
        classes: which classes are learnt, and in which order; None: all. Boxes of others are left
            out. For YOLO's text files the names of the numbers.
        validation: fraction of the images that are split, 0 for none.
        test: likewise.
        split: how they are split, see `data.splitting`; None: as the data has it, or else at
            random.
        split_seed: which split; independent of the run's seed.
        folds: divide all but the test into so many parts.
        fold: which of them, from 0, is the validation.
        splits: path of a splits.csv to follow.
        threshold: from which probability on `predict` gives a box.
        augment: for training samples, e.g. `data.augmentation.joint.JointAffine`.
        cache: keep all pixels in memory; "auto" does where they take 1 GiB or less.
        on_error: images that can't be read, and boxes that can't be right, are an error ("stop"),
            or left out ("skip").
        max_bad: with "skip", so many of either may be left out.

    Raises:
        DataError: all that is wrong with the arguments, or with the data.
    """
    problems = frame_problems(size, channels, fit) + option_problems(on_error, max_bad)
    problems += fold_problems(folds, fold) + augment_problems(augment, "with_boxes")
    problems += _class_problems(classes)
    if not 0 <= threshold < 1:
        problems.append(f"threshold ({threshold}) in data.threshold; give a probability in 0..1")
    try:
        check_fractions(validation=validation, test=test)
    except DataError as error:
        problems += error.problems
    if problems:
        raise DataError(*problems)
    folder, boxed = read_boxes(path, classes)
    bad = dict(boxed.bad)
    files = PictureFiles(folder, boxed.names, (channels, *sides(size)), fit)
    if files.fits(cache):
        files.load(bad)
    else:
        files.check(bad)
    _judge(boxed, bad, on_error, max_bad)
    parts = divided(
        count=len(boxed.names),
        method=split,
        validation=validation,
        test=test,
        seed=split_seed,
        given=boxed.groups if any(boxed.groups) else None,
        names=boxed.names,
        folds=folds,
        fold=fold,
        splits=splits,
    )
    statistics = files.statistics(parts[0], bad)
    judge([], [bad[row] for row in sorted(bad)], on_error, max_bad)
    parts, left_out = sound_parts(parts, bad, boxed.names)
    targets = _targets(boxed, files, classes, parts[0])
    names = targets.classes
    content = f"{files.shape} {fit} {names} {hashlib.sha256(targets.boxes.tobytes()).hexdigest()}"
    sized = [f"{name} {size_of(folder / name)}" for name in boxed.names]
    info = DetectionInfo(
        classes=names,
        num_classes=len(names),
        num_outputs=len(names) + 4,
        class_counts=targets.counts(parts[0]),
        max_boxes=targets.boxes.shape[1],
        fingerprint=fingerprint(
            "\n".join([content, *sized]).encode(), np.zeros(0, dtype=np.int64), parts
        ),
        answer=BoxAnswer(names, files.shape[1], files.shape[2], fit, threshold).node,
        about=_about(boxed, files.shape, targets),
        **files.facts([len(part) for part in parts], statistics),
    )
    made = [
        _dataset(files, targets.boxes, rows, info, augment if rows is parts[0] else None)
        for rows in parts
    ]
    return Splits(made[0], made[1], made[2], info, bad=left_out)


@dataclass(frozen=True)
class _Targets:
    """Boxes of all images at the size of the input, and the classes that they have."""

    classes: tuple[str, ...]
    boxes: NDArray[np.float32]

    def counts(self, rows: Indices) -> tuple[int, ...]:
        """Return how many boxes of each class some images have."""
        numbers = self.boxes[rows][..., 0].astype(np.int64)
        found = np.bincount(numbers[numbers >= 0], minlength=len(self.classes))
        return tuple(found.tolist())


def _targets(
    boxed: Boxed, files: PictureFiles, classes: Sequence[str] | None, train: Indices
) -> _Targets:
    """Bring boxes into the frame; raises DataError where training has none of a class."""
    wanted = tuple(boxed.classes if classes is None else classes)
    unknown = [name for name in wanted if name not in boxed.classes]
    if unknown:
        raise DataError(
            f"{', '.join(map(repr, unknown[:5]))} in data.classes is no class of the data, which "
            f"has {', '.join(boxed.classes[:20])}; write one of these"
        )
    numbers = np.array([wanted.index(n) if n in wanted else -1 for n in boxed.classes], dtype=int)
    _, height, width = files.shape
    rows = []
    cut = others = 0
    for labels, boxes, size in zip(boxed.labels, boxed.boxes, boxed.sizes, strict=True):
        own = numbers[labels] if len(labels) else labels
        others += int((own < 0).sum())
        # Rounding may have a side lie outside by a pixel.
        boxes = boxes.clip(0, [*size, *size]) if size[0] else boxes
        labels, boxes = own[own >= 0], boxes[own >= 0]
        where = placement(
            max(size[0], 1), max(size[1], 1), height=height, width=width, fit=files.fit
        )
        moved = to_frame(boxes, where)
        across, down = where.scale
        whole = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) * across * down
        left = (moved[:, 2:] - moved[:, :2]).prod(axis=1)
        stays = left >= 0.25 * whole
        cut += int((~stays).sum())
        rows.append(np.column_stack([labels[stays], moved[stays]]).astype(np.float32))
    if cut:
        logger.warning("%d boxes lie mostly outside of what data.fit=crop keeps: left out", cut)
    if others:
        logger.warning("%d boxes of classes that data.classes doesn't name are left out", others)
    most = max([len(row) for row in rows] + [1])
    filled = np.zeros((len(rows), most, 5), dtype=np.float32)
    filled[..., 0] = -1
    for number, row in enumerate(rows):
        filled[number, : len(row)] = row
    found = _Targets(wanted, filled)
    if not sum(found.counts(train)):
        raise DataError("no training image has a box; there is nothing to learn: see data.path")
    missing = [n for n, c in zip(wanted, found.counts(train), strict=True) if not c]
    if missing:
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        logger.warning("%d classes without a training box: %s", len(missing), shown)
    return found


def _class_problems(classes: Any) -> list[str]:
    names = list(classes or ()) if not isinstance(classes, str) else [0]
    if any(not isinstance(name, str) or not name for name in names):
        return [f"classes ({classes!r}) in data.classes; give a list of names"]
    if classes is not None and (not names or len(set(names)) < len(names)):
        return [f"classes ({classes!r}) in data.classes; give each name once, one or more"]
    return []


def _judge(boxed: Boxed, bad: dict[int, str], on_error: OnError, max_bad: int) -> None:
    """Raise DataError with all that is wrong with images and boxes, as far as it isn't skipped."""
    problems = list(boxed.problems)
    if not boxed.names and not problems:
        problems.append("the data holds no image; check data.path")
    if on_error == "stop":
        problems += boxed.faults
    elif len(boxed.faults) > max_bad:
        problems.append(too_many("boxes", boxed.faults, max_bad))
    elif boxed.faults:
        logger.warning("%d boxes are left out, such as: %s", len(boxed.faults), boxed.faults[0])
    judge(problems, [bad[row] for row in sorted(bad)], on_error, max_bad)


def _about(boxed: Boxed, shape: Sequence[int], targets: _Targets) -> str:
    names = targets.classes
    number = int((targets.boxes[..., 0] >= 0).sum())
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    size = "x".join(map(str, shape))
    return f"{size} with {number:,} boxes of {len(names)} classes ({shown}), {boxed.about}"


def _dataset(
    files: PictureFiles,
    boxes: NDArray[np.float32],
    rows: Indices,
    info: DetectionInfo,
    augment: Any,
) -> Any:
    if not len(rows):
        return None
    import torch

    from data.detection.dataset import DetectionImages

    return DetectionImages(
        files.part(rows),
        torch.from_numpy(boxes[rows]),
        classes=info.classes,
        names=tuple(files.names[row] for row in rows.tolist()),
        mean=info.mean,
        std=info.std,
        augment=augment,
    )
