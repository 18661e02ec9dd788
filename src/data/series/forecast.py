"""From series in order to windows, split by time or by series: forecasting."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.answers import NumbersAnswer
from data.bad_samples import BadFile
from data.errors import DataError
from data.folds import fold_problems
from data.series.info import SeriesInfo
from data.series.reader import WindowReader
from data.series.roles import Roles
from data.series.rows import Gaps, Rows, without_holes
from data.series.statistics import channel_statistics, naive
from data.series.steps import Step, season_of
from data.series.windows import Indices, Parts, Steps, cuts, starts, training_steps
from data.splits import Splits, check_fractions
from data.splitting import split

HOUR_OF_DAY, WEEK = 24, 168
MOST_FORETOLD = 48
USUAL_HORIZON = 12
SPLITS = ("train", "validation", "test")
WAYS = ("time", "group", "random", "hash")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cut:
    """How windows are cut and split."""

    window: int | None
    horizon: int | None
    stride: int
    way: str
    validation: float
    test: float
    seed: int
    folds: int | None
    fold: int | None

    def problems(self) -> list[str]:
        """Return what is wrong with the arguments."""
        found = [
            f"{name} ({value!r}) in data.{name}; give a number of steps, 1 or more"
            for name, value in (
                ("window", self.window),
                ("horizon", self.horizon),
                ("stride", self.stride),
            )
            if value is not None and (type(value) is not int or value < 1)
        ]
        if self.way not in WAYS:
            found.append(f"split ({self.way!r}) in data.split; choose {', '.join(WAYS)}")
        try:
            check_fractions(validation=self.validation, test=self.test)
        except DataError as error:
            found += error.problems
        return found + fold_problems(self.folds, self.fold)


def forecast_splits(
    found: Sequence[Rows],
    roles: Roles,
    cut: Cut,
    gaps: Gaps,
    reading: dict[str, Any],
    bad: tuple[BadFile, ...],
) -> Splits[SeriesInfo]:
    """Return windows of series, split.

    Args:
        found: the series, sorted by time.
        roles: their columns.
        cut: sizes of windows, and the way of splitting.
        gaps: what to do about missing steps and empty cells.
        reading: arguments of the reader that say how files are read.
        bad: files that were left out.

    Raises:
        DataError: series with holes, with different steps, or too short.
    """
    from data.series.dataset import Windows

    stretches, step = _whole(found, gaps)
    steps = Steps.of(stretches)
    window, horizon = _sizes(cut, steps, step)
    parts, train_steps = _parts(steps, window, horizon, cut)
    mean, std = channel_statistics(steps.values[train_steps], roles.channels)
    num_targets = len(roles.targets)
    reader = WindowReader(
        window=window,
        channels=roles.channels,
        time=roles.time,
        series=roles.series,
        gaps=gaps,
        step=list(step),
        mean=mean,
        std=std,
        **reading,
    )
    targets = tuple(f"{name}+{k}" for k in range(1, horizon + 1) for name in roles.targets)
    target_mean, target_std = mean[:num_targets] * horizon, std[:num_targets] * horizon
    season = season_of(step)
    info = SeriesInfo(
        problem="regression",
        about=_about(steps, step, window, horizon, roles),
        num_outputs=horizon * num_targets,
        window=window,
        horizon=horizon,
        channels=roles.channels,
        num_channels=len(roles.channels),
        num_targets=num_targets,
        input_shape=(window, len(roles.channels)),
        mean=mean,
        std=std,
        step=step.text,
        season=season,
        num_series=len(steps.names),
        num_train=len(parts[0]),
        num_validation=len(parts[1]),
        num_test=len(parts[2]),
        fingerprint=_fingerprint(steps, parts, roles.channels, window, horizon),
        reader=reader.node,
        answer=NumbersAnswer(targets, target_mean, target_std).node,
        targets=targets,
        target_mean=target_mean,
        target_std=target_std,
        naive={
            name: naive(steps.values, part, window, horizon, season, mean, std, num_targets)
            for name, part in zip(SPLITS, parts, strict=True)
            if len(part) and name != "train"
        },
    )
    options: dict[str, Any] = {
        "window": window,
        "horizon": horizon,
        "channels": roles.channels,
        "num_targets": num_targets,
        "mean": mean,
        "std": std,
    }
    train, validation, test = (
        Windows(steps, part, **options) if len(part) else None for part in parts
    )
    return Splits(train, validation, test, info, bad)


def _whole(found: Sequence[Rows], gaps: Gaps) -> tuple[list[list[Rows]], Step]:
    """Return each series' stretches without holes; raises DataError with all problems of all."""
    stretches, problems = [], list[str]()
    for rows in found:
        try:
            parts = without_holes(rows, gaps)
        except DataError as error:
            problems += error.problems
        else:
            if parts:
                stretches.append(parts)
    if problems:
        raise DataError(*problems)
    if not stretches:
        raise DataError("no series has a row without empty cells; leave columns out")
    steps = {parts[0].step: parts[0].name for parts in stretches if len(parts[0].values) > 2}
    if len(steps) > 1:
        told = ", ".join(f"{step.text} in {name}" for step, name in list(steps.items())[:5])
        raise DataError(
            f"series with different steps of time ({told}); bring them to one step, or train on "
            "each kind by itself"
        )
    return stretches, next(iter(steps), stretches[0][0].step)


def _sizes(cut: Cut, steps: Steps, step: Step) -> tuple[int, int]:
    """Return window and horizon: as said, or as the calendar and the lengths suggest."""
    if cut.window is not None and cut.horizon is not None:
        return cut.window, cut.horizon
    lengths = np.bincount(steps.series, weights=np.diff(steps.offsets))
    usable = int(np.median(lengths) * (1 - cut.validation - cut.test)) // 4
    season = season_of(step)
    horizon = cut.horizon
    if horizon is None:
        likely = season if 1 < season <= MOST_FORETOLD else USUAL_HORIZON
        horizon = max(1, min(likely, usable // 2))
    window = cut.window
    if window is None:
        likely = WEEK if season == HOUR_OF_DAY else max(2 * season, 4 * horizon)
        window = max(1, min(likely, usable))
        window -= window % season if window > season else 0
    logger.warning(
        "%d steps of %s are seen (data.window) to foretell %d (data.horizon)",
        window,
        step.text,
        horizon,
    )
    return window, horizon


def _parts(steps: Steps, window: int, horizon: int, cut: Cut) -> tuple[Parts, Indices]:
    """Return the windows of each split, and the steps of training."""
    number = len(steps.names)
    lengths = np.bincount(steps.series, weights=np.diff(steps.offsets)).astype(int).tolist()
    if cut.way == "time":
        shares: dict[str, Any] = {"validation": cut.validation, "test": cut.test}
        ends = [
            cuts(length, horizon, **shares, folds=cut.folds, fold=cut.fold) for length in lengths
        ]
    else:
        ends = [
            _whole_series(part, far + 1)
            for part, far in zip(_dealt(steps, cut), lengths, strict=True)
        ]
    found = [starts(steps, s, window, horizon, ends[s], cut.stride) for s in range(number)]
    train, validation, test = (np.concatenate([three[k] for three in found]) for k in range(3))
    _refuse_short(found, lengths, window + horizon, cut)
    used = [training_steps(steps, s, max(0, ends[s][0])) for s in range(number)]
    return (train, validation, test), np.concatenate(used)


def _dealt(steps: Steps, cut: Cut) -> list[int]:
    """Return the split of each series: 0 training, 1 validation, 2 test."""
    parts = split(
        count=len(steps.names),
        method=cut.way,
        validation=cut.validation,
        test=cut.test,
        seed=cut.seed,
        groups=steps.names if cut.way == "group" else None,
        names=steps.names,
        folds=cut.folds,
        fold=cut.fold,
    )
    dealt = np.zeros(len(steps.names), dtype=np.int64)
    for number, part in enumerate(parts):
        dealt[part] = number
    return dealt.tolist()


def _whole_series(part: int, far: int) -> tuple[int, int, int]:
    """Return where the splits of a series end, all of whose steps are in one of them."""
    return ((far, far, far), (0, far, far), (0, 0, 0))[part]


def _refuse_short(found: Sequence[Parts], lengths: list[int], size: int, cut: Cut) -> None:
    """Raise DataError where a split has no window; warn of series that have none for training."""
    asked = {"train": True, "validation": cut.validation > 0 or cut.folds, "test": cut.test > 0}
    numbers = np.array([[len(part) for part in three] for three in found]).reshape(-1, 3)
    empty = [name for k, name in enumerate(SPLITS) if asked[name] and not numbers[:, k].sum()]
    if empty:
        raise DataError(
            f"no window for {' and '.join(empty)}: the longest of {len(lengths)} series has "
            f"{max(lengths):,} steps, and a window with its horizon takes {size}; choose a smaller "
            "data.window and data.horizon, set data.validation=0 or data.test=0, or give longer "
            "series"
        )
    short = int((numbers.sum(axis=1) == 0).sum())
    if short:
        logger.warning("%d of %d series are too short for a window", short, len(lengths))


def _about(steps: Steps, step: Step, window: int, horizon: int, roles: Roles) -> str:
    number, total = len(steps.names), len(steps.values)
    columns = len(roles.channels)
    told = ", ".join(roles.targets[:3]) + (", ..." if len(roles.targets) > 3 else "")
    return (
        f"{number} series of {total:,} steps ({step.text}){' in all' if number > 1 else ''}; "
        f"{window} steps of {columns} {'column' if columns == 1 else 'columns'} to foretell "
        f"{horizon} of {told}"
    )


def _fingerprint(
    steps: Steps, parts: Sequence[Indices], channels: Sequence[str], window: int, horizon: int
) -> str:
    digest = hashlib.sha256(f"{window} {horizon} {channels} {steps.names}".encode())
    for array in (steps.values, steps.times.values, steps.offsets, *parts):
        digest.update(np.int64(len(array)).tobytes())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
