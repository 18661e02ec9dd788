"""Rows that a user hands in: the inputs of the dataset bit for bit, and each mistake by its row."""

import csv
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from table_files import shop, written

from data.errors import DataError, SampleError
from data.splits import Splits
from data.tables import table
from data.tables.info import TableInfo
from data.tables.reader import TableReader

REPO = Path(__file__).resolve().parents[3]


def reader_of(splits: Splits[TableInfo]) -> TableReader:
    node = dict(splits.info.reader)
    assert node.pop("_target_") == "data.tables.reader.TableReader"
    return TableReader(**node)


@pytest.fixture
def splits(tmp_path: Path) -> Splits[TableInfo]:
    return table(written(tmp_path, shop(), "shop.csv"))


def inputs(reader: TableReader, path: Path) -> np.ndarray:
    return reader.batch([reader.read(each.source) for each in reader.expand(str(path))])


def test_the_file_itself_gives_the_inputs_of_the_dataset(
    tmp_path: Path, splits: Splits[TableInfo]
) -> None:
    reader = reader_of(splits)
    given = list(reader.expand(str(tmp_path / "shop.csv")))
    samples = [reader.read(each.source) for each in given]
    batch = reader.batch(samples)
    assert batch.dtype == np.float32 and batch.shape == (200, *splits.info.input_shape)
    for part in (splits.train, splits.validation, splits.test):
        assert batch[part.rows].tobytes() == part.inputs.numpy().tobytes()
        assert [given[row].name for row in part.rows] == list(part.names)
        for index in (0, len(part) - 1):
            raw = part.raw(index)
            assert raw.tobytes() == samples[part.rows[index]].tobytes()
            assert reader.batch([raw])[0].tobytes() == part[index][0].numpy().tobytes()
    assert given[0].columns["Kunde"] == "C0000" and list(given[0].columns)[-1] == "kauft"
    assert reader.node == splits.info.reader and reader.script() is None


@pytest.mark.parametrize("form", ["plain", "utf-16 tabs", "parquet", "gzip", "reordered", "bytes"])
def test_the_same_rows_written_otherwise(
    tmp_path: Path, splits: Splits[TableInfo], form: str
) -> None:
    """English decimals, other separators and orders, without the target, with more columns."""
    rows = list(csv.DictReader(shop().splitlines(), delimiter=";"))
    for row in rows:
        money = row["Einkommen in €"]
        row["Einkommen in €"] = money.replace(".", "").replace(",", ".")
        row["more"] = "x"
        del row["kauft"]
    frame = pandas.DataFrame(rows)
    path = tmp_path / "new.csv"
    if form == "utf-16 tabs":
        frame.to_csv(path, sep="\t", index=False, encoding="utf-16")
    elif form == "parquet":
        path = tmp_path / "new.parquet"
        frame["Alter"] = pandas.to_numeric(frame["Alter"])
        frame["seit"] = pandas.to_datetime(frame["seit"], format="%d.%m.%Y")
        frame["Mitglied"] = frame["Mitglied"] == "yes"
        frame.to_parquet(path)
    elif form == "gzip":
        path = tmp_path / "new.csv.gz"
        frame.to_csv(path, index=True)
    elif form == "reordered":
        frame[frame.columns[::-1]].to_csv(path, index=False, sep="|", lineterminator="\r\n")
    else:
        frame.to_csv(path, index=False)
    reader = reader_of(splits)
    if form == "bytes":
        found = list(reader.expand_bytes(path.read_bytes()))
        assert found[0].name == "-:2"
        batch = reader.batch([reader.read(each.source) for each in found])
    else:
        batch = inputs(reader, path)
    assert np.array_equal(batch[splits.test.rows], splits.test.inputs.numpy())


def test_a_bad_cell_is_the_error_of_its_row_alone(
    tmp_path: Path, splits: Splits[TableInfo]
) -> None:
    lines = shop(6).splitlines()
    lines[2] = "C;abc;1e999;Köln;perhaps;gestern;yes"
    lines[4] = "C;1;2;Köln;yes;01.01.2020;yes;too;many"
    lines[5] = "C;33"
    reader = reader_of(splits)
    path = written(tmp_path, "\n".join(lines) + "\n", "new.csv")
    found: list[Any] = []
    for each in reader.expand(str(path)):
        try:
            found.append(reader.read(each.source))
        except SampleError as error:
            found.append(str(error))
    assert found[1] == (
        "new.csv:3: column 'Alter': 'abc' is not a number; column 'Einkommen in €': '1e999' is "
        "not finite; column 'Mitglied': 'perhaps' is not yes or no; column 'seit': 'gestern' is "
        "not a date"
    )
    assert found[3] == "new.csv:5: 9 cells, and the header has 7"
    assert np.isnan(found[4][1]) and found[4][2] == 1  # the rest of a short row is missing
    assert all(isinstance(found[n], np.ndarray) for n in (0, 2, 4, 5))


def test_columns_that_are_missing_are_told_before_the_first_row(
    tmp_path: Path, splits: Splits[TableInfo]
) -> None:
    reader = reader_of(splits)
    path = written(tmp_path, "alter;Stadt;seit\n1;Köln;01.01.2020\n", "new.csv")
    with pytest.raises(DataError) as error:
        reader.expand(str(path))
    assert [line.split(" it has")[0] for line in error.value.problems] == [
        "new.csv has no column 'Alter'; did you mean 'alter'?",
        "new.csv has no column 'Einkommen in €';",
        "new.csv has no column 'Mitglied';",
    ]
    with pytest.raises(DataError, match="did you mean"):
        reader.expand(str(tmp_path / "nwe.csv"))
    for content in (b"", b"\x1f\x8b\x08broken"):
        with pytest.raises(DataError):
            reader.expand(str(written(tmp_path, content, "odd.csv")))


def test_a_folder_or_a_pattern_of_tables(tmp_path: Path, splits: Splits[TableInfo]) -> None:
    folder = tmp_path / "new rows"
    folder.mkdir()
    for name in ("b.csv", "a.csv"):
        written(folder, shop(3), name)
    written(folder, "no table", "readme.md")
    reader = reader_of(splits)
    names = [each.name for each in reader.expand(str(folder))]
    assert names == [f"{file}.csv:{line}" for file in "ab" for line in (2, 3, 4)]
    assert [each.name for each in reader.expand(f"{folder}/*.csv")] == names
    with pytest.raises(DataError, match="holds no table"):
        reader.expand(f"{folder}/*.parquet")


def test_a_category_that_training_lacks_is_said_once(
    tmp_path: Path, splits: Splits[TableInfo], caplog: pytest.LogCaptureFixture
) -> None:
    reader = reader_of(splits)
    path = written(tmp_path, shop(50).replace("Köln", "Paris"), "new.csv")
    with caplog.at_level(logging.WARNING):
        batch = inputs(reader, path)
    assert [r.getMessage() for r in caplog.records if "unknown" in r.getMessage()] == [
        "column 'Stadt': 'Paris' not in training, taken as unknown"
    ]
    city = splits.info.columns.index("Stadt")
    assert set(batch[:, city].tolist()) <= {0, 1, 2, 3, 4} and 0 in batch[:, city]


def test_cells_by_name_from_python(splits: Splits[TableInfo]) -> None:
    reader = reader_of(splits)
    row = {"Alter": 33, "Einkommen in €": None, "Stadt": "Köln", "Mitglied": True}
    found = reader.read(row | {"seit": "2020-01-01", "more": 1})
    assert found[0] == 33 and np.isnan(found[1]) and found[3] == 1
    with pytest.raises(SampleError, match="no column 'seit'"):
        reader.read(row)
    with pytest.raises(SampleError, match="can't be read from str"):
        reader.read("shop.csv:2")


def test_a_table_without_a_header(tmp_path: Path) -> None:
    rows = "".join(f"{n}.5,{n % 7},{'ab'[n % 2]}\n" for n in range(60))
    splits = table(written(tmp_path, rows))
    one = written(tmp_path, "12.5,5\n", "one.csv")
    assert np.array_equal(
        inputs(reader_of(splits), one)[0],
        inputs(reader_of(splits), tmp_path / "t.csv")[12],
    )


def test_neither_torch_nor_pandas_is_needed(tmp_path: Path, splits: Splits[TableInfo]) -> None:
    code = (
        "import sys\n"
        f"sys.path.insert(0, {str(REPO / 'src')!r})\n"
        "sys.modules.update(dict.fromkeys(('torch', 'pandas', 'pyarrow', 'sklearn')))\n"
        "from data.tables.reader import TableReader\n"
        f"node = {splits.info.reader!r}\n"
        "del node['_target_']\n"
        "reader = TableReader(**node)\n"
        f"given = list(reader.expand({str(tmp_path / 'shop.csv')!r}))\n"
        "batch = reader.batch([reader.read(each.source) for each in given])\n"
        "sys.stdout.buffer.write(batch.tobytes())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    found = np.frombuffer(done.stdout, np.float32).reshape(200, -1)
    assert np.array_equal(found[splits.test.rows], splits.test.inputs.numpy())


def test_an_excel_number_in_a_category_of_numbers(tmp_path: Path) -> None:
    """A code such as 7 may come back as 7.0."""
    text = "zone,x,y\n" + "".join(f"{n % 4},{n},{'ab'[n % 2]}\n" for n in range(60))
    splits = table(written(tmp_path, text), categorical=["zone"])
    reader = reader_of(splits)
    assert [reader.read({"zone": z, "x": 1})[0] for z in ("3", "3.0", "9")][::2] == [
        reader.read({"zone": "3.0", "x": 1})[0],
        0,
    ]


def test_the_decimal_sign_of_training_is_not_that_of_a_file_written_otherwise(
    tmp_path: Path,
) -> None:
    rows = "".join(f"{n}.125,{'ab'[n % 2]}\n" for n in range(10, 40))
    reader = reader_of(table(written(tmp_path, "x,y\n" + rows)))
    plain = inputs(reader, written(tmp_path, "x,y\n26.125,a\n", "plain.csv"))
    european = inputs(reader, written(tmp_path, "x;y\n26,125;a\n", "european.csv"))
    assert np.array_equal(plain, european)


def test_a_wholly_other_table_is_told_in_a_line(tmp_path: Path) -> None:
    reader = table(written(tmp_path, shop())).info.reader
    wide = [{**reader["columns"][0], "name": f"c{n}"} for n in range(13)]
    with pytest.raises(DataError) as error:
        TableReader(wide).expand(str(written(tmp_path, "x,y\n1,2\n", "new.csv")))
    assert error.value.problems == (
        "new.csv lacks 13 of 13 columns: 'c0', 'c1', 'c2', 'c3', 'c4', ...; it has 'x', 'y'",
    )
