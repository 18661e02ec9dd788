"""A file of rows: CSV, TSV or Parquet."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from data.bad_samples import option_problems
from data.errors import DataError
from data.folds import fold_problems
from data.splits import Splits, check_fractions
from data.splitting import METHODS
from data.tables.build import table_splits
from data.tables.cells import MISSING
from data.tables.division import Plan
from data.tables.frame import read_frame
from data.tables.info import TableInfo
from data.tables.layout import layout
from data.tables.roles import Options
from data.tables.sheet import existing_table
from data.tables.target import PROBLEMS


def table(
    path: str | Path | None = None,
    *,
    target: str | Sequence[str] | None = None,
    problem: Literal["classification", "multilabel", "regression"] | None = None,
    features: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    categorical: Sequence[str] = (),
    numeric: Sequence[str] = (),
    group: str | None = None,
    time: str | None = None,
    weight: str | None = None,
    split_column: str | None = None,
    separator: str | None = None,
    encoding: str | None = None,
    decimal: str | None = None,
    header: bool | None = None,
    missing: Sequence[str] | None = None,
    label_separator: str | None = None,
    missing_target: Literal["stop", "drop"] = "stop",
    max_levels: int = 100,
    validation: float = 0.1,
    test: float = 0.2,
    split: str | None = None,
    splits: str | Path | None = None,
    split_seed: int = 0,
    folds: int | None = None,
    fold: int | None = None,
    on_error: Literal["stop", "skip"] = "stop",
    max_bad: int = 20,
) -> Splits[TableInfo]:
    """Return the rows of a CSV, TSV or Parquet file, split into training, validation and test.

    What each column is for is inferred and said. Numbers are standardised, dates become numbers,
    categories become codes, all by what the training split says.

    Args:
        path: the file; it may be compressed with gzip.
        target: the column to predict, or several (numbers: regression; 0 and 1: several labels);
            None for one that is called so (target, label, class, y ...), or else the last.
        problem: None for what the target looks like.
        features: the columns to predict from; None for all that can be of use.
        ignore: columns to leave out.
        categorical: columns whose values are names, though they look like numbers.
        numeric: columns of numbers, though they look like names; other cells are errors then.
        group: a column none of whose values may be in two splits; no feature.
        time: a column that says when a row is from: the newest are the test; no feature.
        weight: a column of weights; no feature, a batch's third field (task.sample_weight=2).
        split_column: a column that holds train, validation or test; no feature.
        separator: between cells; None to find out.
        encoding: such as "cp1252"; None to find out.
        decimal: "." or "," where both are possible, as in 1,234; None to find out.
        header: whether the first row holds names; None to find out.
        missing: texts that mean that a value is missing; None for the usual ones.
        label_separator: between several labels in one cell of the target.
        missing_target: rows without a target are an error ("stop"), or are left out ("drop").
        max_levels: so many categories of a column are kept, the most frequent; others are unknown.
        validation: fraction of the rows, 0 for none.
        test: likewise.
        split: a way of splitting (`data.splitting.METHODS`); None for what fits the columns.
        splits: a splits.csv to follow.
        split_seed: which split; independent of the run's seed.
        folds: divide all but the test into so many parts.
        fold: which of them, from 0, is the validation; `validation` then has no effect.
        on_error: cells that can't be read are an error ("stop"), or their rows are left out
            ("skip") after the split, which they don't change.
        max_bad: with "skip", so many rows may be left out.

    Raises:
        DataError: all that is wrong with the arguments, or with the file, each cell by its row.
    """
    how = layout(separator=separator, encoding=encoding, decimal=decimal, header=header)
    problems = how.problems() + option_problems(on_error, max_bad)
    problems += argument_problems(problem, split, validation, test, folds, fold)
    if missing_target not in ("stop", "drop"):
        problems.append(
            f"missing_target ({missing_target!r}) in data.missing_target; choose stop or drop"
        )
    if type(max_levels) is not int or max_levels < 1:
        problems.append(f"max_levels ({max_levels!r}) in data.max_levels; give 1 or more")
    try:
        file = existing_table(path)
    except DataError as error:
        problems += error.problems
    if problems:
        raise DataError(*problems)
    options = Options(
        target=None if target is None else listed(target),
        features=None if features is None else listed(features),
        ignore=listed(ignore),
        categorical=listed(categorical),
        numeric=listed(numeric),
        group=group,
        time=time,
        weight=weight,
        split_column=split_column,
    )
    plan = Plan(
        problem=problem,
        label_separator=label_separator,
        drops_missing_target=missing_target == "drop",
        most_levels=max_levels,
        split=split,
        splits=splits,
        validation=validation,
        test=test,
        split_seed=split_seed,
        folds=folds,
        fold=fold,
        on_error=on_error,
        max_bad=max_bad,
    )
    return table_splits(read_frame(file, how, missing=absent_texts(missing)), options, plan)


def absent_texts(texts: Sequence[str] | None) -> frozenset[str]:
    """Return the texts that mean that a value is missing; nothing at all always does."""
    return MISSING if texts is None else frozenset(["", *map(str, texts)])


def listed(names: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return names as a tuple; a single one may come alone."""
    if names is None:
        return ()
    return (names,) if isinstance(names, str) else tuple(map(str, names))


def argument_problems(
    problem: str | None,
    split: str | None,
    validation: float,
    test: float,
    folds: int | None,
    fold: int | None,
) -> list[str]:
    """Return what is wrong with the problem and the way of splitting."""
    found = [
        f"{key} ({value!r}) in data.{key}; choose {', '.join(allowed)}"
        for key, value, allowed in (("problem", problem, PROBLEMS), ("split", split, [*METHODS]))
        if value is not None and value not in allowed
    ]
    try:
        check_fractions(validation=validation, test=test)
    except DataError as error:
        found += error.problems
    return found + fold_problems(folds, fold)
