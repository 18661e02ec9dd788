"""The user's own recordings: what is taken from them, how they are split, what is wrong."""

import logging
import shutil
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from sound_files import KINDS, folder, tone, write
from torch.testing import assert_close

from data.audio.clips import Clips
from data.audio.recordings import audio
from data.errors import DataError
from trainer.storage.records import write_splits


def test_a_folder_for_each_class(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    place = folder(tmp_path / "my sounds", 10)
    (place / "tone" / "notes.txt").write_text("a text")
    with caplog.at_level(logging.WARNING):
        splits = audio(place)
    info = splits.info
    assert info.classes == KINDS and info.problem == "classification"
    assert (info.num_classes, info.num_outputs, info.targets) == (3, 3, ())
    assert (info.num_train, info.num_validation, info.num_test) == (21, 3, 6)
    assert info.class_counts == (7, 7, 7) and info.sample_rate == 8000
    lengths = [round(800 * (1 + int(Path(n).stem) / 10)) for n in splits.train.names]
    seconds = np.ceil(np.percentile(lengths, 95) / 8000 / 0.05 - 1e-6) * 0.05
    assert info.seconds == pytest.approx(seconds) and info.input_shape == (info.length,)
    assert info.about == f"{info.seconds:g} s at 8000 Hz, 3 classes"
    names = [*splits.train.names, *splits.validation.names, *splits.test.names]
    assert sorted(names) == [f"{kind}/{number}.wav" for kind in KINDS for number in range(10)]
    for part in (splits.train, splits.validation, splits.test):
        assert [KINDS[label] for label in part.labels] == [n.split("/")[0] for n in part.names]
    wave, label = splits.test[0]
    assert (
        wave.shape == (info.length,) and wave.dtype == torch.float32 and label.dtype == torch.int64
    )
    assert "1 ignored" in caplog.text and "tone/notes.txt" in caplog.text
    assert audio(place).info == info and audio(place, split_seed=1).info != info
    for key, value in asdict(info).items():  # plain values, so that they can be stored
        assert isinstance(value, int | str | float | tuple | dict), key


def test_the_explicit_values_of_a_look_change_nothing(tmp_path: Path) -> None:
    place = table(tmp_path, "file,mood\n" + "".join(f"{i}.wav,{'ab'[i % 2]}\n" for i in range(12)))
    explicit = audio(place, file="file", target="mood", problem="classification")
    assert explicit.info == audio(place).info


def test_split_folders_are_kept(tmp_path: Path) -> None:
    for name in ("train", "val", "test"):
        folder(tmp_path / "sounds" / name, 4)
    splits = audio(tmp_path / "sounds")
    for part, name in ((splits.train, "train"), (splits.validation, "val"), (splits.test, "test")):
        assert len(part) == 12 and all(each.startswith(f"{name}/") for each in part.names)
    shutil.rmtree(tmp_path / "sounds/val")
    splits = audio(tmp_path / "sounds", validation=0.25)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (9, 3, 12)
    folder(tmp_path / "sounds" / "val" / "deeper", 1)
    with pytest.raises(DataError, match=r"class 'deeper' of .*val not in .*train"):
        audio(tmp_path / "sounds")


def test_rate_and_duration_come_from_the_training_files_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder(tmp_path / "s/train", 3, rate=8000)
    for number in range(4):  # more of them, at another rate and longer
        write(tmp_path / f"s/test/tone/x{number}.wav", tone(22050, 1.0), 22050)
        write(tmp_path / f"s/test/noise/x{number}.wav", tone(22050, 1.0), 22050)
    write(tmp_path / "s/train/tone/other.wav", tone(44100, 0.1), 44100)
    splits = audio(tmp_path / "s", validation=0)
    assert splits.info.sample_rate == 8000 and splits.info.seconds < 0.2
    assert splits.validation is None and splits.test[0][0].shape == splits.train[0][0].shape
    assert "1 of 10 training files have another sample rate than 8000 Hz" in caplog.text
    splits = audio(tmp_path / "s", validation=0, sample_rate=16000, seconds=0.05)
    assert splits.info.input_shape == (800,)
    assert "10 of 10 training files are longer than 0.05 s" in caplog.text


def test_long_recordings_are_cut_to_ten_seconds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for kind in ("a", "b"):
        write(tmp_path / kind / "0.wav", np.zeros(12 * 400), 400)
    info = audio(tmp_path, validation=0, test=0).info
    assert info.seconds == 10 and "longer than 10 s (the longest: 12 s)" in caplog.text


def test_all_arguments_out_of_range_are_told_at_once() -> None:
    with pytest.raises(DataError) as error:
        audio(
            None,
            problem="guess",  # type: ignore[arg-type]
            sample_rate=0,
            seconds=-1.0,
            validation=2,
            split="luck",
            cache="no",  # type: ignore[arg-type]
            on_error="go",  # type: ignore[arg-type]
            fold=1,
            separator="ab",
            decimal=";",
        )
    told = "\n".join(error.value.problems)
    for key in ("problem", "sample_rate", "seconds", "validation", "split", "cache", "fold"):
        assert f"in data.{key}" in told
    for key in ("data.separator", "data.decimal", "loader.on_error"):
        assert f"in {key}" in told


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: None, r"^data\.path is needed"),
        (lambda p: p / "sound", r"does not exist; did you mean .*sounds\?"),
        (lambda p: (p / "empty").mkdir() or p / "empty", "is empty; put sound"),
        (lambda p: write(p / "loose/a.wav", tone()).parent, "only loose files"),
        (lambda p: write(p / "one/a/a.wav", tone()).parent.parent, r"only one class \('a'\)"),
        (lambda p: write(p / "a.wav", tone()), "is one file; give a folder"),
        (lambda p: m4a(p), r"can't be read \(\.m4a\); convert it to WAV"),
        (lambda p: hole(p), "class folder 'nothing' of .* without sound"),
    ],
)
def test_what_is_wrong_with_a_folder(tmp_path: Path, make: Any, message: str) -> None:
    (tmp_path / "sounds").mkdir()
    with pytest.raises(DataError, match=message):
        audio(make(tmp_path))


def m4a(place: Path) -> Path:
    (place / "m/a").mkdir(parents=True)
    (place / "m/a/x.m4a").write_bytes(b"1")
    return place / "m"


def hole(place: Path) -> Path:
    (folder(place / "h", 1) / "nothing").mkdir()
    return place / "h"


def test_a_folder_has_no_columns(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.target, data\.group given and .* is a folder"):
        audio(folder(tmp_path, 2), target="x", group="y")
    with pytest.raises(DataError, match=r"data\.problem=regression needs a table"):
        audio(tmp_path, problem="regression")


def test_files_that_cannot_be_read_are_all_named_or_left_out(tmp_path: Path) -> None:
    place = folder(tmp_path / "s", 10)
    names = ["tone/3.wav", "noise/1.wav"]
    sound = audio(place)
    for name in names:
        (place / name).write_text("a text")
    with pytest.raises(DataError) as error:
        audio(place)
    assert len(error.value.problems) == 2
    assert all(f"{place / name} is no sound" in str(error.value) for name in names)
    for cache in (True, False):
        splits = audio(place, on_error="skip", cache=cache)
        assert sorted(bad.name for bad in splits.bad) == sorted(names)
        left = [n for part in parts(splits) for n in part.names]
        assert len(left) == 28 and not set(left) & set(names)
        for old, new in zip(parts(sound), parts(splits), strict=True):
            assert set(new.names) == set(old.names) - set(names)
            assert_close(new[0][0], old[list(old.names).index(new.names[0])][0])
    with pytest.raises(DataError, match=r"2 files can't be read, more than loader\.max_bad \(1\)"):
        audio(place, on_error="skip", max_bad=1)


def parts(splits: Any) -> list[Clips]:
    return [splits.train, splits.validation, splits.test]


def test_what_is_lost_with_bad_files_is_told(tmp_path: Path) -> None:
    place = folder(tmp_path / "s", 1)
    (place / "tone/0.wav").write_text("a text")
    with pytest.raises(DataError, match="no training file of class 'tone' can be read"):
        audio(place, validation=0, test=0, on_error="skip")


def table(place: Path, text: str, name: str = "labels.csv", count: int = 12) -> Path:
    for number in range(count):
        write(place / f"{number}.wav", tone(pitch=200 + 50 * number))
    (place / name).write_bytes(text.encode("utf-8"))
    return place / name


def test_numbers_of_a_table_are_regression_scaled_by_the_training_split(tmp_path: Path) -> None:
    rows = "".join(
        f'"{i}.wav";{i / 4:.2f}\n'.replace(".", ",").replace(",wav", ".wav") for i in range(12)
    )
    splits = audio(table(tmp_path, "file name;age of speaker\n" + rows))
    info = splits.info
    assert (info.problem, info.targets, info.classes) == ("regression", ("age of speaker",), ())
    assert (info.num_outputs, info.num_classes, info.class_counts) == (1, 0, ())
    truth = np.array([int(Path(name).stem) / 4 for name in splits.train.names])
    assert info.target_mean == pytest.approx([truth.mean()])
    assert info.target_std == pytest.approx([truth.std()])
    targets = torch.stack([splits.train[i][1] for i in range(len(splits.train))])
    assert targets.shape == (len(truth), 1) and targets.dtype == torch.float32
    assert_close(targets[:, 0], torch.tensor((truth - truth.mean()) / truth.std()).float())
    assert not hasattr(splits.train, "labels")
    assert info.answer["targets"] == ["age of speaker"]


def test_several_columns(tmp_path: Path) -> None:
    text = "a,path,b,split\n" + "".join(f"{i % 2},{i}.wav,{i // 6},train\n" for i in range(12))
    place = table(tmp_path, text)
    splits = audio(place, target=["a", "b"], split="random")
    assert splits.info.problem == "multilabel" and splits.info.classes == ("a", "b")
    rows = {
        int(Path(n).stem): splits.train[k][1].tolist() for k, n in enumerate(splits.train.names)
    }
    assert rows == {i: [i % 2, i // 6] for i in rows}
    counts = np.array(list(rows.values())).sum(axis=0)
    assert splits.info.class_counts == tuple(counts.astype(int).tolist())
    numbers = audio(place, target=["a", "b"], problem="regression", split="random")
    assert numbers.info.targets == ("a", "b") and numbers.train[0][1].shape == (2,)


def test_labels_in_one_cell(tmp_path: Path) -> None:
    cells = ["dog; cat", "cat", "", "bird;dog"] * 3
    text = "path\tsounds\n" + "".join(f"{i}.wav\t{c}\n" for i, c in enumerate(cells))
    info = audio(table(tmp_path, text, "x.tsv"), problem="multilabel", split="random").info
    assert info.classes == ("bird", "cat", "dog") and info.num_outputs == 3


def test_classes_that_are_numbers_and_the_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = table(tmp_path, "f,y\n" + "".join(f"{i}.wav,{i % 2 * 10}\n" for i in range(12)))
    assert audio(place).info.problem == "regression"
    assert "2 different whole numbers and is taken as a quantity" in caplog.text
    info = audio(place, problem="classification").info
    assert info.classes == ("0", "10")


def test_groups_stay_together_and_columns_say_the_split(tmp_path: Path) -> None:
    rows = "".join(
        f"{i}.wav,{'ab'[i % 2]},s{i // 3},{['train', 'dev', 'test'][i % 3]}\n" for i in range(12)
    )
    place = table(tmp_path, "path,label,speaker,split\n" + rows)
    by_group = audio(place, group="speaker", validation=0.25, test=0.25)
    speakers = [{int(Path(n).stem) // 3 for n in part.names} for part in parts(by_group)]
    assert not (speakers[0] & speakers[1] or speakers[0] & speakers[2] or speakers[1] & speakers[2])
    by_column = audio(place)
    for number, part in enumerate(parts(by_column)):
        assert {int(Path(n).stem) % 3 for n in part.names} == {number}
    run: Any = SimpleNamespace(path=tmp_path)
    write_splits(run, cast(Any, by_group))
    again = audio(place, splits=tmp_path / "splits.csv")
    assert [p.names for p in parts(again)] == [p.names for p in parts(by_group)]


def test_folds_cover_everything_once(tmp_path: Path) -> None:
    place = folder(tmp_path / "s", 5)
    held = [audio(place, folds=3, fold=k).validation.names for k in range(3)]
    tests = {audio(place, folds=3, fold=k).test.names for k in range(3)}
    assert len(tests) == 1
    assert sorted(n for part in held for n in part) == sorted(
        {f"{kind}/{n}.wav" for kind in KINDS for n in range(5)} - set(next(iter(tests)))
    )


def test_paths_relative_to_another_folder_and_of_another_system(tmp_path: Path) -> None:
    folder(tmp_path / "sound files", 4)
    rows = "".join(f"{kind}\\{n}.wav,{kind}\n" for kind in KINDS for n in range(4))
    place = tmp_path / "labels.csv"
    place.write_text("path,label\n" + rows)
    splits = audio(place, root=tmp_path / "sound files", validation=0.25, test=0.25)
    assert splits.info.classes == KINDS
    with pytest.raises(DataError, match=r"say what paths are relative to by data\.root"):
        audio(place)


def test_parquet_is_a_table_too(tmp_path: Path) -> None:
    import pandas

    table(tmp_path, "")
    frame = pandas.DataFrame(
        {"file": [f"{i}.wav" for i in range(12)], "pitch": [200.5 + 50 * i for i in range(12)]}
    )
    frame.to_parquet(tmp_path / "labels.parquet")
    frame.to_csv(tmp_path / "again.csv", index=False)
    info = audio(tmp_path / "labels.parquet").info
    assert info.problem == "regression" and info == audio(tmp_path / "again.csv").info


def test_other_encodings(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = "Datei;Tonart\n" + "".join(f"{i}.wav;{'für' if i % 2 else 'öl'}\n" for i in range(12))
    place = table(tmp_path, text)
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
        place.write_bytes(text.encode(encoding))
        assert audio(place).info.classes == ("für", "öl")
    assert "is not UTF-8" in caplog.text
    caplog.clear()
    assert audio(place, encoding="cp1252").info.classes == ("für", "öl") and not caplog.text
    with pytest.raises(DataError, match=r"is not utf-8 .*; mend data\.encoding"):
        audio(place, encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "options", "messages"),
    [
        ("", {}, ["has no rows"]),
        ("path,label\n", {}, ["has no rows"]),
        ("a,b\nx,1\n", {}, ["no column of", "data.file=NAME"]),
        ("path,a,b\n0.wav,1,2\n", {}, ["which of a, b", "data.target=NAME"]),
        ("path\n0.wav\n", {}, ["no column of", "is to be learned"]),
        ("path,a\n0.wav,1\n", {"target": "c"}, ["no column 'c' (data.target)", "path, a"]),
        ("path,a\n0.wav,1\n", {"group": "c"}, ["no column 'c' (data.group)"]),
        ("path,a\n0.wav,1\n1.wav\n2.wav,1,2\n", {}, [":3 has 1 columns", ":4 has 3 columns"]),
        ("path,a,a\n0.wav,1,2\n", {}, ["several columns 'a'"]),
        ("path,a\n0.wav,x\nno.wav,\n", {}, [":3 names 'no.wav'", ":3 has no value in 'a'"]),
        ("path,a\n0.wav,1\n1.wav,2\n2.wav,many\n", {}, [":4 has 'many' in 'a'", "classification"]),
        ("path,a\n0.wav,x\n1.wav,y\n", {"problem": "regression"}, [":2 has 'x'", ":3 has 'y'"]),
        ("path,a\n0.wav,nan\n1.wav,1\n2.wav,2\n", {}, ["has 'nan' in 'a'"]),
        ("path,a\n0.wav,x\n1.wav,x\n", {}, ["only one class ('x')"]),
    ],
)
def test_what_is_wrong_with_a_table(
    tmp_path: Path, text: str, options: dict[str, Any], messages: list[str]
) -> None:
    place = table(tmp_path, text, count=3)
    with pytest.raises(DataError) as error:
        audio(place, **options)
    for message in messages:
        assert message in str(error.value)


def test_the_fingerprint_sees_files_labels_and_split(tmp_path: Path) -> None:
    place = folder(tmp_path / "s", 5)
    marks = {audio(place).info.fingerprint, audio(place, split_seed=1).info.fingerprint}
    marks.add(audio(place, sample_rate=4000).info.fingerprint)
    write(place / "tone/0.wav", tone(seconds=0.5))
    marks.add(audio(place).info.fingerprint)
    (place / "tone/1.wav").rename(place / "noise/9.wav")
    marks.add(audio(place).info.fingerprint)
    assert len(marks) == 5
