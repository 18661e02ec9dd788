"""CSV and JSON lines: exact, harmless to spreadsheets, in a file that is whole or says it isn't."""

import csv
import io
import json
import os
import resource
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.errors import CannotWrite, Refused
from trainer.inference.output import COLUMNS, File, Stream, csv_line, harmless, jsonl
from trainer.inference.stream import Row

ROW = Row("a/b.png", (("cat", 0.75), ("a dog", 0.2500001)))
BAD = Row("c.png", error="c.png can't be decoded (truncated); remove it")


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_row_of_each_kind() -> None:
    stream = io.StringIO()
    with Stream(stream, "csv") as rows:
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
    assert json.loads(jsonl(ROW)) == {
        "input": "a/b.png",
        "label": "cat",
        "probability": 0.75,
        "top_k": [["cat", 0.75], ["a dog", 0.25]],
        "error": None,
    }
    assert json.loads(jsonl(BAD))["top_k"] == [] and json.loads(jsonl(BAD))["label"] is None


@given(st.text(), st.text(), st.text())
def test_any_text_comes_back(name: str, label: str, error: str) -> None:
    row = Row(name, ((label, 1.0),), error)
    found = json.loads(jsonl(row))
    assert (found["input"], found["label"], found["error"]) == (name, label, error)
    (line,) = csv.reader([csv_line(row)])
    assert line[:2] == [harmless(name), harmless(label)] and json.loads(line[3]) == [[label, 1.0]]
    assert jsonl(row).count("\n") == csv_line(row).count("\n") == 1


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
    with File(path, "jsonl") as rows:
        rows.write(ROW)
        assert not path.exists() and len(list(tmp_path.iterdir())) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["x.jsonl"]
    assert path.read_text() == jsonl(ROW)


@pytest.mark.parametrize("broken", [KeyboardInterrupt(), ValueError("x")])
def test_what_there_is_stays_under_a_name_that_says_partial(
    broken: BaseException, tmp_path: Path
) -> None:
    path, partial = tmp_path / "x.csv", tmp_path / "x.partial.csv"
    with pytest.raises(type(broken)) as caught, File(path, "csv") as rows:
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
    with pytest.raises(KeyboardInterrupt), File(path, "csv", overwrite=True) as rows:
        rows.write(ROW)
        raise KeyboardInterrupt
    assert path.read_text() == "mine"
    with File(path, "csv", overwrite=True) as rows:
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
            File(tmp_path / "x.csv", "csv") as rows,
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
    rows.write(ROW)
    assert stream.flushes == 0  # not for each row: that costs as much as the rest
    monkeypatch.setattr("trainer.inference.output.FLUSHED", 0.0)
    rows.write(ROW)
    assert stream.flushes == 1
