"""What is wrong with a table is told with file, row, column, value and remedy, all at once."""

from pathlib import Path
from typing import Any

import pytest
from table_files import written

from data.errors import DataError
from data.tables import table

ROWS = [f"{20 + n % 40},{n / 7:.3f},{'ab'[n % 2]}" for n in range(60)]


def rows(folder: Path, **changed: str) -> Path:
    """A sound table with some lines (`_17="..."`, as an editor numbers them) changed."""
    lines = ["age,weight,target", *ROWS]
    for place, text in changed.items():
        lines[int(place[1:]) - 1] = text
    return written(folder, "\n".join(lines) + "\n", "train.csv")


def problems(path: Path, **options: Any) -> list[str]:
    with pytest.raises(DataError) as error:
        table(path, **options)
    return list(error.value.problems)


def test_cells_that_are_no_numbers(tmp_path: Path) -> None:
    path = rows(tmp_path, _17="abc,1.5,a", _20="12 years,x,b", _31="??,1.5,a")
    found = problems(path)
    assert found == [
        "train.csv: row 17, column 'age': 'abc' is not a number (3 bad rows: 17, 20, 31); mend "
        "them, or take the column for texts: data.categorical=[age]",
        "train.csv: row 20, column 'weight': 'x' is not a number; mend them, or take the column "
        "for texts: data.categorical=[weight]",
    ]
    assert table(path, categorical=["age", "weight"]).info.num_numeric == 0


def test_many_bad_cells_are_counted_and_five_shown(tmp_path: Path) -> None:
    path = rows(tmp_path, **{f"_{n}": f"bad{n},1,a" for n in range(10, 20)})
    assert "(10 bad rows: 10, 11, 12, 13, 14, ...)" in problems(path)[0]


@pytest.mark.parametrize("text", ["1e400", "inf", "-Infinity"])
def test_what_is_not_finite(tmp_path: Path, text: str) -> None:
    found = problems(rows(tmp_path, _9=f"33,{text},a"))
    assert len(found) == 1 and "row 9, column 'weight'" in found[0] and "not finite" in found[0]
    assert "data.ignore=[weight]" in found[0]


def test_mostly_junk_is_a_category(tmp_path: Path) -> None:
    odd = {f"_{n}": f"{'low' if n % 3 else 'high'},1.5,{'ab'[n % 2]}" for n in range(2, 50)}
    assert table(rows(tmp_path, **odd)).info.cardinalities


def test_rows_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    path = rows(tmp_path, _5='"33\n",1.5,a', _9="x,1,a")
    assert "row 10, column 'age': 'x'" in problems(path)[0]


def test_targets_that_are_missing(tmp_path: Path) -> None:
    path = rows(tmp_path, _4="1,1,", _7="1,1,NA", _8="bad,1,")
    found = problems(path)
    assert len(found) == 2
    assert "row 4, column 'target': no value (3 bad rows: 4, 7, 8)" in found[0]
    assert "data.missing_target=drop" in found[0]
    kept = problems(path, missing_target="drop")
    assert len(kept) == 1 and "'bad' is not a number" in kept[0]
    sound = rows(tmp_path, _4="1,1,", _7="1,1,NA")
    info = table(sound, missing_target="drop").info
    assert info.num_train + info.num_validation + info.num_test == 58


def test_targets_that_are_no_numbers(tmp_path: Path) -> None:
    path = rows(tmp_path, _3="1,heavy,a", _6="2,1e999,b")
    found = problems(path, target="weight")
    assert "row 3, column 'weight': 'heavy' is not a number" in found[0]
    assert "row 6, column 'weight': '1e999' is not finite" in found[1]
    labels = rows(tmp_path, _3="1,2,a")
    assert "is not 0 or 1" in problems(labels, target=["age"], problem="multilabel")[0]


def test_bad_rows_can_be_left_out(tmp_path: Path) -> None:
    whole, path = table(rows(tmp_path)), rows(tmp_path, _17="abc,1.5,b", _20="33,x,a")
    splits = table(path, on_error="skip")
    assert sorted(bad.name for bad in splits.bad) == ["train.csv:17", "train.csv:20"]
    assert "row 17, column 'age': 'abc' is not a number" in "".join(b.reason for b in splits.bad)
    for name in ("train", "validation", "test"):
        left = [each for each in getattr(whole, name).names if each[-2:] not in ("17", "20")]
        assert list(getattr(splits, name).names) == left
    with pytest.raises(DataError, match=r"2 rows can't be read, more than loader\.max_bad \(1\)"):
        table(path, on_error="skip", max_bad=1)


def test_a_category_that_a_config_would_take_for_its_own_is_unknown(tmp_path: Path) -> None:
    odd = {f"_{n}": f"{('${oc.env:HOME}', '???', 'x')[n % 3]},1.5,a" for n in range(2, 50)}
    splits = table(rows(tmp_path, **odd))
    (levels,) = [c["levels"] for c in splits.info.reader["columns"] if c["kind"] == "category"]
    assert "x" in levels and not any("$" in level or "?" in level for level in levels)


def test_empty_rows_and_columns_of_a_spreadsheet_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = ["age,weight,what,,", *(f"{row},," for row in ROWS), *[",,,,"] * 3]
    splits = table(written(tmp_path, "\n".join(lines) + "\n"))
    info = splits.info
    assert info.target == ("what",) and info.class_counts
    assert info.num_train + info.num_validation + info.num_test == len(ROWS)
    assert "3 rows without a target left out" in caplog.text
    # A row that holds something but no target is still told.
    lines[5] = "33,1.5,,,"
    found = problems(written(tmp_path, "\n".join(lines) + "\n"))
    assert len(found) == 1 and "row 6, column 'what': no value;" in found[0]


def test_a_separator_that_is_not_found_is_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, "a  y\n" + "".join(f"{n}  {n % 2}\n" for n in range(20)), "t.txt")
    assert "one column only" in problems(path)[0] and "data.separator" in problems(path)[0]
