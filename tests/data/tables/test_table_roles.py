"""What each column is for, and what there is to learn: inferred, and as the user says."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from table_files import shop, written

from data.errors import DataError
from data.splits import Splits
from data.tables import look_table, table
from data.tables.info import TableInfo


def built(folder: Path, columns: dict[str, Sequence[Any]], **options: Any) -> Splits[TableInfo]:
    """A table of these columns, each repeated until there are 40 rows."""
    rows = [[str(v[i % len(v)]) for v in columns.values()] for i in range(40)]
    quoted = ['"' + name + '"' for name in columns]
    text = "\n".join([",".join(quoted), *(",".join(f'"{c}"' for c in row) for row in rows)])
    return table(written(folder, text + "\n"), **options)


def kinds(splits: Splits[TableInfo]) -> dict[str, str]:
    return {each["name"]: each["kind"] for each in splits.info.reader["columns"]}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2.5", "3"], "number"),
        (["1", "", "NA", "none"], "number"),
        (["1.234,5", "12,5"], "number"),
        (["yes", "No"], "boolean"),
        (["True", "False", ""], "boolean"),
        (["2024-01-31", "2023-05-01", "n/a"], "date"),
        (["31.01.2024", "02.03.2024"], "date"),
        (["Jan 31, 2024", "2 Feb 2024", "2024-03-01"], "date"),
        (["red", "green"], "category"),
        (["0", "1", "2", "3+"], "category"),
        (["1.2.3", "1.2.4"], "category"),
        (["12 kg", "13 kg"], "category"),
    ],
)
def test_the_kind_of_a_column(tmp_path: Path, values: list[str], kind: str) -> None:
    assert kinds(built(tmp_path, {"x": values, "target": ["a", "b"]})) == {"x": kind}


def test_columns_of_no_use_are_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = list(range(40))
    columns: dict[str, Sequence[Any]] = {
        "id": numbers,
        "name": [f"n{n}" for n in numbers],
        "same": ["x"],
        "zero": [0],
        "empty": [""],
        "nearly": [f"t{min(n, 37)}" for n in numbers],
        "x": numbers,
        "class": ["a", "b"],
    }
    assert kinds(built(tmp_path, columns)) == {"x": "number"}
    told = caplog.text
    assert "always the same: 'same', 'zero'" in told and "empty: 'empty'" in told
    assert "a number for each row: 'id'" in told and "a text for each row: 'name'" in told
    assert "hardly ever come twice: 'nearly'" in told and "numbers: 'x'" in told
    named = built(tmp_path, columns, features=["id", "name"])
    assert kinds(named) == {"id": "number", "name": "category"}
    assert kinds(built(tmp_path, columns, ignore=["id"], categorical=["x"])) == {"x": "category"}


@pytest.mark.parametrize("name", ["Kunden-Nr.", "row number", "Bestellnummer", "userId", "Index:"])
def test_numbers_of_rows_are_known_by_their_names(tmp_path: Path, name: str) -> None:
    columns: dict[str, Sequence[Any]] = {name: range(40), "x": range(40), "class": ["a", "b"]}
    assert kinds(built(tmp_path, columns)) == {"x": "number"}
    some = [n // 2 for n in range(40)]
    assert kinds(built(tmp_path, {**columns, name: some}))[name] == "number"


@pytest.mark.parametrize(
    ("values", "problem", "classes"),
    [
        (["b", "a"], "classification", ("a", "b")),
        (["2", "10", "1"], "classification", ("1", "2", "10")),
        (["1.0", "2.0"], "classification", ("1", "2")),
        (["yes", "no"], "classification", ("no", "yes")),
        (["True", "False"], "classification", ("False", "True")),
        (["1.5", "2"], "regression", ()),
        (["1,5", "2,25"], "regression", ()),
        ([str(n) for n in range(30)], "regression", ()),
        (["a|b", "a", "", "c|a"], "multilabel", ("a", "b", "c")),
    ],
)
def test_what_there_is_to_learn(
    tmp_path: Path, values: list[str], problem: str, classes: tuple[str, ...]
) -> None:
    info = built(tmp_path, {"x": list(range(40)), "y": values}).info
    assert (info.problem, info.classes, info.target) == (problem, classes, ("y",))
    assert info.num_outputs == (len(classes) or 1) and info.num_classes == len(classes)


def test_the_target_is_found_by_name_or_is_the_last_column(tmp_path: Path) -> None:
    x = list(range(40))
    assert built(tmp_path, {"Label": ["a", "b"], "x": x}).info.target == ("Label",)
    assert built(tmp_path, {"x": x, "fruit": ["a", "b"]}).info.target == ("fruit",)
    assert built(tmp_path, {"c": ["a", "b"], "x": x}, target="c").info.target == ("c",)


def test_several_targets(tmp_path: Path) -> None:
    columns: dict[str, Sequence[Any]] = {
        "x": list(range(40)),
        "u": [0, 1],
        "v": ["1", "0", "0"],
        "w": [0.5, 2, 7],
    }
    labels = built(tmp_path, columns, target=["u", "v"], ignore=["w"])
    assert labels.info.problem == "multilabel" and labels.info.classes == ("u", "v")
    numbers = built(tmp_path, columns, target=["u", "w"])
    assert numbers.info.problem == "regression" and numbers.info.targets == ("u", "w")
    assert numbers.train[0][1].shape == (2,)
    forced = built(tmp_path, columns, target=["u", "v"], problem="regression")
    assert forced.info.num_outputs == 2 and forced.info.classes == ()
    with pytest.raises(DataError, match="one class; classification takes one column"):
        built(tmp_path, columns, target=["u", "v"], problem="classification")
    commas = built(tmp_path, {"x": columns["x"], "y": ["a, b", "b"]}, problem="multilabel")
    assert commas.info.classes == ("a", "b")


def test_group_time_weight_and_split_columns_are_no_features(tmp_path: Path) -> None:
    columns: dict[str, Sequence[Any]] = {
        "x": list(range(40)),
        "who": [f"p{n // 4}" for n in range(40)],
        "when": [f"2024-{1 + n % 12:02d}-01" for n in range(40)],
        "w": [1, 2],
        "y": [0.5, 1.5, 2.5],
    }
    groups = built(tmp_path, columns, group="who", time=None, weight="w", ignore=["when"])
    assert set(kinds(groups)) == {"x"}
    assert groups.train.weights is not None and set(groups.train.weights.tolist()) == {1, 2}

    def persons(part: Any) -> set[str]:
        column = part.source.frame.columns["who"]
        return {column.text(int(row)) for row in part.rows}

    parts = (groups.train, groups.validation, groups.test)
    assert sum(len(persons(part)) for part in parts) == 10
    timed = built(tmp_path, columns, time="when", ignore=["who", "w"])
    moment = timed.train.source.frame.columns["when"]
    ends = [sorted(moment.text(int(r)) for r in part.rows) for part in (timed.train, timed.test)]
    assert ends[0][-1] < ends[1][0] and set(kinds(timed)) == {"x"}
    given = built(tmp_path, columns | {"split": ["train", "train", "val", "test"]}, ignore=["w"])
    assert "split" not in kinds(given) and given.info.num_validation == 10
    with pytest.raises(DataError, match=r"'x' is not a weight|'p0' is not a weight"):
        built(tmp_path, columns, weight="who")


def test_wrong_names_are_all_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        built(
            tmp_path,
            {"age": [1, 2], "Quality": ["a", "b"]},
            target="qualty",
            ignore=["agee"],
            group="nothing like it",
        )
    told = str(error.value)
    assert len(error.value.problems) == 3
    assert "no column 'qualty' (data.target); did you mean 'Quality'? it has 'age'" in told
    assert "'agee' (data.ignore); did you mean 'age'?" in told
    with pytest.raises(DataError, match=r"data\.target and in data\.ignore"):
        built(tmp_path, {"a": [1, 2], "b": [1, 2]}, target="b", ignore="b")


def test_a_target_that_cannot_be_learned(tmp_path: Path) -> None:
    x = list(range(40))
    with pytest.raises(DataError, match=r"one class \('a'\); classification needs two"):
        built(tmp_path, {"x": x, "y": ["a"]})
    with pytest.raises(DataError, match="no column to learn y from"):
        built(tmp_path, {"x": [1], "y": ["a", "b"]})
    with pytest.raises(DataError, match=r"name it in data\.target"):
        built(tmp_path, {"x": x, "w": x}, weight="w", ignore=["x"])


def test_the_look_says_what_the_builder_infers(tmp_path: Path) -> None:
    path = written(tmp_path, shop(), "customers.csv")
    seen = look_table(path, {"target": None, "ignore": []})
    assert (seen.kind, seen.problem, seen.model) == ("table", "classification", "tabular")
    assert seen.data == {"target": "kauft", "problem": "classification"}
    assert seen.certainty > 0.5 and any("kauft" in line for line in seen.about)
    assert table(path, **seen.data).info == table(path).info
    assert look_table(path, {"target": "Alter"}).problem == "regression"
    nothing = written(tmp_path, "", "empty.csv")
    for other in (None, tmp_path, nothing, tmp_path / "no.csv", written(tmp_path, "x", "a.jpg")):
        assert look_table(other, {}).certainty == 0
    files = written(tmp_path, "file,label\na.jpg,x\nb.jpg,y\na.jpg,y\nb.jpg,x\n", "files.csv")
    assert look_table(files, {}).certainty < 0.5


def test_arguments_are_checked_together(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "problem": "clustering",
        "split": "chance",
        "validation": 0.9,
        "test": 0.9,
        "missing_target": "keep",
        "max_levels": 0,
        "decimal": "x",
        "on_error": "go",
        "folds": 1,
    }
    with pytest.raises(DataError) as error:
        table(tmp_path / "no.csv", **options)
    told = "\n".join(error.value.problems)
    for key in ("problem", "split", "missing_target", "max_levels", "decimal", "folds", "path"):
        assert f"data.{key}" in told, key
    assert len(error.value.problems) == 9
    with pytest.raises(DataError, match=r"is a folder; give one of t\.csv"):
        written(tmp_path, "a,b\n1,2\n")
        table(tmp_path)
    with pytest.raises(DataError, match=r"data\.path is needed"):
        table()


def test_labels_fit_numpy_and_torch(tmp_path: Path) -> None:
    splits = built(tmp_path, {"x": list(range(40)), "y": ["b", "a", "b"]})
    assert splits.train.labels.tolist() == [splits.train[i][1] for i in range(len(splits.train))]
    assert np.bincount(splits.train.labels).tolist() == list(splits.info.class_counts)
