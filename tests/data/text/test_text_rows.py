"""Tables as users have them: other separators, encodings, quotes, headers; and broken ones."""

import json
from pathlib import Path

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from data.errors import DataError, SampleError
from data.text.decoding import decoded
from data.text.rows import Rows, read_rows, rows_of


def of(text: str, ending: str = ".csv") -> Rows:
    return rows_of(text.encode(), "some file", ending)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_a_separator_is_found_and_lines_are_counted(separator: str) -> None:
    lines = ["text{s}label{s}id", '"one{s} two\nthree"{s}a{s}1', "", "four{s}b{s}2"]
    rows = of("\n".join(lines).replace("{s}", separator))
    assert rows.columns["text"] == [f"one{separator} two\nthree", "four"]
    assert rows.columns["label"] == ["a", "b"]
    assert rows.places == ["some file:2", "some file:5"]
    assert not rows.headless


def test_a_table_without_a_header_is_known_by_its_first_row() -> None:
    rows = of("3,Wall St. Bears Claw Back\n4,Oil prices soar\n")
    assert rows.headless
    assert rows.columns["column 2"] == ["Wall St. Bears Claw Back", "Oil prices soar"]
    assert of("I like it,good\nNot bad,good\nNo,bad\n").headless  # a label, and no name
    assert not of("Story told,Felt as\nNot bad,good\nNo,bad\n").headless
    assert not of("text,1\na,2\n").headless


def test_quotes_in_a_tsv_are_plain_text_where_they_enclose_nothing() -> None:
    rows = of('text\tlabel\n"Hello," he said.\tone\nan 8" disk\ttwo\n', ".tsv")
    assert rows.columns["text"] == ['"Hello," he said.', 'an 8" disk']
    enclosed = of('text\tlabel\n"a\tb"\tone\n"c ""d"""\ttwo\n', ".tsv")
    assert enclosed.columns["text"] == ["a\tb", 'c "d"']


def test_a_cell_may_be_longer_than_the_csv_module_expects() -> None:
    long = "word " * 50_000
    assert of(f"text,label\n{long},a\n").columns["text"] == [long]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("naïve café".encode(), "utf-8"),
        ("naïve café".encode("utf-8-sig"), "utf-8-sig"),
        ("naïve café".encode("utf-16"), "utf-16"),
        ("naïve café".encode("utf-32"), "utf-32"),
        ("naïve café".encode("cp1252"), "cp1252"),
    ],
)
def test_encodings(content: bytes, encoding: str) -> None:
    assert decoded(content, "x") == ("naïve café", encoding)


def test_what_is_no_text_is_told() -> None:
    with pytest.raises(SampleError, match=r"x has a NUL character in line 2.*save it as UTF-8"):
        decoded(b"one\nt\0wo", "x")
    with pytest.raises(SampleError, match=r"x is no utf-8: byte 3 can't be read"):
        decoded("abcé".encode("cp1252"), "x", "utf-8")
    with pytest.raises(SampleError, match=r"'utf-9' in data.encoding is no encoding"):
        decoded(b"a", "x", "utf-9")
    with pytest.raises(SampleError, match="x is no utf-16"):
        decoded("a".encode("utf-16") + b"b", "x")


@given(st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"])))
@settings(max_examples=50)
def test_utf8_comes_back_as_it_was(text: str) -> None:
    assert decoded(text.encode(), "x")[0] == text.removeprefix("\ufeff")


def test_json_lines_parquet_and_a_json_list(tmp_path: Path) -> None:
    values = [{"text": "a\u2028b", "tags": ["x", "y"]}, {"text": "c", "tags": []}]
    place = tmp_path / "a folder"
    place.mkdir()
    lines = "\n\n".join(json.dumps(value, ensure_ascii=False) for value in values)
    (place / "some.jsonl").write_text(lines, encoding="utf-8")
    (place / "some.json").write_text(json.dumps(values), encoding="utf-8")
    parquet.write_table(pyarrow.Table.from_pylist(values), place / "some.parquet")
    wanted = {"text": ["a\u2028b", "c"], "tags": [["x", "y"], []]}
    for name in ("some.jsonl", "some.json", "some.parquet"):
        assert read_rows(place / name).columns == wanted
    assert read_rows(place / "some.jsonl").places == ["some.jsonl:1", "some.jsonl:3"]
    assert read_rows(place / "some.jsonl").cells(0) == {"text": "a\u2028b", "tags": '["x", "y"]'}


def test_all_problems_of_a_file_are_told_with_their_lines() -> None:
    with pytest.raises(DataError) as caught:
        of("text,label\na,1,2\nb,2\nc\n")
    assert [problem.split(";")[0] for problem in caught.value.problems] == [
        "some file:2 has 3 cells, and 2 columns are named",
        "some file:4 has 1 cells, and 2 columns are named",
    ]
    with pytest.raises(DataError) as caught:
        of('{"text": "a"}\n[1]\n{"text": \n', ".jsonl")
    assert [problem[:13] for problem in caught.value.problems] == ["some file:2 i", "some file:3 i"]
    for text, ending in (("", ".csv"), ("text,label\n", ".csv"), ("text,text\n1,2\n", ".csv")):
        with pytest.raises(DataError, match="some file"):
            of(text, ending)
    with pytest.raises(DataError, match="can't be read as Parquet"):
        rows_of(b"no parquet", "some file", ".parquet")
