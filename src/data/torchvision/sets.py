"""MNIST, Fashion-MNIST, CIFAR-10 and CIFAR-100 as torchvision downloads and reads them."""

import contextlib
import pickle
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.folds import folded
from data.images.build import stored_splits
from data.info import ImageInfo
from data.splits import Splits, stratified

# How torchvision's RuntimeErrors about files that it has not got begin or go on.
MISSING = ("Error downloading", "not found", "corrupted")


def mnist(
    path: str | Path = "datasets",
    *,
    download: bool = True,
    validation: float = 0.1,
    split_seed: int = 0,
    folds: int | None = None,
    fold: int | None = None,
    augment: Any = None,
    transform: Any = None,
) -> Splits[ImageInfo]:
    """Return MNIST: handwritten digits, gray, 28 x 28, 60,000 for training and 10,000 for the test.

    Args:
        path: folder that holds the files, or where they are to go (below it, in MNIST/raw).
        download: fetch what is missing; torchvision checks the archives' MD5.
        validation: fraction of the training set for validation; 0 for none.
        split_seed: which stratified split; independent of the run's seed.
        folds: divide the training set into so many stratified parts, see `data.folds`.
        fold: which of them, from 0, is the validation; `validation` then has no effect.
        augment: for training batches, e.g. `data.augmentation.RandomAffine`.
        transform: for single training samples, e.g. a torchvision v2 transform.

    Raises:
        DataError: a fraction or a fold is out of range, or the files are damaged, or they are
            missing and can't be downloaded.
    """
    return _splits(
        "MNIST", path, download, validation, split_seed, (folds, fold), augment, transform
    )


def fashion_mnist(
    path: str | Path = "datasets",
    *,
    download: bool = True,
    validation: float = 0.1,
    split_seed: int = 0,
    folds: int | None = None,
    fold: int | None = None,
    augment: Any = None,
    transform: Any = None,
) -> Splits[ImageInfo]:
    """Return Fashion-MNIST: clothing, gray, 28 x 28, 60,000 for training and 10,000 for the test.

    Arguments and errors as for `mnist`; the files lie in FashionMNIST/raw below `path`.
    """
    return _splits(
        "FashionMNIST", path, download, validation, split_seed, (folds, fold), augment, transform
    )


def cifar10(
    path: str | Path = "datasets",
    *,
    download: bool = True,
    validation: float = 0.1,
    split_seed: int = 0,
    folds: int | None = None,
    fold: int | None = None,
    augment: Any = None,
    transform: Any = None,
) -> Splits[ImageInfo]:
    """Return CIFAR-10: RGB photographs, 32 x 32, 50,000 for training and 10,000 for the test.

    Arguments and errors as for `mnist`; the files lie in cifar-10-batches-py below `path`.
    """
    return _splits(
        "CIFAR10", path, download, validation, split_seed, (folds, fold), augment, transform
    )


def cifar100(
    path: str | Path = "datasets",
    *,
    download: bool = True,
    validation: float = 0.1,
    split_seed: int = 0,
    folds: int | None = None,
    fold: int | None = None,
    augment: Any = None,
    transform: Any = None,
) -> Splits[ImageInfo]:
    """Return CIFAR-100: as CIFAR-10, in 100 classes.

    Arguments and errors as for `mnist`; the files lie in cifar-100-python below `path`.
    """
    return _splits(
        "CIFAR100", path, download, validation, split_seed, (folds, fold), augment, transform
    )


def _splits(
    kind: str,
    path: str | Path,
    download: bool,
    validation: float,
    split_seed: int,
    fold_of: tuple[int | None, int | None],
    augment: Any,
    transform: Any,
) -> Splits[ImageInfo]:
    """Read both official parts and split the validation off the training set."""
    folder = Path(path).expanduser()
    learnt = _opened(kind, folder, True, download)
    judged = _opened(kind, folder, False, download=False)
    pixels, labels = _joined(learnt, judged, kind, folder)
    count = len(learnt.data)
    train, held_out, _ = stratified(
        labels[:count], validation=validation, test=0, seed=split_seed, classes=learnt.classes
    )
    parts = (train, held_out, np.arange(count, len(labels)))
    folds, fold = fold_of
    return stored_splits(
        pixels,
        labels,
        folded(parts, labels, folds=folds, fold=fold, seed=split_seed, classes=learnt.classes),
        classes=learnt.classes,
        names=[f"{kind}/train[{i}]" for i in range(count)]
        + [f"{kind}/test[{i}]" for i in range(len(labels) - count)],
        fit="ink_centred" if kind == "MNIST" else "crop",
        augment=augment,
        transform=transform,
    )


def _opened(kind: str, folder: Path, train: bool, download: bool) -> Any:
    """Return torchvision's dataset; what goes wrong becomes one line that says what to do."""
    from torchvision import datasets

    make = getattr(datasets, kind)
    place, files = _expected(make, folder)
    absent = [path for path in (place, *place.parents) if not path.exists()]
    try:
        # torchvision prints progress notes, which are no result of the command.
        with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
            # The CIFAR pickles were written by an old NumPy.
            warnings.filterwarnings("ignore", message=r"dtype\(\): align")
            return make(str(folder), train=train, download=download)
    except (RuntimeError, OSError) as error:
        # URLError is an OSError; a missing or unsound archive is a RuntimeError of torchvision's,
        # and so is a file that torch can't bring into shape.
        with contextlib.suppress(OSError):  # torchvision makes folders before it downloads
            for path in absent:
                path.rmdir()
        lines = str(error).splitlines() or [type(error).__name__]
        if isinstance(error, RuntimeError) and not any(sign in lines[0] for sign in MISSING):
            raise DataError(_damaged(kind, place, lines[0])) from error
        what = "was not found" if not download else "could not be downloaded from its mirrors"
        reason = next((line for line in reversed(lines) if line.strip()), "").strip()
        remedy = f"put {', '.join(files)} into {place}"
        online = "connect to the internet, or " if download else "set data.download=true, or "
        raise DataError(f"{kind} ({place}) {what} ({reason}); {online}{remedy}") from error
    except (
        AssertionError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        EOFError,
        pickle.UnpicklingError,
    ) as error:
        raise DataError(_damaged(kind, place, str(error) or type(error).__name__)) from error


def _joined(
    learnt: Any, judged: Any, kind: str, folder: Path
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return all pixels as uint8 [N, C, H, W] and all labels, training set first."""
    place, _ = _expected(type(learnt), folder)
    both = [np.asarray(part.data) for part in (learnt, judged)]
    labels = np.concatenate([np.asarray(part.targets, dtype=np.int64) for part in (learnt, judged)])
    if [len(part) for part in both] != [len(part.targets) for part in (learnt, judged)]:
        raise DataError(_damaged(kind, place, "unequal numbers of images and labels"))
    if both[0].shape[1:] != both[1].shape[1:] or not len(both[0]) or not len(both[1]):
        raise DataError(_damaged(kind, place, "training and test images don't match"))
    if labels.min() < 0 or labels.max() >= len(learnt.classes):
        reason = f"label {labels.max()} of {len(learnt.classes)} classes"
        raise DataError(_damaged(kind, place, reason))
    pixels = np.concatenate(both)
    pixels = pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(pixels), labels


def _expected(make: Any, folder: Path) -> tuple[Path, Sequence[str]]:
    """Return where torchvision looks, and for which files."""
    if hasattr(make, "resources"):
        return folder / make.__name__ / "raw", [name for name, _ in make.resources]
    return folder, [make.filename]


def _damaged(kind: str, place: Path, reason: str) -> str:
    return (
        f"{kind} in {place} is damaged ({reason}); delete the folder and run again to download it"
    )
