"""The user's own recordings: a folder for each class, or a table that names files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from data.audio.build import assembled
from data.audio.folder import existing
from data.audio.info import AudioInfo
from data.audio.labels import Format
from data.audio.listing import in_folder, in_table, opened
from data.audio.look import look_audio
from data.audio.options import Cache, Options, format_problems, problem_problems
from data.errors import DataError
from data.splits import Splits

__all__ = ["audio", "look_audio"]


def audio(
    path: str | Path | None = None,
    *,
    file: str | None = None,
    target: str | Sequence[str] | None = None,
    problem: Literal["classification", "multilabel", "regression"] | None = None,
    root: str | Path | None = None,
    group: str | None = None,
    split_column: str | None = None,
    separator: str | None = None,
    encoding: str | None = None,
    decimal: str | None = None,
    sample_rate: int | None = None,
    seconds: float | None = None,
    validation: float = 0.1,
    test: float = 0.2,
    split: str | None = None,
    split_seed: int = 0,
    splits: str | Path | None = None,
    folds: int | None = None,
    fold: int | None = None,
    cache: Cache = "auto",
    augment: Any = None,
    on_error: Literal["stop", "skip"] = "stop",
    max_bad: int = 20,
) -> Splits[AudioInfo]:
    """Return recordings as waveforms of one rate and one length, split in three.

    `path` is a folder, `path/CLASS/*.wav` or `path/train/CLASS/*.wav` with test/ and val/ (valid/,
    validation/) beside it; or a table (CSV, TSV, Parquet) with a column of paths. WAV, FLAC, OGG,
    MP3 and what else libsndfile reads; channels are averaged, other rates resampled.

    Args:
        path: the folder or the table.
        file: table: the column of paths; None: the first whose cells end in .wav, .flac ...
        target: table: the column to learn, or several; None: label, class, category, target ..., or
            the only other one. Text is classification, numbers are regression, several columns of 0
            and 1 are multilabel.
        problem: what there is to learn, where the target doesn't tell.
        root: table: folder that the paths are relative to; None: that of the table.
        group: table: a column, such as the speaker; none of its values is in two splits.
        split_column: table: a column that names the split of each file; None: split, subset or
            partition, where there is one and `split` and `group` don't say otherwise.
        separator: table: what is between two columns; None: tab, semicolon, comma or bar, whichever
            the header has most of.
        encoding: table: such as "cp1252"; None: UTF-8, or else Windows-1252, which is said.
        decimal: table: the decimal sign; None: also a comma, where it separates no columns.
        sample_rate: Hz; None: the rate of most training files.
        seconds: duration of an input: longer recordings are cut (at random in training, to their
            middle otherwise), shorter ones get silence; None: the 95th percentile of the training
            files, at most 10.
        validation: fraction of the files that are split, 0 for none.
        test: likewise.
        split: how to split, see `data.splitting.split`; None: by what there is.
        split_seed: which split; independent of the run's seed.
        splits: path of a splits.csv to follow.
        folds: divide all but the test into so many parts.
        fold: which of them, from 0, is the validation; `validation` then has no effect.
        cache: keep all waveforms in memory; "auto" does where they take 1 GiB or less.
        augment: for training batches, e.g. `data.audio.augment.RandomSound`.
        on_error: files that can't be read are an error ("stop"), or are left out ("skip") after the
            split, which they don't change; `Splits.bad` names them.
        max_bad: with "skip", so many may be left out.

    Raises:
        DataError: all that is wrong with the arguments, or with the files.
    """
    options = Options(
        sample_rate=sample_rate,
        seconds=seconds,
        validation=validation,
        test=test,
        split=split,
        split_seed=split_seed,
        splits=splits,
        folds=folds,
        fold=fold,
        cache=cache,
        augment=augment,
        on_error=on_error,
        max_bad=max_bad,
    )
    options.check(*problem_problems(problem), *format_problems(separator, decimal))
    place = existing(path)
    if place.is_dir():
        named = {"file": file, "target": target, "root": root, "group": group}
        named |= {"split_column": split_column, "separator": separator, "encoding": encoding}
        given = [f"data.{key}" for key, value in named.items() if value is not None]
        if given:
            raise DataError(
                f"{', '.join(given)} given and {place} in data.path is a folder; give the table "
                "(CSV, TSV, Parquet) that has these columns"
            )
        return assembled(in_folder(place, problem), options)
    how = Format(separator, encoding, decimal)
    others = (group, split_column)
    table, columns = opened(place, file=file, target=target, others=others, how=how)
    found = in_table(
        table,
        columns,
        file=file,
        problem=problem,
        root=root,
        group=group,
        split_column=split_column,
        complete=on_error == "stop",
    )
    return assembled(found, options)
