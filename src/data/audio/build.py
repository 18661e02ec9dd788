"""From a list of recordings to Splits: what all data sets of sound share."""

import logging
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.answers import ClassAnswer, LabelsAnswer, NumbersAnswer
from data.audio.info import AudioInfo
from data.audio.left_out import Parts, judge, without
from data.audio.listing import Recordings
from data.audio.options import Options
from data.audio.reader import AudioReader
from data.audio.sounds import Sounds, Stored, stored
from data.audio.targets import Targets
from data.audio.waveform import Header, header
from data.bad_samples import failures
from data.images.build import choice, fingerprint
from data.splits import Indices, Splits
from data.splitting import split

LOOKED_AT = 2000
CACHE_BYTES = 1 << 30
LONGEST = 10.0
STEP = 0.05
logger = logging.getLogger(__name__)


def assembled(found: Recordings, options: Options) -> Splits[AudioInfo]:
    """Return the splits of recordings.

    The headers of up to 2,000 files are read, and of those of the training split the sample rate
    (the most frequent) and the duration (the 95th percentile, at most 10 s) are taken where the
    options leave them open.

    Raises:
        DataError: files that can't be read, or data that can't be split.
    """
    sounds = Sounds(found.root, tuple(found.names), 0)
    headers, bad = _headers(sounds)
    if options.on_error == "stop":
        judge(list(bad.values()), "stop", options.max_bad)
    parts = _parts(found, options)
    rate, length = _measures([headers[i] for i in parts[0].tolist() if i in headers], options)
    sounds = replace(sounds, sample_rate=rate)
    cached = _is_cached(list(headers.values()), len(sounds), rate, length, options)
    kept: list[Stored | None] = []
    for part in parts:
        own = _of(sounds, part)
        if not cached:
            kept.append(None)
            continue
        gone = [place for place, index in enumerate(part.tolist()) if index in bad]
        waves, unread = stored(own, length, whole=part is parts[0], skip=gone)
        bad |= {int(part[place]): why for place, why in unread.items()}
        kept.append(waves)
    judge(list(bad.values()), options.on_error, options.max_bad)
    sound, left_out = without(parts, bad, found)
    info = _info(found, sounds, length, sound)
    from data.audio.clips import Clips

    datasets: list[Clips | None] = []
    for old, part, table in zip(parts, sound, kept, strict=True):
        if not len(part):
            datasets.append(None)
            continue
        is_train = part is sound[0]
        datasets.append(
            Clips(
                _of(sounds, part),
                replace(found.targets, values=found.targets.values[part]),
                length=length,
                scale=(info.target_mean, info.target_std),
                kept=None if table is None else table.rows(np.isin(old, part)),
                cuts=is_train,
                augment=options.augment if is_train else None,
            )
        )
    return Splits(datasets[0], datasets[1], datasets[2], info, bad=left_out)


def _headers(sounds: Sounds) -> tuple[dict[int, Header], dict[int, str]]:
    """Return the headers of a fixed sample of the files, and why some can't be read."""
    found: dict[int, Header] = {}

    def look(index: int) -> None:
        found[index] = header(sounds.path(index))

    bad = failures(look, choice(len(sounds), LOOKED_AT).tolist())
    return dict(sorted(found.items())), bad


def _parts(found: Recordings, options: Options) -> Parts:
    targets = found.targets
    labels = None if targets.problem == "regression" else targets.values.astype(np.int64)
    return split(
        count=len(found.names),
        method=options.split,
        validation=options.validation,
        test=options.test,
        seed=options.split_seed,
        labels=labels,
        groups=found.groups,
        given=found.given,
        names=found.names,
        classes=targets.classes or None,
        folds=options.folds,
        fold=options.fold,
        splits=options.splits,
    )


def _measures(headers: Sequence[Header], options: Options) -> tuple[int, int]:
    """Return sample rate and length of an input, from the options or the training files."""
    rates = Counter(each.rate for each in headers)
    # Of rates that are as frequent the lower one: no file gains what it hasn't got.
    rate = options.sample_rate or min(rates, key=lambda each: (-rates[each], each), default=16000)
    others = sum(count for each, count in rates.items() if each != rate)
    if others:
        logger.warning(
            "%d of %d training files have another sample rate than %d Hz and are resampled",
            others,
            len(headers),
            rate,
        )
    durations = np.array([each.seconds for each in headers] or [1.0])
    seconds = options.seconds
    if seconds is None:
        usual = math.ceil(float(np.percentile(durations, 95)) / STEP - 1e-6) * STEP
        seconds = round(min(usual, LONGEST), 2)
    longer = int((durations > seconds + 0.5 / rate).sum())
    if longer:
        logger.warning(
            "%d of %d training files are longer than %g s (the longest: %.3g s); a random part of "
            "that length is learned from, the middle is judged: see data.seconds",
            longer,
            len(headers),
            seconds,
            durations.max(),
        )
    return rate, max(1, round(seconds * rate))


def _is_cached(
    headers: Sequence[Header], count: int, rate: int, length: int, options: Options
) -> bool:
    """Whether all waveforms, each as wide as the longest, may be kept in memory."""
    if options.cache != "auto":
        return bool(options.cache)
    longest = max((each.seconds for each in headers), default=0.0)
    return 4 * count * max(length, math.ceil(longest * rate)) <= CACHE_BYTES


def _of(sounds: Sounds, part: Indices) -> Sounds:
    return replace(sounds, names=tuple(sounds.names[index] for index in part.tolist()))


def _info(found: Recordings, sounds: Sounds, length: int, parts: Parts) -> AudioInfo:
    targets, rate = found.targets, sounds.sample_rate
    learnt = targets.values[parts[0]]
    mean, std = _scale(learnt, targets.names) if targets.problem == "regression" else ((), ())
    num_classes = len(targets.classes)
    if targets.problem == "classification":
        counts = np.bincount(learnt.astype(np.int64), minlength=num_classes)
    else:
        counts = learnt.sum(axis=0).astype(np.int64) if num_classes else np.zeros(0, np.int64)
    what = f"{num_classes} {'labels' if targets.problem == 'multilabel' else 'classes'}"
    seconds = length / rate
    sizes = [f"{rate} {length}"]
    # Names and sizes stand for the content: reading every byte of a large folder takes too long.
    sizes += [f"{name} {_size(sounds.path(place))}" for place, name in enumerate(found.names)]
    values = np.ascontiguousarray(targets.values, dtype="<f8").tobytes()
    every: NDArray[np.int64] = np.arange(len(found.names))
    return AudioInfo(
        problem=targets.problem,
        about=f"{seconds:g} s at {rate} Hz, "
        + (what if num_classes else f"to predict {', '.join(targets.names)}"),
        num_outputs=num_classes or len(targets.names),
        classes=targets.classes,
        num_classes=num_classes,
        class_counts=tuple(counts.tolist()),
        targets=targets.names,
        target_mean=mean,
        target_std=std,
        sample_rate=rate,
        seconds=seconds,
        length=length,
        input_shape=(length,),
        num_train=len(parts[0]),
        num_validation=len(parts[1]),
        num_test=len(parts[2]),
        fingerprint=fingerprint("\n".join(sizes).encode() + values, every, parts),
        reader=AudioReader(sample_rate=rate, length=length).node,
        answer=_answer(targets, mean, std),
    )


def _scale(
    values: NDArray[Any], names: Sequence[str]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each target; 1 for one that never changes."""
    mean, std = values.mean(axis=0), values.std(axis=0)
    for name in (name for name, each in zip(names, std, strict=True) if each == 0):
        logger.warning("target %r has one and the same value in all training files", name)
    std[std == 0] = 1.0
    return tuple(mean.tolist()), tuple(std.tolist())


def _answer(targets: Targets, mean: tuple[float, ...], std: tuple[float, ...]) -> dict[str, Any]:
    if targets.problem == "regression":
        return NumbersAnswer(targets.names, mean, std).node
    make = ClassAnswer if targets.problem == "classification" else LabelsAnswer
    return make(targets.classes).node


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1  # a file that is left out
