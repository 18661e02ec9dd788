"""Any image classification dataset of torchvision, by the name of its class."""

import contextlib
import difflib
import inspect
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from data.augmentation.batches import named as named_augmentation
from data.errors import DataError
from data.folds import fold_problems
from data.images.items import Items, class_labels
from data.images.options import Cache, Settings, cache_kind, checked, size_problems
from data.images.sets import image_splits
from data.images.targets import Targets
from data.info import ImageInfo
from data.pixels.decoding import Fit
from data.splits import Splits, check_fractions
from data.splitting import split as divided
from data.torchvision.look import look_torchvision
from data.torchvision.opening import own_splits

__all__ = ["look_torchvision", "torchvision"]

OTHER = {
    "boxes; data=detection reads files of COCO and YOLO": (
        "CocoDetection",
        "VOCDetection",
        "WIDERFace",
        "Kitti",
    ),
    "masks; data=segmentation reads images with masks": (
        "VOCSegmentation",
        "Cityscapes",
        "SBDataset",
    ),
}
LABELS = ("targets", "labels", "_labels", "y")
COMPARED = 5
logger = logging.getLogger(__name__)


def torchvision(
    name: str | None = None,
    *,
    root: str | Path = "datasets",
    download: bool = False,
    options: Mapping[str, Any] | None = None,
    size: int | Sequence[int] | None = None,
    channels: int | None = None,
    fit: Fit = "crop",
    validation: float = 0.1,
    test: float = 0.2,
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
    """Return an image classification dataset of torchvision, in its own splits where it has them.

    A split that it lacks is taken from the training images. Read as torchvision reads it, then
    brought to one size as one's own images are, see `data.images.images`.

    Args:
        name: of a class in torchvision.datasets, such as "Flowers102".
        root: the folder where its files are, or are to go.
        download: fetch what is missing, where torchvision can.
        options: other arguments of the class, such as {split: letters} for EMNIST. An argument
            that chooses a split (`split` or `train`) makes it the whole of the data.
        size: rows and columns: one number, or [height, width]; None: their own where they are all
            alike, otherwise 64.
        channels: 1 for gray, 3 for RGB; None: as they are.
        fit: how an image is brought to that size, see `data.pixels.decoding.decode`.
        validation: fraction of all images, where the dataset has no validation split.
        test: likewise.
        split_seed: which stratified split.
        folds: divide all but the test into so many parts, see `data.folds`.
        fold: which of them, from 0, is the validation.
        augment: for training, e.g. `data.augmentation.RandomResizedCrop`.
        source_size: see `data.images.images`.
        transform: likewise.
        cache: likewise.
        on_error: likewise.
        max_bad: likewise.

    Raises:
        DataError: all that is wrong with the arguments; an unknown class, or one of other data;
            files that are missing or damaged.
    """
    settings = Settings(
        named_augmentation(augment), transform, cache, source_size, on_error, max_bad
    )
    problems = settings.problems() + fold_problems(folds, fold)
    problems += size_problems(size or 1, channels or 3, fit)
    try:
        check_fractions(validation=validation, test=test)
    except DataError as error:
        problems += error.problems
    checked(problems)
    make = named(name)
    place = Path(root).expanduser()
    opened = own_splits(make, place, download, dict(options or {}))
    labels, given, places, names = [], [], [], []
    for number, (role, dataset) in enumerate(opened.items()):
        found = class_labels(_labels(dataset, make.__name__), f"{make.__name__} ({role})")
        if len(found) == 0 or found.min() < 0:
            logger.warning("%s: the labels of its %s split are not known", make.__name__, role)
            continue
        labels.append(found)
        given += [role] * len(found)
        places += [(number, index) for index in range(len(found))]
        names += [f"{make.__name__}/{role or 'all'}[{index}]" for index in range(len(found))]
    source = Items(
        tuple(opened.values()),
        _picture,
        tuple(places),
        tuple(names),
        mark=f"torchvision {make.__name__} {place.absolute()} {options}",
        fit=fit,
    ).sized(size, channels)
    truth = np.concatenate(labels)
    targets = Targets("classification", _classes(next(iter(opened.values())), truth), truth)
    parts = divided(
        count=len(source),
        method=None,
        validation=validation,
        test=test,
        seed=split_seed,
        labels=truth,
        given=given if any(given) else None,
        names=names,
        classes=targets.names,
        folds=folds,
        fold=fold,
    )
    return image_splits(
        source,
        targets,
        parts,
        settings=settings,
        kind=cache_kind(settings, source, len(parts[0])),
        bad={},
        content=source.content(),
    )


def named(name: str | None) -> Any:
    """Return the class of torchvision.datasets of that name; raises DataError with the nearest."""
    from torchvision import datasets

    known = [each for each in datasets.__all__ if inspect.isclass(getattr(datasets, each))]
    if not name:
        raise DataError(
            "data.name is needed: data.name=Flowers102, or another class of torchvision.datasets"
        )
    for what, names in OTHER.items():
        if name in names:
            raise DataError(f"{name} in data.name has {what}")
    if name in known:
        return getattr(datasets, name)
    folded = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.5)
    hint = f"did you mean {folded[close[0]]}? " if close else ""
    raise DataError(
        f"name ({name!r}) in data.name is no dataset of torchvision.datasets; {hint}choose a class "
        "of it, such as CIFAR10, Flowers102, EuroSAT"
    )


def _labels(dataset: Any, name: str) -> Sequence[Any]:
    """Return the target of each sample, from a list of them if there is one that is right."""
    count = len(dataset)
    for key in LABELS:
        found: Any = getattr(dataset, key, None)
        if _is_right(dataset, found):
            return list(map(int, found))
    pairs = getattr(dataset, "samples", None) or getattr(dataset, "_samples", None)
    with contextlib.suppress(TypeError, ValueError):
        paired = [label for _, label in pairs or []]
        if _is_right(dataset, paired):
            return paired
    logger.warning("reading all %d images of %s for their labels", count, name)
    targets = [dataset[index][1] for index in range(count)]
    return [-1 if target is None else target for target in targets]


def _is_right(dataset: Any, found: Any) -> bool:
    """Whether a list holds the class of each sample: some are compared."""
    try:
        if found is None or len(found) != len(dataset):
            return False
        step = max(1, len(dataset) // COMPARED)
        return all(
            int(found[index]) == int(dataset[index][1]) for index in range(0, len(dataset), step)
        )
    except (TypeError, ValueError, IndexError, KeyError):
        return False


def _classes(dataset: Any, labels: Any) -> tuple[str, ...]:
    """Return the names of the classes, or their numbers where there are none."""
    count = int(labels.max()) + 1
    places = getattr(dataset, "class_to_idx", None)
    if isinstance(places, Mapping) and sorted(places.values()) == list(range(len(places))):
        names: list[Any] = sorted(places, key=places.__getitem__)
    else:
        names = list(
            getattr(dataset, "classes", None) or getattr(dataset, "categories", None) or []
        )
    if len(names) < count:
        return tuple(map(str, range(count)))
    return tuple(", ".join(each) if isinstance(each, tuple) else str(each) for each in names)


def _picture(dataset: Any, index: int) -> Any:
    return dataset[index][0]
