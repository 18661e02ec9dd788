"""Files with other separators, decimals and encodings; what is wrong in them, with its line."""

from pathlib import Path

import pandas
import pytest
from seriesdata import hourly, load_csv, write

from data.errors import DataError
from data.series.files import Dialect, head, read
from data.series.roles import Wanted, find_roles, numbers

ANY = Dialect()


def test_separators_and_decimals_are_found(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "last.csv"
    file.write_text("Datum;Verbrauch kW;n\n01.02.2024;1.234,5;3\n02.02.2024;7,25;4\n", "utf-8")
    frame = read(file, "last.csv", ANY)
    assert list(frame.columns) == ["Datum", "Verbrauch kW", "n"]
    assert frame["Verbrauch kW"].tolist() == [1234.5, 7.25] and frame["n"].tolist() == [3, 4]
    assert "decimal commas in Verbrauch kW" in caplog.text
    said = read(file, "last.csv", Dialect(";", ",", "utf-8"))
    assert said["Verbrauch kW"].tolist() == [1234.5, 7.25]
    for mark in ",;\t|":
        path = write(tmp_path / "x.tsv", "t,a,b", [(1, 2.5, "x"), (2, 3.5, "y")], mark)
        assert read(path, "x", ANY)["a"].tolist() == [2.5, 3.5]


def test_encodings_are_found(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = "Zeit,Größe\n1,2\n2,3\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
        (tmp_path / "a.csv").write_bytes(text.encode(encoding))
        assert list(read(tmp_path / "a.csv", "a.csv", ANY).columns) == ["Zeit", "Größe"], encoding
        assert read(text.encode(encoding), "bytes", ANY)["Größe"].tolist() == [2, 3]
    assert caplog.text.count("read as cp1252") == 2


def test_parquet_keeps_its_index(tmp_path: Path) -> None:
    index = pandas.to_datetime(hourly(5))
    frame = pandas.DataFrame({"load": range(5)}, index=pandas.Index(index, name="time"))
    frame.to_parquet(tmp_path / "a.parquet")
    found = read(tmp_path / "a.parquet", "a.parquet", ANY)
    assert list(found.columns) == ["time", "load"]
    roles = find_roles(found, "a.parquet", Wanted())
    assert (roles.time, roles.targets) == ("time", ("load",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"a,b\n", "no rows"),
        (b"a,a\n1,2\n", "'a' comes more than once"),
        (b"a,b\n1,2\n1,2,3\n", "line 3"),
        (b"\x89PNG\0\0", "is no text"),
        (b"PAR1 and then nothing", "no Parquet file"),
    ],
)
def test_what_is_no_table_is_told(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(content, "x.csv", ANY)


def test_the_head_of_a_long_file_is_enough(tmp_path: Path) -> None:
    file = load_csv(tmp_path / "a b.csv", 3000)
    header = head(file, "a b.csv", ANY, lines=3)
    assert header.names == ("time", "load", "heat") and len(header.rows) == 3
    assert Dialect("ab", "x", "nothing").problems().__len__() == 3


def test_roles_are_found_and_can_be_said(caplog: pytest.LogCaptureFixture) -> None:
    frame = pandas.DataFrame(
        {
            "store": ["a", "b"] * 3,
            "note": ["x"] * 6,
            "date": sorted(["2024-01-01", "2024-01-02", "2024-01-03"] * 2),
            "sales": range(6),
            "price": [1.5] * 6,
        }
    )
    roles = find_roles(frame, "f", Wanted())
    assert (roles.time, roles.series, roles.targets) == ("date", ("store",), ("sales", "price"))
    assert "told apart by store" in caplog.text and "not used: note" in caplog.text
    roles = find_roles(frame, "f", Wanted(target=("sales",), features=("price",)))
    assert roles.channels == ("sales", "price")
    with pytest.raises(DataError) as error:
        find_roles(frame, "f", Wanted(time="dat", target=("sales",), features=("sales",)))
    assert "did you mean 'date'" in str(error.value) and len(error.value.problems) == 2
    with pytest.raises(DataError, match="no column of numbers to forecast"):
        find_roles(frame[["date", "note"]], "f", Wanted())


def test_cells_that_are_no_numbers_are_told_with_their_lines() -> None:
    frame = pandas.DataFrame(
        {"a": ["1", "abc", "3"] + ["4"] * 20, "b": [1.0, float("inf")] + [0.0] * 21}
    )
    with pytest.raises(
        DataError, match=r"1 cell of column 'a' of f is no number, line 3 \('abc'\)"
    ):
        numbers(frame, "a", "f")
    with pytest.raises(DataError, match=r"1 infinite numbers in column 'b' of f, line 3"):
        numbers(frame, "b", "f")


def test_a_row_number_is_not_forecast_and_times_of_day_are_not_series() -> None:
    days = [f"{1 + n // 24:02d}.01.2024" for n in range(48)]
    frame = pandas.DataFrame({"Unnamed: 0": range(48), "date": days, "load": [1.5] * 48})
    whole = frame.assign(date=pandas.date_range("2024-01-01", periods=48, freq="h"))
    assert find_roles(whole, "f.csv", Wanted()).targets == ("load",)
    clock = [f"{n % 24:02d}:00" for n in range(48)]
    with pytest.raises(DataError, match=r"times of day.*'clock'.*data.series=clock"):
        find_roles(frame.assign(clock=clock), "f.csv", Wanted())
    said = Wanted(series=("clock",))
    assert find_roles(frame.assign(clock=clock), "f.csv", said).series == ("clock",)
