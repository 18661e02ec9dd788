"""Forecasts: windows, statistics, readers that give the same bits, and other files."""

import json
import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from seriesdata import hourly, load_csv, wave, write

from data.answers import NumbersAnswer
from data.errors import DataError, SampleError
from data.loading.loaders import loader
from data.loading.sources import BatchSource
from data.series import series
from data.series.reader import WindowReader

CONF = Path(__file__).resolve().parents[3] / "conf"


def reader_of(info: Any) -> WindowReader:
    """From info.json, as a run folder has it."""
    node = json.loads(json.dumps(asdict(info)))["reader"]
    assert node.pop("_target_") == "data.series.reader.WindowReader"
    return WindowReader(**node)


def is_source(part: Any) -> bool:
    return isinstance(part, BatchSource)


def everything(part: Any) -> tuple[torch.Tensor, torch.Tensor]:
    every = np.arange(len(part))
    inputs, targets = part.finish(part.fetch(every, 0, 0), every, 0, 0)
    return inputs, targets


def test_windows_are_what_a_loop_by_hand_makes(tmp_path: Path) -> None:
    file = load_csv(tmp_path / "my load.csv", 300)
    splits = series(file, target="load", features="heat", window=48, horizon=6)
    info, frame = splits.info, pandas.read_csv(file)
    values = frame[["load", "heat"]].to_numpy(np.float32)
    train_steps = 300 - 60 - 30
    mean = values[:train_steps].mean(axis=0, dtype=np.float64)
    std = values[:train_steps].std(axis=0, dtype=np.float64)
    assert np.allclose(info.mean, mean) and np.allclose(info.std, std)
    assert (info.num_train, info.num_validation, info.num_test) == (157, 25, 55)
    assert info.problem == "regression" and info.num_outputs == 6 == len(info.targets)
    assert info.targets[0] == "load+1" and info.target_mean == (info.mean[0],) * 6
    scaled = (values - np.float32(mean)) / np.float32(std)
    for part, offset in ((splits.train, 0), (splits.validation, 162), (splits.test, 192)):
        assert is_source(part)
        inputs, targets = everything(part)
        for index in (0, len(part) - 1):
            first = offset + index
            assert np.array_equal(inputs[index].numpy(), scaled[first : first + 48])
            assert np.array_equal(targets[index].numpy(), scaled[first + 48 : first + 54, 0])
            assert torch.equal(part[index][0], inputs[index])
            assert torch.equal(part[index][1], targets[index])
            time = frame["time"][first + 48][:16].replace(" ", "T")
            assert part.names[index] == f"my load.csv:{time}"


def test_several_targets_are_in_order_of_time(tmp_path: Path) -> None:
    splits = series(load_csv(tmp_path / "a.csv"), window=10, horizon=3)
    info = splits.info
    assert info.targets == ("load+1", "heat+1", "load+2", "heat+2", "load+3", "heat+3")
    inputs, targets = everything(splits.train)
    assert torch.equal(targets[0].view(3, 2), inputs[3, 7:10])  # what a later window holds
    answer = NumbersAnswer(*(info.answer[key] for key in ("targets", "mean", "std")))
    (told,) = answer.of(targets[:1].numpy(), 1)
    frame = pandas.read_csv(tmp_path / "a.csv")
    assert told["heat+2"] == pytest.approx(frame["heat"][11], abs=1e-5)


def test_the_latest_window_of_a_file_is_that_of_the_dataset_bit_for_bit(tmp_path: Path) -> None:
    file = load_csv(tmp_path / "a.csv")
    splits = series(file, target="load", features="heat", window=24, horizon=4)
    reader = reader_of(splits.info)
    lines = file.read_text().splitlines()
    for index in (0, 7, len(splits.test) - 1):
        last = int(splits.test.starts[index]) + 24
        cut = tmp_path / f"until {index}.csv"
        cut.write_text("\n".join(lines[: last + 1]) + "\n")
        (given,) = reader.expand(str(cut))
        sample = reader.read(given.source)
        assert sample.dtype == np.float32 and np.array_equal(sample, splits.test.raw(index))
        assert np.array_equal(sample, reader.read(cut.read_bytes()))
        batch = reader.batch([sample])
        assert batch.tobytes() == splits.test[index][0].numpy().tobytes()
        assert given.name == cut.name and given.columns["after"].startswith("2024-01-1")
    wrong = WindowReader(
        **{**{k: v for k, v in reader.node.items() if k != "_target_"}, "mean": [1, 2]}
    )
    assert wrong.batch([sample]).tobytes() != batch.tobytes()


def test_files_that_give_no_window_say_why(tmp_path: Path) -> None:
    reader = reader_of(series(load_csv(tmp_path / "a.csv"), window=24, horizon=4).info)
    short = load_csv(tmp_path / "more/short.csv", 10)
    with pytest.raises(SampleError, match=r"short\.csv has 10 rows .* the model takes 24"):
        reader.read(str(short))
    frame = pandas.read_csv(tmp_path / "a.csv")
    frame.drop(index=[390]).to_csv(tmp_path / "more/hole.csv", index=False)
    with pytest.raises(SampleError, match=r"hole\.csv .*data\.gaps"):
        reader.read(str(tmp_path / "more/hole.csv"))
    frame.drop(index=[20]).to_csv(tmp_path / "more/old hole.csv", index=False)
    assert reader.read(str(tmp_path / "more/old hole.csv")).shape == (24, 2)
    frame.drop(columns="heat").to_csv(tmp_path / "more/narrow.csv", index=False)
    with pytest.raises(SampleError, match="'heat', which is no column of narrow"):
        reader.read(str(tmp_path / "more/narrow.csv"))
    daily = [(f"2024-{1 + k // 28:02}-{1 + k % 28:02}", k, k) for k in range(40)]
    write(tmp_path / "more/daily.csv", "time,load,heat", daily)
    with pytest.raises(SampleError, match="steps of 1 hour are missing"):
        reader.read(str(tmp_path / "more/daily.csv"))
    assert [given.name for given in reader.expand(str(tmp_path / "more"))] == [
        "daily.csv",
        "hole.csv",
        "narrow.csv",
        "old hole.csv",
        "short.csv",
    ]
    with pytest.raises(DataError, match="does not exist"):
        list(reader.expand(str(tmp_path / "none.csv")))


def stores(path: Path, count: int = 120) -> Path:
    rows = [
        (time, store, f"{scale * value:.4f}")
        for time, value in zip(hourly(count), wave(count), strict=True)
        for store, scale in (("north", 1), ("south", 10), ("east", 5), ("west", 3), ("mid", 2))
    ]
    return write(path, "time,store,sales", rows)


def test_several_series_in_one_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = stores(tmp_path / "stores.csv")
    splits = series(file, window=12, horizon=3)
    assert splits.info.num_series == 5 and "told apart by store" in caplog.text
    names = [*splits.train.names]
    assert len({*names, *splits.validation.names, *splits.test.names}) == splits.info.num_train + (
        splits.info.num_validation + splits.info.num_test
    )
    assert names[0] == "stores.csv:north:2024-01-01T12:00"
    given = list(reader_of(splits.info).expand(str(file)))
    assert [each.columns["store"] for each in given] == ["north", "south", "east", "west", "mid"]
    last = pandas.read_csv(file).query("store == 'east'")["sales"].to_numpy(np.float32)[-12:]
    assert np.array_equal(reader_of(splits.info).read(given[2].source)[:, 0], last)


def test_whole_series_may_be_held_out(tmp_path: Path) -> None:
    splits = series(stores(tmp_path / "s.csv"), split="group", window=12, horizon=3, validation=0.2)
    parts = (splits.train, splits.validation, splits.test)
    seen = [{name.split(":")[1] for name in part.names} for part in parts]
    assert [len(each) for each in seen] == [3, 1, 1] and len(set().union(*seen)) == 5
    own = splits.train.steps
    used = np.concatenate(
        [
            own.values[own.offsets[k] : own.offsets[k + 1]]
            for k in range(5)
            if own.names[k].split(":")[1] in seen[0]
        ]
    )
    assert splits.info.mean[0] == pytest.approx(used.mean(dtype=np.float64))


def test_sizes_that_are_open_come_from_the_calendar(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    info = series(load_csv(tmp_path / "a.csv", 2000)).info
    assert (info.window, info.horizon, info.season, info.step) == (168, 24, 24, "1 hour")
    assert "168 steps of 1 hour are seen (data.window) to foretell 24" in caplog.text
    said = series(tmp_path / "a.csv", window=168, horizon=24).info
    assert said == info
    short = series(load_csv(tmp_path / "b.csv", 60)).info
    assert short.num_train > 10 and short.num_test


def test_what_stays_as_it_is_is_the_baseline(tmp_path: Path) -> None:
    splits = series(load_csv(tmp_path / "a.csv"), target="load", window=30, horizon=5)
    inputs, targets = everything(splits.test)
    std = splits.info.target_std[0]
    same = inputs[:, -1, :1].expand(-1, 5)
    assert splits.info.naive["test"]["last_value"] == pytest.approx(
        float((same - targets).square().mean().sqrt()) * std, rel=1e-4
    )
    ago = inputs[:, 30 - 24 : 30 - 24 + 5, 0]
    assert splits.info.naive["test"]["last_season"] == pytest.approx(
        float((ago - targets).square().mean().sqrt()) * std, rel=1e-4
    )


def test_holes_duplicates_and_disorder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    frame = pandas.read_csv(load_csv(tmp_path / "a.csv"))
    whole = series(tmp_path / "a.csv", window=12, horizon=2).info
    frame.sample(frac=1, random_state=0).to_csv(tmp_path / "mixed.csv", index=False)
    mixed = series(tmp_path / "mixed.csv", window=12, horizon=2).info
    assert "rows are not in order of time" in caplog.text
    assert (mixed.mean, mixed.num_train) == (whole.mean, whole.num_train)
    again = pandas.concat([frame, frame.iloc[[3]]])
    again.to_csv(tmp_path / "again.csv", index=False)
    with pytest.raises(DataError, match=r"1 time comes .*2024-01-01T03:00 in lines 5 and 402"):
        series(tmp_path / "again.csv")
    holes = frame.drop(index=[50, 51, 100])
    holes.to_csv(tmp_path / "holes.csv", index=False)
    with pytest.raises(DataError, match=r"3 of 400 steps of 1 hour are missing"):
        series(tmp_path / "holes.csv")
    filled = series(tmp_path / "holes.csv", gaps="interpolate", window=12, horizon=2)
    assert "3 of 400 steps were interpolated" in caplog.text
    split = series(tmp_path / "holes.csv", gaps="split", window=12, horizon=2)
    assert split.info.num_train < filled.info.num_train < whole.num_train
    frame.loc[[5, 9], "heat"] = np.nan
    frame.to_csv(tmp_path / "empty.csv", index=False)
    with pytest.raises(DataError, match=r"2 rows of empty\.csv with empty cells \(line 7, 11\)"):
        series(tmp_path / "empty.csv")


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    wrong: dict[str, Any] = {
        "problem": "guessing",
        "window": 0,
        "horizon": 1.5,
        "gaps": "close",
        "validation": 2,
        "separator": "ab",
    }
    with pytest.raises(DataError) as error:
        series(tmp_path, **wrong)
    assert len(error.value.problems) == 6
    with pytest.raises(DataError, match=r"data\.path is needed"):
        series()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no"):
        series(tmp_path / "empty")
    with pytest.raises(DataError, match=r"longest of 1 series has 20 steps.* takes 40"):
        series(load_csv(tmp_path / "a.csv", 20), window=30, horizon=10)
    with pytest.raises(DataError, match=r"'lod', which is no column.*did you mean 'load'"):
        series(tmp_path / "a.csv", target="lod")


def test_files_of_a_folder_and_bad_ones_among_them(tmp_path: Path) -> None:
    for name in "abc":
        load_csv(tmp_path / f"all/{name}.csv", 100)
    (tmp_path / "all/bad.csv").write_text("time,load\nx\n")
    with pytest.raises(DataError, match="needed is 'heat', which is no column of bad"):
        series(tmp_path / "all", window=12, horizon=2)
    splits = series(tmp_path / "all", window=12, horizon=2, on_error="skip")
    assert splits.info.num_series == 3 and [bad.name for bad in splits.bad] == ["bad.csv"]
    (tmp_path / "all/bad.csv").unlink()
    write(
        tmp_path / "all/daily.csv",
        "time,load,heat",
        [(f"2024-01-{k + 1:02}", k, k) for k in range(30)],
    )
    with pytest.raises(DataError, match="different steps of time"):
        series(tmp_path / "all")


def test_loaders_give_the_windows_and_workers_can_have_them(tmp_path: Path) -> None:
    splits = series(load_csv(tmp_path / "a.csv"), window=12, horizon=2)
    copied = pickle.loads(pickle.dumps(splits.train))  # noqa: S301  # our own
    assert torch.equal(everything(copied)[0], everything(splits.train)[0])
    batches = {
        resident: list(
            loader(splits.train, shuffle=True, seed=1, device="cpu", resident=resident).epoch(0)
        )
        for resident in (True, False)
    }
    for here, there in zip(batches[True], batches[False], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(here, there, strict=True))
    assert batches[True][0][0].shape == (64, 12, 2) and batches[True][0][1].shape == (64, 4)


def test_other_files_are_seen_as_the_model_sees_them(tmp_path: Path) -> None:
    own = series(load_csv(tmp_path / "a.csv"), target="load", features="heat", window=12, horizon=2)
    frame = pandas.read_csv(tmp_path / "a.csv")
    frame[["heat", "time", "load"]].to_csv(tmp_path / "b.csv", index=False)
    other = series(tmp_path / "b.csv", target=["heat", "load"], window=12, horizon=2)
    seen = other.test.seen_as(own.info, other.info.classes)
    assert torch.equal(everything(seen)[0], everything(own.test)[0])
    assert torch.equal(everything(seen)[1], everything(own.test)[1])
    kept_back: dict[str, Any] = {"validation": 0, "test": 0, "split": "random"}
    whole = series(tmp_path / "b.csv", target=["heat", "load"], window=12, horizon=2, **kept_back)
    assert len(whole.train.seen_as(own.info, ())) == 400 - 12 - 2 + 1 and whole.test is None
    narrow = series(tmp_path / "b.csv", target="load", window=10, horizon=2)
    with pytest.raises(DataError) as error:
        narrow.test.seen_as(own.info, ())
    assert "data.window=12" in str(error.value) and len(error.value.problems) == 2


def test_the_config_builds_and_a_window_can_be_looked_at(tmp_path: Path) -> None:
    config = OmegaConf.create(
        {
            "data": OmegaConf.load(CONF / "data/series.yaml"),
            "loader": {"on_error": "stop", "max_bad": 3},
        }
    )
    config.data.path = str(load_csv(tmp_path / "a.csv"))
    splits = instantiate(config.data, _convert_="all")
    picture = splits.test.picture(0)
    assert picture.dtype == np.uint8 and picture.shape == (96, 192, 3)
    assert (picture == (255, 127, 14)).all(axis=2).sum() > 10
    assert not np.array_equal(picture, splits.test.picture(len(splits.test) - 1))
