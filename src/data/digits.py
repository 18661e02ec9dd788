"""scikit-learn's handwritten digits: real data that needs no download."""

import gzip
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.folds import folded
from data.images.build import stored_splits
from data.info import ImageInfo
from data.splits import Splits, stratified


def digits(
    *,
    validation: float = 0.1,
    test: float = 0.2,
    split_seed: int = 0,
    folds: int | None = None,
    fold: int | None = None,
    augment: Any = None,
    transform: Any = None,
) -> Splits[ImageInfo]:
    """Return 1,797 handwritten digits, gray, 8 x 8, in ten classes.

    The source's values 0..16 become uint8 as x * 255 / 16, rounded half to even. Source: UCI
    "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak, 1998), its test set.

    Args:
        validation: fraction of all samples for validation; 0 for none.
        test: fraction of all samples for the test; 0 for none.
        split_seed: which stratified split; independent of the run's seed.
        folds: divide all but the test into so many stratified parts, see `data.folds`.
        fold: which of them, from 0, is the validation; `validation` then has no effect.
        augment: for training batches, e.g. `data.augmentation.RandomAffine`.
        transform: for single training samples, e.g. a torchvision v2 transform.

    Raises:
        DataError: a fraction or a fold is out of range, or scikit-learn is not installed.
    """
    values, labels = _table()
    classes = [str(number) for number in range(10)]
    parts = stratified(labels, validation=validation, test=test, seed=split_seed)
    pixels = np.rint(values * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
    return stored_splits(
        pixels,
        labels,
        folded(parts, labels, folds=folds, fold=fold, seed=split_seed, classes=classes),
        classes=classes,
        names=[f"digits[{index}]" for index in range(len(labels))],
        fit="ink",
        augment=augment,
        transform=transform,
    )


def _table() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return values [1797, 64] and labels [1797]."""
    # Importing sklearn takes a second of CPU time; its data file is read without.
    spec = importlib.util.find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise DataError(
            "scikit-learn is not installed, and data=digits is part of it; pip install scikit-learn"
        )
    file = Path(spec.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
    if file.is_file():
        with gzip.open(file, "rt", encoding="ascii") as text:
            table = np.fromstring(text.read().replace("\n", ","), sep=",").reshape(-1, 65)
        return table[:, :64], table[:, 64].astype(np.int64)
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return bunch.data, bunch.target.astype(np.int64)
