"""Recordings: clipping, silence, length, and rates that differ."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.audio.measure import facts
from data.audio.waveform import samples
from data.audit.duplicates import Contents
from data.audit.figures import histogram
from data.audit.finding import Finding, many, number, percent, places
from data.audit.parts import Part, row_digests
from data.audit.study import Study, flagged_with, unreadable

CLIPPED = 0.001  # share of values at full scale
SILENT = 10 ** (-60 / 20)
BRIEF = 0.05  # seconds
SHORT_SHARE = 0.1  # of the median


class Heard(NamedTuple):
    """What is kept of one recording."""

    digest: np.uint64
    seconds: float
    clipped: float
    rms: float
    rate: int
    """Of its file; 0 where it is not known."""


def study(parts: Sequence[Part], info: Any, folder: Path | None) -> Study:
    """Listen to all recordings: their files where `folder` has them, else what the reader gives."""
    rate = int(getattr(info, "sample_rate", 0) or getattr(info, "rate", 0) or 0)

    def listen(part: Part, row: int) -> Heard:
        file = part.file(row, folder)
        if file is not None:  # as recorded: resampling hides what is clipped
            wave, own_rate = samples(file)
        else:
            wave, own_rate = np.asarray(part.dataset.raw(row), dtype=np.float32), 0
        found = facts(wave, own_rate or rate)
        mark = row_digests(wave[None])[0]
        return Heard(mark, found.seconds, found.clipped, found.rms, own_rate)

    read = [part.each(partial(listen, part)) for part in parts]
    bad = [reasons for _, reasons in read]
    nothing = Heard(np.uint64(0), np.nan, np.nan, np.nan, 0)
    heard = [[each or nothing for each in own] for own, _ in read]
    wrong = [np.array([each is None for each in own], dtype=bool) for own, _ in read]
    columns = [
        {key: np.array([getattr(each, key) for each in own]) for key in Heard._fields}
        for own in heard
    ]
    result = Study(findings=unreadable(parts, bad, "recording"))
    result.findings += loudness(parts, columns)
    result.findings += lengths(parts, columns) if rate else []
    result.findings += rates(columns)
    silent = [wrong[k] | (columns[k]["rms"] < SILENT) for k in range(len(parts))]
    result.contents.append(Contents([own["digest"] for own in columns], "recording", ignore=silent))
    seconds = [(part.split, own["seconds"]) for part, own in zip(parts, columns, strict=True)]
    volume = [
        (part.split, 20 * np.log10(np.maximum(own["rms"], 1e-5)))
        for part, own in zip(parts, columns, strict=True)
    ]
    for title, values in (("Seconds of a recording", seconds), ("Loudness, in dB", volume)):
        drawn = histogram(title, values)
        if drawn is not None and (rate or values is volume):
            result.figures.append(drawn)
    return result


Columns = Sequence[dict[str, NDArray[Any]]]


def loudness(parts: Sequence[Part], heard: Columns) -> list[Finding]:
    """Recordings that are cut off at full scale, and those on which nothing is to be heard."""
    found = []
    clipped = [own["clipped"] >= CLIPPED for own in heard]
    if number_of := sum(int(each.sum()) for each in clipped):
        found.append(
            Finding(
                "warning",
                f"{many(number_of, 'recording')} clipped: {percent(CLIPPED)} of the values or "
                "more at full scale",
                flagged_with(
                    parts, clipped, lambda side, k: percent(float(heard[side]["clipped"][k]))
                ),
                "they were recorded too loud and are distorted; record again, or remove them",
            )
        )
    silent = [own["rms"] < SILENT for own in heard]
    if number_of := sum(int(each.sum()) for each in silent):
        found.append(
            Finding(
                "warning",
                f"{many(number_of, 'recording')} silent (below -60 dB)",
                flagged_with(parts, silent, lambda side, k: decibels(heard[side]["rms"][k])),
                "nothing is to be heard; remove them, unless silence is a class",
            )
        )
    return found


def decibels(rms: float) -> str:
    """Return "-72 dB", or "no sound"."""
    return f"{20 * np.log10(rms):.0f} dB" if rms > 0 else "no sound"


def lengths(parts: Sequence[Part], heard: Columns) -> list[Finding]:
    """Recordings that are much shorter than the others, or than anything can be heard in."""
    seconds = np.concatenate([own["seconds"] for own in heard])
    known = seconds[np.isfinite(seconds)]
    if not len(known):
        return []
    usual = float(np.median(known))
    limit = max(BRIEF, SHORT_SHARE * usual)
    short = [own["seconds"] < limit for own in heard]
    number_of = sum(int(each.sum()) for each in short)
    if not number_of:
        return []
    return [
        Finding(
            "warning",
            f"{many(number_of, 'recording')} shorter than {number(limit)} s, where most have "
            f"{number(usual)} s",
            flagged_with(parts, short, lambda side, k: f"{heard[side]['seconds'][k]:.3f} s"),
            "they are filled up with silence; remove them, or see what went wrong",
        )
    ]


def rates(heard: Columns) -> list[Finding]:
    """Files of different sample rates."""
    counts = Counter(int(rate) for own in heard for rate in own["rate"] if rate)
    if len(counts) < 2:
        return []
    shown = places(f"{rate} Hz: {many(times, 'file')}" for rate, times in counts.items())
    return [
        Finding(
            "note",
            f"recordings of {len(counts)} sample rates",
            shown,
            "all of them are brought to one; what was recorded at a low rate sounds duller",
        )
    ]
