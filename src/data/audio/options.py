"""The options that all data sets of sound have, checked together."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from data.audio.targets import PROBLEMS
from data.audio.waveform import MAX_RATE
from data.bad_samples import option_problems
from data.errors import DataError
from data.folds import fold_problems
from data.splits import check_fractions
from data.splitting import METHODS

Cache = bool | Literal["auto"]
MAX_SECONDS = 3600.0


@dataclass(frozen=True)
class Options:
    """How recordings become inputs, and how they are split; see `data.audio.recordings.audio`."""

    sample_rate: int | None
    seconds: float | None
    validation: float
    test: float
    split: str | None
    split_seed: int
    splits: str | Path | None
    folds: int | None
    fold: int | None
    cache: Cache
    augment: Any
    on_error: Literal["stop", "skip"]
    max_bad: int

    def check(self, *problems: str) -> None:
        """Raise DataError with every option that is out of range, after these problems."""
        found = [*problems, *option_problems(self.on_error, self.max_bad)]
        rate, seconds = self.sample_rate, self.seconds
        if rate is not None and (type(rate) is not int or not 1 <= rate <= MAX_RATE):
            found.append(f"sample_rate ({rate}) in data.sample_rate; give 1 to {MAX_RATE:,} Hz")
        if seconds is not None and not 0 < seconds <= MAX_SECONDS:
            found.append(f"seconds ({seconds}) in data.seconds; give above 0 to {MAX_SECONDS:.0f}")
        if self.split is not None and self.split not in METHODS:
            found.append(f"split ({self.split!r}) in data.split; choose {', '.join(METHODS)}")
        if self.cache not in (True, False, "auto"):
            found.append(f"cache ({self.cache!r}) in data.cache; choose auto, true or false")
        try:
            check_fractions(validation=self.validation, test=self.test)
        except DataError as error:
            found += error.problems
        found += fold_problems(self.folds, self.fold)
        if found:
            raise DataError(*found)


def format_problems(separator: str | None, decimal: str | None) -> Sequence[str]:
    """Return what is wrong with `data.separator` and `data.decimal`."""
    problems = []
    if separator is not None and len(separator) != 1:
        problems.append(f"separator ({separator!r}) in data.separator; give one character")
    if decimal not in (None, ".", ","):
        problems.append(f"decimal ({decimal!r}) in data.decimal; give '.' or ','")
    return problems


def problem_problems(problem: str | None) -> Sequence[str]:
    """Return what is wrong with `data.problem`."""
    if problem is None or problem in PROBLEMS:
        return []
    return [f"problem ({problem!r}) in data.problem; choose {', '.join(PROBLEMS)}"]
