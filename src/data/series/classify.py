"""From series with labels to whole series, split: classification."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.answers import ClassAnswer
from data.bad_samples import BadFile
from data.errors import DataError
from data.series.info import SeriesInfo
from data.series.opening import Opened
from data.series.reader import SequenceReader, whole_series
from data.series.roles import Roles
from data.series.rows import Gaps
from data.series.statistics import channel_statistics
from data.series.steps import ROWS
from data.splits import Splits
from data.splitting import split
from data.splitting.written import WORDS

LONGEST = 4096
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Division:
    """How series are split."""

    way: str | None
    validation: float
    test: float
    seed: int
    folds: int | None
    fold: int | None
    splits: str | None


def class_splits(
    opened: tuple[Sequence[Opened], Roles, tuple[BadFile, ...]],
    division: Division,
    window: int | None,
    gaps: Gaps,
    reading: dict[str, Any],
) -> Splits[SeriesInfo]:
    """Return whole series with their classes, split.

    Args:
        opened: the series of all files, their columns, and files that were left out.
        division: the way of splitting.
        window: steps of an input; None: those of the longest training series, 4,096 at most.
        gaps: "interpolate" fills empty cells in.
        reading: arguments of the reader that say how files are read.

    Raises:
        DataError: no labels, one class only, empty cells, or classes too small to be split.
    """
    from data.series.sequences import Sequences

    files, roles, bad = opened
    values, names, texts, given = _labelled(files, roles, gaps)
    classes = sorted(set(texts), key=lambda text: (not text.isdigit(), len(text), text))
    classes = classes if all(text.isdigit() for text in classes) else sorted(classes)
    if len(classes) < 2:
        raise DataError(
            f"{len(names)} series, all of class {classes[0]!r}; classification needs two classes: "
            "a folder for each, or data.target=COLUMN"
        )
    labels = np.array([classes.index(text) for text in texts], dtype=np.int64)
    parts = split(
        count=len(names),
        method=division.way or ("column" if given else "stratified"),
        validation=division.validation,
        test=division.test,
        seed=division.seed,
        labels=labels,
        given=given,
        names=names,
        classes=classes,
        folds=division.folds,
        fold=division.fold,
        splits=division.splits,
    )
    train = [values[index] for index in parts[0].tolist()]
    if window is None:
        window = min(LONGEST, max(len(each) for each in train))
        logger.warning("%d steps of each series are seen (data.window)", window)
    mean, std = channel_statistics(np.concatenate(train), roles.channels)
    reader = SequenceReader(
        window=window,
        channels=roles.channels,
        time=roles.time,
        series=roles.series,
        gaps=gaps,
        mean=mean,
        std=std,
        **reading,
    )
    counts = np.bincount(labels[parts[0]], minlength=len(classes))
    info = SeriesInfo(
        problem="classification",
        about=f"{len(names)} series of up to {window} steps of {len(roles.channels)} columns, "
        f"{len(classes)} classes",
        num_outputs=len(classes),
        window=window,
        horizon=0,
        channels=roles.channels,
        num_channels=len(roles.channels),
        num_targets=0,
        input_shape=(window, len(roles.channels)),
        mean=mean,
        std=std,
        step=ROWS.text,
        season=1,
        num_series=len(names),
        num_train=len(parts[0]),
        num_validation=len(parts[1]),
        num_test=len(parts[2]),
        fingerprint=_fingerprint(values, labels, parts),
        reader=reader.node,
        answer=ClassAnswer(classes).node,
        classes=tuple(classes),
        num_classes=len(classes),
        class_counts=tuple(counts.tolist()),
    )
    datasets = [
        Sequences(
            [values[index] for index in part.tolist()],
            labels[part],
            names=[names[index] for index in part.tolist()],
            length=window,
            channels=roles.channels,
            mean=mean,
            std=std,
        )
        if len(part)
        else None
        for part in parts
    ]
    return Splits(datasets[0], datasets[1], datasets[2], info, bad)


def _labelled(
    files: Sequence[Opened], roles: Roles, gaps: Gaps
) -> tuple[list[NDArray[np.float32]], list[str], list[str], list[str] | None]:
    """Return values, name and label of each series, and its split where folders say it."""
    values, names, labels, given = [], list[str](), list[str](), list[str]()
    problems: list[str] = []
    if gaps == "split":
        problems.append("gaps ('split') in data.gaps is for forecasts; choose interpolate or error")
    in_splits = all(each.file.folder.lower() in WORDS for each in files)
    for each in files:
        folder = each.file.name.split("/")[1] if in_splits and each.file.folder else ""
        folder = each.file.folder if not in_splits else folder
        texts = each.labels if roles.targets else (folder,) * len(each.rows)
        if not roles.targets and (not folder or folder == each.file.path.name):
            problems.append(f"{each.file.name} lies in no class folder; name data.target=COLUMN")
        for rows, text in zip(each.rows, texts, strict=True):
            try:
                values.append(whole_series(rows, gaps).values.astype(np.float32))
            except DataError as error:
                problems += error.problems
            names.append(rows.name)
            labels.append(text)
            given.append(each.file.folder.lower() if in_splits else "")
    if problems:
        raise DataError(*problems)
    return values, names, labels, given if in_splits else None


def _fingerprint(
    values: Sequence[NDArray[np.float32]], labels: NDArray[np.int64], parts: Sequence[Any]
) -> str:
    digest = hashlib.sha256()
    for array in (*values, labels, *parts):
        digest.update(np.int64(len(array)).tobytes())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
