"""`series`: files of measurements over time, ready to train on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from data.bad_samples import option_problems
from data.errors import DataError
from data.series.classify import Division, class_splits
from data.series.files import Dialect
from data.series.forecast import Cut, forecast_splits
from data.series.info import SeriesInfo
from data.series.listing import listed
from data.series.opening import PROBLEMS, Problem, open_all, problem_of
from data.series.roles import Wanted, as_names
from data.series.rows import GAPS, Gaps
from data.splits import Splits


def series(
    path: str | Path | None = None,
    *,
    problem: Problem | None = None,
    time: str | None = None,
    series: str | Sequence[str] | None = None,
    target: str | Sequence[str] | None = None,
    features: str | Sequence[str] | None = None,
    window: int | None = None,
    horizon: int | None = None,
    stride: int = 1,
    gaps: Gaps = "error",
    split: str | None = None,
    validation: float = 0.1,
    test: float = 0.2,
    split_seed: int = 0,
    folds: int | None = None,
    fold: int | None = None,
    splits: str | None = None,
    separator: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    day_first: bool | None = None,
    on_error: Literal["stop", "skip"] = "stop",
    max_bad: int = 20,
) -> Splits[SeriesInfo]:
    """Return series from a CSV, TSV or Parquet file, or from a folder of these.

    A forecast (problem "regression"): each sample is a window of consecutive steps, its target the
    steps that follow. Validation and test are the latest steps of each series; no training window
    holds one of their targets. Classification: each sample is a whole series.

    Args:
        path: a file with a row for each time, a folder of such files (one series each), or, for
            classification, a folder for each class.
        problem: "regression" or "classification"; None: classification where there are class
            folders or the target is text.
        time: column of times; None to find it, by name and content.
        series: column, or columns, that tell series apart; None to find it where times come twice.
        target: columns to forecast (None: all of numbers), or the column of the label.
        features: further columns of numbers that a model sees. Classification: None for all.
        window: steps of an input. Classification: shorter series are padded, of longer ones the
            last steps are taken. None: what the calendar suggests, or the longest training series.
        horizon: steps to forecast; None: what the calendar suggests.
        stride: steps from one window to the next.
        gaps: missing steps and empty cells: "error", "interpolate", "split" (cut the series
            there) or "ignore" (take row after row), see `data.series.rows.without_holes`.
        split: forecast: "time"; or "group", "random" (the same) or "hash", for whole series.
            Classification: "stratified", "random", "hash" or "column" (by folders).
        validation: fraction of the steps, or of the series; 0 for none.
        test: likewise.
        split_seed: which split, where chance plays a part; independent of the run's seed.
        folds: divide all but the test into so many parts; by time "rolling origin": fold i trains
            on the first i + 1 of folds + 1 blocks and validates on the next.
        fold: which of them, from 0, is the validation; `validation` then has no effect.
        splits: classification: path of a splits.csv to follow.
        separator: between columns of a text file; None to find it.
        decimal: "." or ","; None to find it.
        encoding: of text files; None: UTF-8, else cp1252.
        day_first: whether the day comes first in 01/02/2024; None to find out.
        on_error: files that can't be read are an error ("stop"), or are left out ("skip").
        max_bad: with "skip", so many may be left out.

    Raises:
        DataError: all that is wrong with the arguments, or with all files.
    """
    dialect = Dialect(separator, decimal, encoding)
    way = split or "time"
    cut = Cut(window, horizon, stride, way, validation, test, split_seed, folds, fold)
    problems = [*dialect.problems(), *option_problems(on_error, max_bad)]
    if problem not in (None, *PROBLEMS):
        problems.append(f"problem ({problem!r}) in data.problem; choose {' or '.join(PROBLEMS)}")
    if gaps not in GAPS:
        problems.append(f"gaps ({gaps!r}) in data.gaps; choose {', '.join(GAPS)}")
    if problem != "classification":
        extra = cut.problems()
        problems += extra if problem else [line for line in extra if "data.split;" not in line]
    if problems:
        raise DataError(*problems)
    files = listed(path)
    wanted = Wanted(time, as_names(series), as_names(target), as_names(features), day_first)
    reading: dict[str, Any] = {
        "separator": separator,
        "decimal": decimal,
        "encoding": encoding,
        "day_first": day_first,
    }
    if (problem or problem_of(files, wanted, dialect)) == "classification":
        return class_splits(
            open_all(files, replace(wanted, is_classification=True), dialect, on_error, max_bad),
            Division(split, validation, test, split_seed, folds, fold, splits),
            window,
            gaps,
            reading,
        )
    if problems := cut.problems():
        raise DataError(*problems)
    if splits is not None:
        raise DataError(
            "data.splits can't be followed by windows, which overlap; leave it out: the split by "
            "time is always the same"
        )
    opened, roles, bad = open_all(files, wanted, dialect, on_error, max_bad)
    found = [rows for each in opened for rows in each.rows]
    return forecast_splits(found, roles, cut, gaps, reading, bad)
