"""scikit-learn's bundled tables: real data that needs no download."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from data.errors import DataError
from data.splits import Splits
from data.tables.build import table_splits
from data.tables.division import Plan
from data.tables.frame import Frame, of_table
from data.tables.info import TableInfo
from data.tables.roles import Options
from data.tables.table import argument_problems, listed

if TYPE_CHECKING:
    import pandas

NAMES = ("wine", "breast_cancer", "iris", "diabetes")


def sklearn(
    name: str = "wine",
    *,
    target: str | Sequence[str] | None = None,
    problem: Literal["classification", "multilabel", "regression"] | None = None,
    features: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    validation: float = 0.1,
    test: float = 0.2,
    split: str | None = None,
    splits: str | Path | None = None,
    split_seed: int = 0,
    folds: int | None = None,
    fold: int | None = None,
) -> Splits[TableInfo]:
    """Return a table of scikit-learn, split and encoded as a table of the user's own is.

    wine (178 rows, 3 classes), breast_cancer (569, 2) and iris (150, 3) are for classification,
    diabetes (442) is for regression. Classes have their names.

    Args:
        name: wine, breast_cancer, iris or diabetes.
        target: the column to predict; None for the set's own, "target".
        problem: None for what the target looks like.
        features: the columns to predict from; None for all.
        ignore: columns to leave out.
        validation: fraction of the rows, 0 for none.
        test: likewise.
        split: a way of splitting (`data.splitting.METHODS`); None for what fits the target.
        splits: a splits.csv to follow.
        split_seed: which split; independent of the run's seed.
        folds: divide all but the test into so many parts.
        fold: which of them, from 0, is the validation; `validation` then has no effect.

    Raises:
        DataError: all that is wrong with the arguments, or scikit-learn is not installed.
    """
    problems = argument_problems(problem, split, validation, test, folds, fold)
    try:
        frame = bundled(name)
    except DataError as error:
        problems += error.problems
    if problems:
        raise DataError(*problems)
    plan = Plan(
        problem=problem,
        split=split,
        splits=splits,
        validation=validation,
        test=test,
        split_seed=split_seed,
        folds=folds,
        fold=fold,
    )
    options = Options(
        target=listed(target) or None,
        features=None if features is None else listed(features),
        ignore=listed(ignore),
    )
    return table_splits(frame, options, plan)


def bundled(name: str) -> Frame:
    """Return one of scikit-learn's tables; raises DataError for an unknown name."""
    if name == "digits":
        raise DataError("name (digits) in data.name: these are pictures; choose data=digits")
    if name not in NAMES:
        raise DataError(f"name ({name!r}) in data.name; choose {', '.join(NAMES)}")
    try:
        from sklearn import datasets
    except ImportError as error:
        raise DataError(
            "scikit-learn is not installed, and data=sklearn is part of it; pip install "
            "scikit-learn"
        ) from error
    options = {"scaled": False} if name == "diabetes" else {}
    bunch = getattr(datasets, f"load_{name}")(as_frame=True, **options)
    table: pandas.DataFrame = bunch.frame
    if name != "diabetes":
        names = [str(each) for each in bunch.target_names]
        table = table.assign(target=[names[place] for place in table["target"]])
    return of_table(name, table)
