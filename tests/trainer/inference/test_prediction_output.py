"""CSV and JSON lines: exact, harmless to spreadsheets, in a file that is whole or says it isn't."""

import csv
import io
import json
import os
import resource
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from trainer.errors import CannotWrite, Refused
from trainer.inference.output import File, Format, Stream, csv_line, harmless, jsonl, unwritten
from trainer.inference.stream import Row

ANSWER = ("label", "probability", "top_k")
COLUMNS = ("input", *ANSWER, "error")


def row_of(name: str, *top: tuple[str, float], error: str | None = None) -> Row:
    label, probability = top[0]
    answer = {"label": label, "probability": probability, "top_k": [list(each) for each in top]}
    return Row(name, answer, error)


ROW = row_of("a/b.png", ("cat", 0.75), ("a dog", 0.2500001))
BAD = Row("c.png", error="c.png can't be decoded (truncated); remove it")


def begun(path: Path, form: Format, *, overwrite: bool = False) -> File:
    file = File(path, form, overwrite=overwrite)
    file.begin(ANSWER)
    return file


def line_of(row: Row) -> str:
    return jsonl(row, ANSWER, unwritten)


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_row_of_each_kind() -> None:
    stream = io.StringIO()
    with Stream(stream, "csv") as rows:
        rows.begin(ANSWER)
        rows.write(ROW)
        rows.write(BAD)
    good, bad = table(stream.getvalue())
    assert tuple(good) == COLUMNS
    assert good == {
        "input": "a/b.png",
        "label": "cat",
        "probability": "0.750000",
        "top_k": '[["cat", 0.75], ["a dog", 0.25]]',
        "error": "",
    }
    assert bad == dict(zip(COLUMNS, ("c.png", "", "", "", BAD.error), strict=True))
    assert json.loads(line_of(ROW)) == {
        "input": "a/b.png",
        "label": "cat",
        "probability": 0.75,
        "top_k": [["cat", 0.75], ["a dog", 0.25]],
        "error": None,
    }
    assert json.loads(line_of(BAD))["top_k"] is None and json.loads(line_of(BAD))["label"] is None


@given(st.text(), st.text(), st.text())
def test_any_text_comes_back(name: str, label: str, error: str) -> None:
    row = row_of(name, (label, 1.0), error=error)
    found = json.loads(line_of(row))
    assert (found["input"], found["label"], found["error"]) == (name, label, error)
    (line,) = csv.reader([csv_line(row, ANSWER, unwritten)])
    assert line[:2] == [harmless(name), harmless(label)] and json.loads(line[3]) == [[label, 1.0]]
    assert line_of(row).count("\n") == csv_line(row, ANSWER, unwritten).count("\n") == 1


def test_no_formula_for_a_spreadsheet() -> None:
    for text in ("=1+1", "+x", "-x", "@x", "\tx", "＝x"):
        assert harmless(text) == f"'{text}"
    for text in ("-", "-1", "+2", "a=b", ""):
        assert harmless(text) == text


def test_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    for form in ("csv", "jsonl"):
        with File(tmp_path / f"x.{form}", form) as rows:
            rows.write(Row(name))
    assert json.loads((tmp_path / "x.jsonl").read_bytes())["input"] == name
    assert "caf\\udce9.png" in (tmp_path / "x.csv").read_text("utf-8")


def test_a_file_bears_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    with begun(path, "jsonl") as rows:
        rows.write(ROW)
        assert not path.exists() and len(list(tmp_path.iterdir())) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["x.jsonl"]
    assert path.read_text() == line_of(ROW)


@pytest.mark.parametrize("broken", [KeyboardInterrupt(), ValueError("x")])
def test_what_there_is_stays_under_a_name_that_says_partial(
    broken: BaseException, tmp_path: Path
) -> None:
    path, partial = tmp_path / "x.csv", tmp_path / "x.partial.csv"
    with pytest.raises(type(broken)) as caught, begun(path, "csv") as rows:
        rows.write(ROW)
        raise broken
    assert [file.name for file in tmp_path.iterdir()] == ["x.partial.csv"]
    assert len(table(partial.read_text())) == 1
    assert caught.value.__notes__ == [f"rows so far (1): {partial}"]
    with pytest.raises(type(broken)), File(path, "csv"):
        raise type(broken)
    assert len(table(partial.read_text())) == 1  # nothing took the place of what there was


def test_one_that_is_there_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("mine")
    with pytest.raises(Refused, match=r"x\.csv exists; add --overwrite"):
        File(path, "csv")
    assert path.read_text() == "mine"
    with pytest.raises(KeyboardInterrupt), begun(path, "csv", overwrite=True) as rows:
        rows.write(ROW)
        raise KeyboardInterrupt
    assert path.read_text() == "mine"
    with begun(path, "csv", overwrite=True) as rows:
        rows.write(ROW)
    assert len(table(path.read_text())) == 1


def test_places_where_there_can_be_none(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="is a folder"):
        File(tmp_path, "csv")
    with pytest.raises(Refused, match=r"there is no folder .*missing; make it first"):
        File(tmp_path / "missing/x.csv", "csv")
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(Refused, match="is no regular file"):
        File(tmp_path / "pipe.csv", "csv", overwrite=True)


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files there")
def test_a_full_disk(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with (
            pytest.raises(
                CannotWrite, match=r"cannot write .*x\.csv: File too large; free"
            ) as caught,
            begun(tmp_path / "x.csv", "csv") as rows,
        ):
            for _ in range(1000):
                rows.write(ROW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.exit_code == 4
    assert not (tmp_path / "x.csv").exists()


def test_who_reads_along_gets_rows_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    class Watched(io.StringIO):
        flushes = 0

        def flush(self) -> None:
            self.flushes += 1

    stream = Watched()
    rows = Stream(stream, "jsonl")
    rows.begin(ANSWER)
    rows.write(ROW)
    assert stream.flushes == 0  # not for each row: that costs as much as the rest
    monkeypatch.setattr("trainer.inference.output.FLUSHED", 0.0)
    rows.write(ROW)
    assert stream.flushes == 1


def test_what_an_input_brought_along_comes_back_before_the_answer() -> None:
    stream = io.StringIO()
    with Stream(stream, "csv") as rows:
        rows.begin(("price",))
        rows.write(Row("a.csv:2", {"price": 12.5}, given={"size": "3", "price": "11"}))
        rows.write(Row("b.csv:2", {"price": 1e-9}, given={"size": "=x", "other": "1"}))
    first, second = table(stream.getvalue())
    assert first == {
        "input": "a.csv:2",
        "size": "3",
        "price": "11",
        "predicted_price": "12.500000",
        "error": "",
    }
    assert second["predicted_price"] == "1e-09" and second["size"] == "'=x"
    assert second["error"] == "b.csv:2: columns other are not in the first input; left out here"


def test_a_table_without_rows_has_a_head() -> None:
    stream = io.StringIO()
    with Stream(stream, "csv") as rows:
        rows.begin(ANSWER)
    assert stream.getvalue() == ",".join(COLUMNS) + "\n"


def test_pictures_are_written_beside_the_table(tmp_path: Path) -> None:
    mask = np.arange(12, dtype=np.uint8).reshape(3, 4)
    file = File(tmp_path / "x.jsonl", "jsonl")
    file.begin(("mask",))
    with file as rows:
        rows.write(Row("some where/a b.png", {"mask": mask}))
    name = json.loads((tmp_path / "x.jsonl").read_text())["mask"]
    assert name == "x_files/000000_a_b_mask.png"
    assert np.array_equal(np.asarray(Image.open(tmp_path / name)), mask)
