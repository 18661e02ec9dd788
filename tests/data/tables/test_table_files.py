"""Files as users have them: encodings, separators, decimals, headers, odd rows."""

import gzip
from copy import deepcopy
from pathlib import Path

import pandas
import pytest
from table_files import written

from data.errors import DataError
from data.tables import table
from data.tables.frame import Frame, read_frame
from data.tables.layout import Layout, layout


def cells(frame: Frame) -> dict[str, list[str]]:
    return {
        name: [column.text(row) for row in range(len(column))]
        for name, column in frame.columns.items()
    }


PLAIN = {"a b": ["1.5", "2"], "ü": ["x", "y"]}


@pytest.mark.parametrize(
    "content",
    [
        "a b,ü\n1.5,x\n2,y\n".encode(),
        "a b,ü\r\n1.5,x\r\n2,y\r\n".encode(),
        "a b,ü\r1.5,x\r2,y\r".encode(),
        "a b,ü\n1.5,x\n2,y".encode("utf-8-sig"),
        "a b;ü\n1,5;x\n2;y\n".encode(),
        "a b|ü\n1.5|x\n2|y\n".encode("cp1252"),
        "a b\tü\r\n1.5\tx\r\n2\ty\r\n".encode("utf-16"),
        "a b\tü\n1,5\tx\n2\ty\n".encode("utf-16-le"),
        "a b,ü\n1.5,x\n2,y\n".encode("utf-32"),
        "sep=;\r\na b;ü\r\n1,5;x\r\n2;y\r\n".encode(),
        "\n\na b,ü\n\n1.5,x\n   \n2,y\n\n".encode(),
        '" a b ","ü"\n"1.5"," x"\n" 2",y \n'.encode(),
        "a b,ü,\n1.5,x,\n2,y,\n".encode(),
        gzip.compress("a b,ü\n1.5,x\n2,y\n".encode(), mtime=0),
    ],
    ids=range(14),
)
def test_the_same_table_however_it_is_written(tmp_path: Path, content: bytes) -> None:
    found = cells(read_frame(written(tmp_path, content)))
    assert {name: found[name] for name in PLAIN} == PLAIN
    assert all(not any(found[name]) for name in set(found) - set(PLAIN))


def test_european_numbers(tmp_path: Path) -> None:
    frame = read_frame(written(tmp_path, "Preis;Menge\n1.234,50;1,5\n999,00;2\n1.000;3,25\n"))
    assert frame.layout.decimal == ","
    assert frame.columns["Menge"].values is not None
    assert frame.columns["Preis"].texts == ["1.234,50", "999,00", "1.000"]


def test_quoted_newlines_and_blank_lines_keep_the_line_of_each_row(tmp_path: Path) -> None:
    path = written(tmp_path, 'text,n\n"one\ntwo",1\n\n"a ""quote"", too",2\n')
    frame = read_frame(path)
    assert list(frame.names) == ["t.csv:2", "t.csv:5"]
    assert cells(frame)["text"] == ["one\ntwo", 'a "quote", too']
    header = read_frame(written(tmp_path, '"a\nb",n\n1,2\n'))
    assert list(header.columns) == ["a\nb", "n"] and list(header.names) == ["t.csv:3"]


def test_names_that_are_missing_doubled_or_no_names(tmp_path: Path) -> None:
    twice = read_frame(written(tmp_path, ",x,x,\n0,1,2,3\n1,4,5,6\n"))
    assert list(twice.columns) == ["index", "x", "x (2)", "column 4"]
    assert "same name" in twice.remarks[0]
    without = read_frame(written(tmp_path, "5.1,3.5,setosa\n4.9,3,virginica\n"))
    assert list(without.columns) == ["column 1", "column 2", "column 3"]
    assert list(without.names) == ["t.csv:1", "t.csv:2"]
    as_r = read_frame(written(tmp_path, 'x,y\n"1",5,6\n"2",7,8\n'))
    assert cells(as_r) == {"index": ["1", "2"], "x": ["5", "7"], "y": ["6", "8"]}
    years = read_frame(written(tmp_path, "land,2019,2020\nA,1.5,2\nB,3,4\n"))
    assert list(years.columns) == ["land", "2019", "2020"]
    forced = read_frame(written(tmp_path, "1,2\n3,4\n"), Layout(header=True))
    assert list(forced.columns) == ["1", "2"]


def test_what_is_missing(tmp_path: Path) -> None:
    text = "n,c\n" + "".join(f"{each},{each}\n" for each in ("1", "NA", "n/a", "?", "-", " ", ""))
    frame = read_frame(written(tmp_path, text + "2,none\n"))
    # The row in which all is empty is a row all the same.
    assert len(frame) == 8
    for name, known in (("n", 2), ("c", 2)):
        assert (~frame.columns[name].missing).sum() == known, name
    own = read_frame(written(tmp_path, "n,c\n1,?\n-999,x\n"), missing=frozenset(["", "-999"]))
    assert cells(own) == {"n": ["1", ""], "c": ["?", "x"]}


def test_numbers_and_texts_in_one_column_stay_as_they_are_written(tmp_path: Path) -> None:
    """Also in a long file, of which pandas infers the types of each piece by itself."""
    rows = ["1.50,True,1"] * 60_000 + ["abc,False,99999999999999999999999"] + ["2.0,,3"] * 3
    frame = read_frame(written(tmp_path, "a,b,c\n" + "\n".join(rows)))
    assert frame.columns["a"].texts == ["1.50", "abc", "2.0"]
    assert frame.columns["b"].texts == ["True", "False"]
    assert frame.row(60_000) == 60_002


def test_parquet(tmp_path: Path) -> None:
    table = pandas.DataFrame(
        {
            "n": [1, None, 3],
            "t": [True, False, None],
            "d": pandas.to_datetime(["2024-01-31", None, "2024-02-01T12:00"], format="ISO8601"),
            "c": pandas.Categorical(["x", None, "y"]),
            "l": [["a", "b"], [], None],
        }
    )
    table.to_parquet(tmp_path / "t.parquet")
    frame = read_frame(tmp_path / "t.parquet")
    assert cells(frame) == {
        "n": ["1", "", "3"],
        "t": ["True", "False", ""],
        "d": ["2024-01-31", "", "2024-02-01 12:00:00"],
        "c": ["x", "", "y"],
        "l": ["a|b", "", ""],
    }
    assert list(frame.names) == ["t.parquet:1", "t.parquet:2", "t.parquet:3"]
    assert [c.holds for c in frame.columns.values()][:3] == ["numbers", "truths", "dates"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"a,b\n", "has a header and no rows"),
        (b"a,b\n\n\n", "has a header and no rows"),
        (b"a,b\n1,2\n3,4,5\n6,7,8,9\n", r"row 3 has 3 cells, the header has 2 \(2 such rows: 3, 4"),
        (b"a,b\n1,2,3\n4,5\n", "row 2 has 3 cells"),
        (b'a,b\n1,"x\n2,y\n3,z\n', "a quote that opens in row 2 is never closed"),
        (b"a,b\n" + bytes(range(256)) * 20, "zero bytes|can't be read|cells"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-9], "can't be read"),
    ],
)
def test_what_is_no_table(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_frame(written(tmp_path, content))


def test_a_spreadsheet_is_to_be_saved_as_csv(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.xlsx is a spreadsheet; save its table as CSV"):
        read_frame(written(tmp_path, b"PK\x03\x04", "t.xlsx"))


def test_a_wrong_encoding_is_told_with_its_row(tmp_path: Path) -> None:
    path = written(tmp_path, "a,b\n1,x\n2,ü\n".encode("cp1252"))
    with pytest.raises(DataError, match=r"t\.csv: row 3 is not written in utf-8"):
        read_frame(path, Layout(encoding="utf-8"))
    assert "cp1252" in read_frame(path).remarks[0]
    assert cells(read_frame(path, Layout(encoding="cp437")))["b"] == ["x", "ⁿ"]


@pytest.mark.parametrize("column", ["word", "number"])
def test_bytes_that_are_no_utf_8_may_come_late(tmp_path: Path, column: str) -> None:
    """Behind what is read to guess the layout; in a column of numbers the cell is no number."""
    rows = [["word", "number"], *(["plain", "1.5"] for _ in range(40_000))]
    rows[-2][rows[0].index(column)] = "schön"
    content = "".join(",".join(row) + "\n" for row in rows)
    assert len(content) > 1 << 18
    frame = read_frame(written(tmp_path, content.encode("cp1252")))
    assert frame.columns[column].text(39_998) == "schön" and frame.row(39_998) == 40_000
    assert "cp1252" in frame.remarks[0]
    with pytest.raises(DataError, match="row 40000 is not written in utf-8"):
        read_frame(tmp_path / "t.csv", layout(encoding="utf-8"))
    plain = read_frame(written(tmp_path, content.encode()))
    assert plain.columns[column].text(39_998) == "schön" and not plain.remarks
    assert deepcopy(plain.names)[39_999] == "t.csv:40001"


def test_a_file_that_is_gone_when_its_lines_are_counted_is_told(tmp_path: Path) -> None:
    frame = read_frame(written(tmp_path, "a,b\n1,x\n"))
    (tmp_path / "t.csv").unlink()
    with pytest.raises(DataError, match=r"t\.csv can't be read \(No such file"):
        frame.row(0)


def test_what_is_said_of_the_layout_wins(tmp_path: Path) -> None:
    path = written(tmp_path, "a;b,c\n1;2,3\n")
    assert list(read_frame(path, layout(separator=",")).columns) == ["a;b", "c"]
    assert list(read_frame(path, layout(separator="semicolon")).columns) == ["a", "b,c"]
    wrong = layout(separator="::", encoding="nope", decimal="x").problems()
    assert len(wrong) == 3 and all("in data." in line for line in wrong)
    values = read_frame(path, layout(separator=";", decimal=",")).columns["b,c"].values
    assert values is not None and values.tolist() == [2.3]


@pytest.mark.parametrize("start", [0, 1])
def test_columns_that_are_numbered_in_turn_have_a_header(tmp_path: Path, start: int) -> None:
    names = [str(start + place) for place in range(4)]
    text = f",{','.join(names)},label\n" + "".join(f"{n},1.5,{n},2,3,ab\n" for n in range(5))
    frame = read_frame(written(tmp_path, text), Layout())
    assert list(frame.columns) == ["index", *names, "label"] and len(frame) == 5


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ('[{"a": 1, "y": 0}]', "is JSON"),
        ('{"a": 1, "y": 0}\n{"a": 2, "y": 1}\n', "is JSON"),
        ("<!DOCTYPE html>\n<html><body>404</body></html>\n", "HTML"),
    ],
)
def test_other_formats_are_told_by_their_name(tmp_path: Path, content: str, what: str) -> None:
    with pytest.raises(DataError, match=f"{what}.* as CSV"):
        read_frame(written(tmp_path, content), Layout())


def test_a_decimal_comma_is_no_separator(tmp_path: Path) -> None:
    lines = ["Datei;Größe", *(f"img/{n}.png;{n},{n % 10}0" for n in range(30))]
    frame = read_frame(written(tmp_path, "\n".join(lines) + "\n"))
    assert list(frame.columns) == ["Datei", "Größe"] and frame.layout.separator == ";"


def test_signs_of_currencies_and_percent_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = ["share,cost,plain,target"]
    lines += [f'{n}%,"${1000 + n:,}.50",{n},{"ab"[n % 2]}' for n in range(40)]
    splits = table(written(tmp_path, "\n".join(lines) + "\n"))
    assert splits.info.num_numeric == 3
    names = [int(name.split(":")[1]) - 2 for name in splits.train.names]
    raw = [splits.train.raw(place).tolist() for place in range(len(names))]
    assert raw == [[n, 1000.5 + n, n] for n in names]
    told = "numbers are read without their sign: 'share' (%), 'cost' ($)"
    assert caplog.text.count(told) == 1


def test_lines_above_the_header(tmp_path: Path) -> None:
    lines = ["# exported yesterday", "a,b,target", *(f"{n},1,{'xy'[n % 2]}" for n in range(20))]
    with pytest.raises(DataError, match=r"data\.separator, or remove the lines above the header"):
        table(written(tmp_path, "\n".join(lines) + "\n"))
