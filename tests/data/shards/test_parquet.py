"""Rows in Parquet shards: the numbers of pandas, few row groups at a time, the same in predict."""

import json
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from packing import columns_of, parquet

from data.errors import DataError, SampleError
from data.loading.loaders import loader
from data.shards.row_groups import Window, row_groups
from data.shards.row_reader import RowReader
from data.shards.streaming import stream as streamed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("my rows")
    for number in range(3):
        parquet(folder / f"{number}.parquet", columns_of(number))
    return folder


def stream(path: Path, **options: Any) -> Any:
    return streamed(path, **options)


def reader_of(info: Any) -> RowReader:
    return RowReader(**{key: value for key, value in info.reader.items() if key[0] != "_"})


def test_rows_are_those_of_the_files(folder: Path) -> None:
    splits = stream(folder, ignore=["person"])
    info = splits.info
    assert (info.problem, info.features, info.classes) == (
        "classification",
        ("a", "b b", "flag"),
        ("cat", "dog"),
    )
    assert (info.input_shape, info.num_outputs, info.targets) == ((3,), 2, ())
    columns = [columns_of(number) for number in range(3)]
    rows = {f"{n}.parquet:{i}": (n, i) for n in range(3) for i in range(200)}
    seen = []
    for part in (splits.train, splits.validation, splits.test):
        for index, name in enumerate(part.names):
            number, row = rows[name]
            source = columns[number]
            raw = np.array([source[key][row] for key in info.features], dtype=np.float32)
            assert np.array_equal(part.raw(index), raw)
            assert info.classes[part.labels[index]] == source["species"][row]
            seen.append(name)
    assert sorted(seen) == sorted(rows)
    train = np.stack([splits.train.raw(index) for index in range(info.num_train)])
    assert np.allclose(info.mean, train.astype(np.float64).mean(0), rtol=1e-5)
    assert np.allclose(info.std, train.astype(np.float64).std(0), rtol=1e-5)
    assert info.class_counts == tuple(torch.bincount(splits.train.labels).tolist())
    assert splits.train.sample_text(0).startswith("a=") and "b b=" in splits.train.sample_text(0)


def test_predict_sees_what_the_dataset_gives(folder: Path, tmp_path: Path) -> None:
    splits = stream(folder, ignore=["person"])
    reader = reader_of(splits.info)
    given = list(reader.expand(str(folder / "1.parquet")))
    place = {name: index for index, name in enumerate(splits.test.names)}
    chosen = [n for n in range(200) if f"1.parquet:{n}" in place]
    batch = reader.batch([reader.read(given[number].source) for number in chosen])
    own = torch.stack([splits.test[place[f"1.parquet:{number}"]][0] for number in chosen])
    assert np.array_equal(batch, own.numpy())
    assert given[3].columns["note"] == "n3"
    cells = [[repr(float(v)) for v in splits.test.raw(i)] for i in range(4)]
    path = tmp_path / "new rows.csv"
    text = "\n".join(";".join([f"id{n}", *row]) for n, row in enumerate(cells))
    path.write_text("\ufeffid;a;b b;flag\n" + text + "\n", encoding="utf-8")
    found = list(reader.expand(str(path)))
    assert [each.name for each in found] == [f"{path}:{line}" for line in (2, 3, 4, 5)]
    assert found[1].columns["id"] == "id1"
    batch = reader.batch([reader.read(each.source) for each in found])
    assert np.array_equal(batch, torch.stack([splits.test[i][0] for i in range(4)]).numpy())
    again = list(reader.expand_bytes(path.read_bytes()))
    assert [each.source for each in again] == [each.source for each in found]


def test_cells_of_a_csv_as_people_write_them(tmp_path: Path) -> None:
    reader = RowReader(["a", "b"], [1.0, 2.0], [2.0, 4.0])
    for cells, expected in (
        ({"a": "1,5", "b": " yes "}, [1.5, 1.0]),
        ({"a": "", "b": "NaN"}, [np.nan, np.nan]),
        ({"a": "1e400", "b": False}, [np.nan, 0.0]),
        ({"a": None, "b": 3, "c": "x"}, [np.nan, 3.0]),
    ):
        assert np.array_equal(reader.read(cells), np.array(expected, np.float32), equal_nan=True)
    assert np.array_equal(reader.batch([np.array([np.nan, 6], np.float32)]), [[0.0, 1.0]])
    with pytest.raises(SampleError, match="'much' in column 'b' is no number"):
        reader.read({"a": "1", "b": "much"})
    with pytest.raises(SampleError, match=r"lacks 1 columns \('b'\)"):
        reader.read({"a": "1"})
    (tmp_path / "a.csv").write_text("a,c\n1,2\n")
    with pytest.raises(DataError, match=r"lacks 1 of 2 columns \('b'\); it has 'a', 'c'"):
        reader.expand(str(tmp_path / "a.csv"))
    with pytest.raises(DataError, match=r"does not exist; did you mean .*a\.csv\?"):
        reader.expand(str(tmp_path / "b.csv"))
    assert json.loads(json.dumps(reader.node))["_target_"] == "data.shards.row_reader.RowReader"


def test_few_row_groups_are_held_and_each_is_read_once_an_epoch(folder: Path) -> None:
    train = stream(folder, ignore=["person"], buffer=20).train
    source = loader(train, batch_size=5, shuffle=True, seed=0, device="cpu")
    assert source.kind == "in this process"
    most = 0
    for _ in source.epoch(0):
        most = max(most, train.window.num_rows)
    assert most <= 20 + 2 * 50 < len(train)
    # 12 row groups; where one shard follows another, one of them may be read a second time.
    assert 12 <= train.window.num_read <= 15
    # A plain order would have had to read nearly one for each sample.
    plain = Window(train.groups, ["a"], 20)
    for row in np.random.default_rng(0).permutation(len(train))[:100].tolist():
        plain.read(train.rows[[row]])
    assert plain.num_read > 50


def test_an_epoch_can_be_entered_anywhere_and_by_any_worker(folder: Path) -> None:
    train = stream(folder, ignore=["person"], buffer=30).train
    options: dict[str, Any] = {"batch_size": 32, "shuffle": True, "seed": 5, "device": "cpu"}
    expected = list(loader(train, **options).epoch(3))
    # What a worker gets: nothing that has been read travels.
    sent = pickle.loads(pickle.dumps(train))  # noqa: S301
    assert train.window.num_rows and not sent.window.num_rows
    other = loader(sent, **options)
    list(other.epoch(0, start=len(other) - 1))
    for batch, same in zip(other.epoch(3, start=4), expected[4:], strict=True):
        assert torch.equal(batch[0], same[0]) and torch.equal(batch[1], same[1])


def test_regression_with_several_targets(folder: Path) -> None:
    splits = stream(folder, target=["a", "b b"], features=["flag"])
    info = splits.info
    assert (info.problem, info.targets, info.num_outputs) == ("regression", ("a", "b b"), 2)
    assert info.classes == info.class_counts == () and not hasattr(splits.train, "labels")
    rows = [name.split(".parquet:") for name in splits.train.names]
    files = [columns_of(number) for number in range(3)]
    values = np.array([[files[int(n)][key][int(i)] for key in info.targets] for n, i in rows])
    assert np.allclose(info.target_mean, values.mean(0)) and np.allclose(
        info.target_std, values.std(0)
    )
    target = splits.train[7][1]
    assert np.allclose(target, (values[7] - values.mean(0)) / values.std(0), atol=1e-5)


def test_the_problem_follows_from_the_target(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    columns = {
        "x": chance.random(120),
        "few": chance.integers(0, 5, 120),
        "many": np.arange(120) * 3,
        "real": chance.random(120),
        "truth": chance.random(120) < 0.5,
    }
    parquet(tmp_path / "a.parquet", columns, group=120)
    found = {name: stream(tmp_path, target=name, split="random").info for name in list(columns)[1:]}
    assert [info.problem for info in found.values()] == [
        "classification",
        "regression",
        "regression",
        "classification",
    ]
    assert found["few"].classes == ("0", "1", "2", "3", "4")
    assert found["truth"].classes == ("False", "True")
    asked = stream(tmp_path, target="many", problem="classification", split="random").info
    assert asked.num_classes == 120 and asked.classes[1] == "3"
    named = {**columns, "Label": ["u", "v"] * 60}
    parquet(tmp_path / "b" / "a.parquet", dict(reversed(named.items())))
    assert stream(tmp_path / "b", split="random").info.classes == ("u", "v")


def test_groups_times_and_columns_split(folder: Path, tmp_path: Path) -> None:
    splits = stream(folder, group="person")
    held = [
        {f"p{int(name.split(':')[1]) // 10}/{name[0]}" for name in part.names}
        for part in (splits.train, splits.validation, splits.test)
    ]
    assert sum(map(len, held)) == 60 == len(set().union(*held))
    when = np.datetime64("2024-01-01") + np.arange(100)[::-1]
    split = np.array(["train", "dev", "test", ""])[np.arange(100) % 4]
    columns = {"x": np.arange(100.0), "day": when, "part": split, "y": ["a", "b"] * 50}
    parquet(tmp_path / "a.parquet", columns)
    by_time = stream(tmp_path, time="day", ignore=["part"])
    assert by_time.test.names[:] == [f"a.parquet:{row}" for row in range(20)]
    by_column = stream(tmp_path, split_column="part", ignore=["day"])
    assert set(by_column.validation.names) == {f"a.parquet:{row}" for row in range(1, 100, 4)}
    assert by_column.info.num_train == 50


def test_missing_values_become_the_mean_and_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = [None if number % 3 == 0 else float(number) for number in range(90)]
    values[1] = float("inf")
    parquet(tmp_path / "a.parquet", {"x": values, "z": [1.0] * 90, "y": ["a", "b"] * 45})
    splits = stream(tmp_path, split="random")
    assert "values are missing in 1 columns; the column's mean stands in" in caplog.text
    row = next(i for i in range(len(splits.train)) if np.isnan(splits.train.raw(i)[0]))
    assert splits.train[row][0].tolist() == [0.0, 0.0] and splits.info.std[1] == 1.0
    known = [splits.train.raw(i)[0] for i in range(len(splits.train))]
    assert np.isclose(splits.info.mean[0], np.nanmean(known))


def test_rows_without_a_target(tmp_path: Path) -> None:
    target = ["a", "b", None] * 30
    parquet(tmp_path / "a.parquet", {"x": np.arange(90.0), "y": target})
    with pytest.raises(
        DataError, match=r"30 of 90 rows .* \(a\.parquet:2, a\.parquet:5, .*, \.\.\.\)"
    ):
        stream(tmp_path)
    with pytest.raises(DataError, match="6 rows can't be read, more than"):
        stream(tmp_path, on_error="skip", max_bad=5)
    splits = stream(tmp_path, on_error="skip", max_bad=30, split="random")
    assert len(splits.bad) == 30 and splits.bad[0].name == "a.parquet:2"
    names = [*splits.train.names, *splits.validation.names, *splits.test.names]
    assert len(names) == 60 and "a.parquet:2" not in names


def test_files_that_do_not_go_together(folder: Path, tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet", {"x": [1.0], "y": ["a"]})
    parquet(tmp_path / "b.parquet", {"x": ["1"], "y": ["a"]})
    parquet(tmp_path / "c.parquet", {"x": [1.0]})
    content = (folder / "0.parquet").read_bytes()
    (tmp_path / "d.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError) as error:
        stream(tmp_path)
    texts = sorted(error.value.problems)
    assert "b.parquet has other types than a.parquet in 'x' (text, not number)" in texts[0]
    assert "c.parquet lacks the columns 'y'" in texts[1]
    assert "d.parquet is truncated or no Parquet file" in texts[2] and len(texts) == 3


def test_a_file_that_is_damaged_later_is_told_while_running(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", {"x": np.arange(90.0), "y": ["a", "b"] * 45})
    train = stream(tmp_path, split="random").train
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(SampleError, match=r"row group 0 of a\.parquet can't be read") as error:
        train[0]
    assert error.value.exit_code == 7


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"target": "specis"}, r"no column 'specis' for data\.target; the columns are 'a', 'b b'"),
        ({"features": ["note"]}, r"1 columns in data\.features are no numbers \('note': text\)"),
        ({"features": ["a"], "target": "a"}, r"'a' in data\.features and in data\.target"),
        ({"ignore": ["a", "b b", "flag"]}, "no column of numbers besides the target"),
        ({"target": "note", "problem": "regression"}, "no numbers .* as regression needs"),
        ({"target": ["a", "flag"], "problem": "classification"}, r"2 columns in data\.target"),
        ({"problem": "ranking"}, r"problem \('ranking'\) in data\.problem"),
        ({"group": "who"}, r"no column 'who' for data\.group"),
        ({"split": "time"}, r"data\.split=time, but the data has no times"),
    ],
)
def test_columns_are_checked(folder: Path, options: dict[str, Any], text: str) -> None:
    with pytest.raises(DataError, match=text):
        stream(folder, **options)


def test_other_data_of_the_same_columns(folder: Path) -> None:
    splits = stream(folder, ignore=["person"])
    info = SimpleNamespace(
        features=("flag", "a"),
        mean=(0.0, 1.0),
        std=(1.0, 2.0),
        classes=("dog", "bird", "cat"),
        targets=(),
        target_mean=(),
        target_std=(),
        problem="classification",
    )
    seen = splits.test.seen_as(info, splits.info.classes)
    raw = splits.test.raw(0)
    assert np.allclose(seen[0][0], [raw[2], (raw[0] - 1) / 2])
    assert seen[0][1] == {"dog": 0, "cat": 2}[splits.info.classes[splits.test[0][1]]]
    other = SimpleNamespace(**vars(info) | {"features": ("flag", "weight"), "classes": ("dog",)})
    with pytest.raises(DataError) as error:
        splits.test.seen_as(other, splits.info.classes)
    assert "1 columns of the model are not in the data ('weight')" in str(error.value)
    assert "unknown to the model ('cat')" in str(error.value)


def test_row_groups_name_each_row(folder: Path) -> None:
    from data.shards.listing import shards

    groups = row_groups(shards(folder))
    assert [groups.name(row) for row in (0, 199, 200, 599)] == [
        "0.parquet:0",
        "0.parquet:199",
        "1.parquet:0",
        "2.parquet:199",
    ]
    assert groups.count == 600 and len(groups.number) == 12
