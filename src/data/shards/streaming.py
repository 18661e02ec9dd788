"""Data in shards that are larger than memory: images in tar files, or rows of Parquet files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from data.bad_samples import OnError, option_problems
from data.errors import DataError
from data.info import ImageInfo
from data.pixels.decoding import FITS, Fit
from data.shards.info import RowsInfo
from data.shards.listing import Shards, shards
from data.splits import Splits


def stream(
    path: str | Path | Sequence[str | Path] | None = None,
    *,
    target: str | Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    size: int | Sequence[int] = 64,
    channels: int = 3,
    fit: Fit = "crop",
    features: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    problem: Literal["classification", "regression"] | None = None,
    buffer: int = 1000,
    split: str | None = None,
    validation: float = 0.1,
    test: float = 0.2,
    split_seed: int = 0,
    group: str | None = None,
    time: str | None = None,
    split_column: str | None = None,
    splits: str | Path | None = None,
    folds: int | None = None,
    fold: int | None = None,
    augment: Any = None,
    transform: Any = None,
    on_error: OnError = "stop",
    max_bad: int = 20,
) -> Splits[ImageInfo | RowsInfo]:
    """Return the samples of shards, split; of their content only what is needed just now is held.

    Tar files as WebDataset has them: files that follow each other and share their name up to the
    first dot are a sample, such as a.jpg with a.cls (a number or a name) or a.json. Parquet files:
    columns of numbers, and one to be learned. Where the samples lie is found out once (headers of
    tar files, footers of Parquet files) and kept in arrays.

    Args:
        path: a folder of shards, a pattern (*, **, {000..009}), or a list of these.
        target: tar: "cls", "txt" or "json.FIELD"; Parquet: a column, or several for regression.
            None: what is usual (cls; label, class ...), or the last column.
        classes: tar: names for classes that are stored as numbers from 0.
        size: images: rows and columns to decode to, one number or [height, width].
        channels: images: 1 for gray, 3 for RGB.
        fit: images: see `data.pixels.decoding.decode`.
        features: Parquet: columns of the input; None for all others of numbers.
        ignore: Parquet: columns that are left out.
        problem: Parquet; None: classes unless the target has numbers with a point, or more than 50
            different whole ones.
        buffer: samples that are mixed while training: each comes within so many places of where it
            is stored, in shards that come in a new order each epoch.
        split: one of `data.splitting.METHODS`; None: as shard names or `split_column` say
            (train-000.tar), by `group` or `time`, or else by the hash of each sample's name.
        validation: fraction of the samples, where none are given.
        test: likewise.
        split_seed: which split; independent of the run's seed.
        group: Parquet: column of groups, none of which is in two splits.
        time: Parquet: column of times; the newest test.
        split_column: Parquet: column that says train, validation or test.
        splits: path of a splits.csv to follow instead.
        folds: divide all but the test into so many parts.
        fold: which of them, from 0, is the validation.
        augment: images: for training batches, e.g. `data.augmentation.RandomAffine`.
        transform: images: for single training samples, e.g. a torchvision v2 transform.
        on_error: samples that can't be used are an error ("stop") or left out ("skip").
        max_bad: with "skip", so many may be left out.

    Raises:
        DataError: all that is wrong with the arguments, or with the shards.
    """
    problems = option_problems(on_error, max_bad)
    sides = [size, size] if isinstance(size, int) else list(size)
    if len(sides) != 2 or any(not isinstance(side, int) or side < 1 for side in sides):
        problems.append(f"size ({size}) in data.size; give a number of pixels or [height, width]")
    if channels not in (1, 3):
        problems.append(f"channels ({channels}) in data.channels; give 1 for gray or 3 for RGB")
    if fit not in FITS:
        problems.append(f"fit ({fit!r}) in data.fit; choose {', '.join(FITS)}")
    if type(buffer) is not int or buffer < 1:
        problems.append(f"buffer ({buffer!r}) in data.buffer; give a number of samples, from 1")
    found: Shards | None = None
    try:
        found = shards(path)
        problems += _misplaced(found.kind, target, classes, features, group, time, split_column)
    except DataError as error:
        problems += error.problems
    if problems:
        raise DataError(*problems)
    assert found is not None
    options = {
        "method": split,
        "validation": validation,
        "test": test,
        "seed": split_seed,
        "splits": splits,
        "folds": folds,
        "fold": fold,
    }
    made: Any
    if found.kind == "tar":
        from data.shards.tar_build import image_splits

        assert target is None or isinstance(target, str)
        made = image_splits(
            found,
            target=target,
            classes=classes,
            shape=(channels, sides[0], sides[1]),
            fit=fit,
            buffer=buffer,
            augment=augment,
            transform=transform,
            on_error=on_error,
            max_bad=max_bad,
            options=options,
        )
    else:
        from data.shards.row_build import row_splits

        made = row_splits(
            found,
            target=target,
            features=features,
            ignore=ignore,
            problem=problem,
            group=group,
            time=time,
            split_column=split_column,
            buffer=buffer,
            on_error=on_error,
            max_bad=max_bad,
            options=options,
        )
    streamed: Splits[ImageInfo | RowsInfo] = made
    return streamed


def _misplaced(
    kind: str, target: Any, classes: Any, features: Any, group: Any, time: Any, split_column: Any
) -> list[str]:
    """Return a line for each option that the shards' kind has no use for."""
    if kind == "parquet":
        wrong = {"classes": classes}
    else:
        wrong = {"features": features, "group": group, "time": time, "split_column": split_column}
        if target is not None and not isinstance(target, str):
            wrong["target"] = target
    return [
        f"{key} ({value}) in data.{key} doesn't go with .{kind} shards; leave it out"
        for key, value in wrong.items()
        if value is not None
    ]
