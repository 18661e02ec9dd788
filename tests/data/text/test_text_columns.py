"""Which column is what, and what a target says."""

from typing import Any

import numpy as np
import pytest

from data.errors import DataError
from data.text.columns import labels_of, split_column, target_columns, text_columns
from data.text.rows import Rows


def table(**columns: list[Any]) -> Rows:
    count = len(next(iter(columns.values())))
    return Rows("t.csv", columns, [f"t.csv:{row + 2}" for row in range(count)])


LONG = ["a long story about this", "and another one of that"]


def test_text_and_target_are_found_by_name_or_by_what_they_hold() -> None:
    rows = table(id=["1", "2"], Review=LONG, stars=["1", "5"])
    assert text_columns(rows, None, []) == ["Review"]
    assert target_columns(rows, None, ["Review"], []) == ["stars"]
    rows = table(key=["some words", "more"], story=LONG, what=["x", "y"])
    assert text_columns(rows, None, []) == ["story"]
    assert target_columns(rows, "what", ["story"], []) == ["what"]
    flags = table(story=LONG, toxic=["0", "1"], rude=["1", "0"])
    assert target_columns(flags, None, ["story"], []) == ["toxic", "rude"]
    assert target_columns(table(text=LONG, odd=["x", "y"]), None, ["text"], []) == ["odd"]
    assert text_columns(table(a=LONG, b=LONG), ["b", "a"], []) == ["b", "a"]


def test_what_cannot_be_found_is_told_with_the_names_that_there_are() -> None:
    rows = table(story=LONG, one=["x", "y"], two=["x", "y"])
    with pytest.raises(DataError, match=r"'story', 'one', 'two'.*data.target=COLUMN"):
        target_columns(rows, None, ["story"], [])
    with pytest.raises(DataError, match=r"no column 'tow' \(data.target\)"):
        target_columns(rows, "tow", ["story"], [])
    with pytest.raises(DataError, match="a text can't be its own answer"):
        target_columns(rows, "story", ["story"], [])
    with pytest.raises(DataError, match=r"no column with text"):
        text_columns(table(a=["1", "2"], b=["3", "4"]), None, [])


@pytest.mark.parametrize(
    ("cells", "problem", "classes"),
    [
        (["b", "a", "b"], "classification", ("a", "b")),
        (["10", "9", "10"], "classification", ("9", "10")),
        ([True, False, True], "classification", ("false", "true")),
        (["4.0", "1.0", "4.0"], "classification", ("1.0", "4.0")),
        ([1.0, 0.0, 1.0], "classification", ("0", "1")),
        (["a|b", "", "b"], "multilabel", ("a", "b")),
        ([["x"], [], ["y", "x"]], "multilabel", ("x", "y")),
        (["0.5", "1", "2"], "regression", ()),
        (["0,5", "1,25", "2"], "regression", ()),
    ],
)
def test_what_a_target_looks_like(cells: list[Any], problem: str, classes: Any) -> None:
    found = labels_of(table(text=["a", "b", "c"], y=cells), ["y"], None)
    assert (found.problem, found.classes) == (problem, classes)
    assert found.missing == ()


def test_values_of_each_problem() -> None:
    rows = table(t=["a", "b", "c"], y=["x|z", "", "y"], n=["1,5", "", "3"], c=["k", " ", "j"])
    assert labels_of(rows, ["y"], None).values.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    numbers = labels_of(rows, ["n"], None)
    np.testing.assert_array_equal(numbers.values, [[1.5], [np.nan], [3.0]])
    assert numbers.missing == (1,) and numbers.targets == ("n",)
    classes = labels_of(rows, ["c"], None)
    assert classes.values.tolist() == [1, -1, 0] and classes.missing == (1,)
    many = table(t=["a"] * 200, y=[str(n) for n in range(200)])
    assert labels_of(many, ["y"], None).problem == "regression"
    assert labels_of(many, ["y"], "classification").classes[:3] == ("0", "1", "2")


def test_cells_that_do_not_fit_are_told_with_their_row() -> None:
    rows = table(t=["a", "b"], y=["1.5", "lots"], f=["1", "2"], g=["0", "1"])
    with pytest.raises(DataError, match=r"t.csv:3 has 'lots' in column 'y', which is no number"):
        labels_of(rows, ["y"], "regression")
    with pytest.raises(DataError, match=r"t.csv:3 has '2' in column 'f', which is neither 0 nor 1"):
        labels_of(rows, ["f", "g"], "multilabel")
    with pytest.raises(DataError, match="one class a text"):
        labels_of(rows, ["f", "g"], "classification")


def test_a_split_column_is_known_by_its_name_and_what_it_holds() -> None:
    assert split_column(table(Split=["train", "dev", ""])) == "Split"
    assert split_column(table(split=["left", "right"])) is None
    assert split_column(table(side=["train", "test"])) is None
