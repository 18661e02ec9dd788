"""Whole series with classes: from one table, from a folder for each class."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from seriesdata import write

from data.errors import DataError
from data.series import look_series, series
from data.series.reader import SequenceReader

KINDS = ("saw", "sine", "square")


def waves(folder: Path, count: int = 30) -> Path:
    """A file for each recording, in a folder for each kind; one table of them all beside."""
    random = np.random.default_rng(0)
    rows = []
    for number in range(count):
        kind, steps = KINDS[number % 3], np.arange(random.integers(20, 40))
        shape = (steps % 8 - 4, np.sin(steps * 0.8), np.sign(np.sin(steps * 0.8)))[number % 3]
        own = [(k, f"{v:.5f}", f"{-v:.5f}") for k, v in zip(steps, shape, strict=True)]
        write(folder / "folders" / kind / f"{number}.csv", "t,ax,ay", own)
        rows += [(number, kind, *row) for row in own]
    return write(folder / "waves.csv", "recording,kind,t,ax,ay", rows)


def test_a_table_and_folders_give_the_same_series(tmp_path: Path) -> None:
    table = series(waves(tmp_path), target="kind", series="recording")
    folders = series(tmp_path / "folders")
    for splits in (table, folders):
        info = splits.info
        assert info.problem == "classification" and info.classes == KINDS
        assert info.channels == ("ax", "ay") and info.num_series == 30
        assert info.class_counts == tuple(np.bincount(splits.train.labels).tolist())
    by_name = {name.split(":")[1]: k for k, name in enumerate(table.train.names)}
    for index, name in enumerate(folders.train.names):
        number = Path(name).stem
        if number in by_name:
            assert np.array_equal(folders.train.series[index], table.train.series[by_name[number]])
            assert folders.train.labels[index] == table.train.labels[by_name[number]]


def test_series_are_padded_and_cropped(tmp_path: Path) -> None:
    waves(tmp_path)
    splits = series(tmp_path / "folders", window=25)
    for index in range(len(splits.train)):
        values, label = splits.train[index]
        own = splits.train.series[index][-25:]
        mean, std = np.array(splits.info.mean, "f4"), np.array(splits.info.std, "f4")
        assert np.array_equal(values[: len(own)].numpy(), (own - mean) / std)
        assert not values[len(own) :].any() and label == splits.train.labels[index]
    assert splits.train.picture(0).shape == (96, 192, 3)
    longest = max(map(len, splits.train.series))
    assert series(tmp_path / "folders").info.window == longest


def test_the_reader_gives_the_bits_of_the_dataset(tmp_path: Path) -> None:
    waves(tmp_path)
    splits = series(tmp_path / "folders")
    node = json.loads(json.dumps(asdict(splits.info)))["reader"]
    assert node.pop("_target_") == "data.series.reader.SequenceReader"
    reader = SequenceReader(**node)
    every = np.arange(len(splits.test))
    expected, _ = splits.test.finish(splits.test.fetch(every, 0, 0), every, 0, 0)
    samples = [reader.read(str(tmp_path / "folders" / name)) for name in splits.test.names]
    assert reader.batch(samples).tobytes() == expected.numpy().tobytes()
    assert np.array_equal(samples[0], splits.test.raw(0), equal_nan=True)
    table = series(tmp_path / "waves.csv", target="kind", series="recording").info.reader
    of_table = SequenceReader(**{k: v for k, v in table.items() if k != "_target_"})
    assert len(list(of_table.expand(str(tmp_path / "waves.csv")))) == 30
    (alone,) = of_table.expand(str(tmp_path / "folders" / splits.test.names[0]))
    assert alone.name == Path(splits.test.names[0]).name


def test_folders_may_be_split_already(tmp_path: Path) -> None:
    waves(tmp_path)
    for split in ("train", "test"):
        for kind in KINDS:
            for file in sorted((tmp_path / "folders" / kind).iterdir())[:4]:
                target = tmp_path / "given" / split / kind / file.name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(file.read_text())
    splits = series(tmp_path / "given", validation=0, problem="classification")
    assert {name.split("/")[0] for name in splits.train.names} == {"train"}
    assert {name.split("/")[0] for name in splits.test.names} == {"test"}
    assert splits.info.classes == KINDS


def test_labels_that_change_or_are_missing_are_told(tmp_path: Path) -> None:
    rows = [(k // 5, "a" if k < 12 else "b", k, k) for k in range(20)]
    file = write(tmp_path / "x.csv", "id,kind,t,v", rows)
    with pytest.raises(DataError, match=r"'kind' changes within series x\.csv:2 \('a', 'b'\)"):
        series(file, target="kind", series="id")
    rows = [(k // 5, "a", k, k) for k in range(20)]
    write(tmp_path / "x.csv", "id,kind,t,v", rows)
    with pytest.raises(DataError, match="all of class 'a'"):
        series(file, target="kind", series="id")
    with pytest.raises(DataError, match="lies in no class folder"):
        series(file, problem="classification", series="id")


def test_other_series_are_seen_in_the_order_of_the_model(tmp_path: Path) -> None:
    splits = series(waves(tmp_path), target="kind", series="recording")
    info = splits.info
    swapped: Any = type("Info", (), {**asdict(info), "classes": ("square", "sine", "saw")})
    seen = splits.test.seen_as(swapped, info.classes)
    assert torch.equal(seen.labels, 2 - splits.test.labels)
    unknown: Any = type("Info", (), {**asdict(info), "classes": ("sine", "saw")})
    with pytest.raises(DataError, match="class 'square' of the data is unknown"):
        splits.test.seen_as(unknown, info.classes)


def test_a_look_tells_forecasts_from_classes(tmp_path: Path) -> None:
    table = waves(tmp_path)
    look = look_series(tmp_path / "folders", {})
    assert (look.problem, look.model) == ("classification", "series_cnn")
    assert look_series(table, {"target": "kind"}).problem == "classification"
    days = [(f"2024-01-{k + 1:02}", k * 1.5) for k in range(30)]
    file = write(tmp_path / "load.csv", "day,load", days)
    look = look_series(file, {})
    assert (look.problem, look.model) == ("regression", "forecaster") and look.certainty > 0.8
    flowers = write(tmp_path / "iris.csv", "a,b,kind", [(1.5, 2, "x")] * 20)
    assert look_series(flowers, {}).certainty < 0.3
    people = write(tmp_path / "p.csv", "name,born,size", [("x", "2001-01-01", 3)] * 20)
    assert look_series(people, {}).certainty < 0.7
    for number in range(4):
        write(tmp_path / "pictures" / f"{number}.png", "no picture", [])
    write(tmp_path / "pictures" / "days.csv", "day,load", days)
    assert look_series(tmp_path / "pictures", {}).certainty < 0.3
    (tmp_path / "odd.csv").write_bytes(b"\0\1")
    assert look_series(tmp_path / "odd.csv", {}).certainty == 0
    assert look_series(tmp_path / "none", {}).certainty == look_series(None, {}).certainty == 0
