"""Folders of images: both layouts, statistics, and everything that can be wrong with them."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from data.errors import DataError, SampleError
from data.images import images
from data.images.files import Files


def picture(path: Path, seed: int, size: tuple[int, int] = (10, 10)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def fill(folder: Path, classes: str = "cat dog", count: int = 10) -> Path:
    for place, name in enumerate(classes.split()):
        for number in range(count):
            picture(folder / name / f"{number}.png", 100 * place + number)
    return folder


def test_folder_per_class(tmp_path: Path) -> None:
    splits = images(fill(tmp_path), size=8)
    info = splits.info
    assert info.classes == ("cat", "dog")
    assert (info.num_train, info.num_validation, info.num_test) == (14, 2, 4)
    assert info.input_shape == (3, 8, 8)
    names = [name for part in (splits.train, splits.validation, splits.test) for name in part.names]
    assert sorted(names) == sorted(f"{c}/{n}.png" for c in ("cat", "dog") for n in range(10))
    for name, label in zip(splits.train.names, splits.train.labels, strict=True):
        assert name.startswith(info.classes[int(label)])


def test_statistics_come_from_the_training_split_only(tmp_path: Path) -> None:
    splits = images(fill(tmp_path), size=10)
    pixels = torch.stack(
        [
            torch.from_numpy(np.array(Image.open(tmp_path / name))).permute(2, 0, 1)
            for name in splits.train.names
        ]
    )
    assert torch.equal(pixels, splits.train.samples)
    scaled = pixels.double() / 255
    assert np.allclose(splits.info.mean, scaled.mean((0, 2, 3)), atol=1e-12)
    assert np.allclose(splits.info.std, scaled.std((0, 2, 3), correction=0), atol=1e-12)


def test_cached_and_on_demand_agree(tmp_path: Path) -> None:
    fill(tmp_path)
    cached = images(tmp_path, size=[6, 8], cache=True)
    files = images(tmp_path, size=[6, 8], cache=False)
    assert cached.info == files.info
    assert isinstance(files.train.samples, Files) and files.train.resident_bytes is None
    assert cached.train.resident_bytes == 14 * 3 * 6 * 8
    indices = np.array([3, 0, 7])
    for ours, theirs in zip(
        cached.train.fetch(indices, 0, 0), files.train.fetch(indices, 0, 0), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_fingerprint_changes_with_what_matters(tmp_path: Path) -> None:
    fill(tmp_path)
    marks = [
        images(tmp_path, **options).info.fingerprint
        for options in ({}, {"split_seed": 1}, {"size": 32}, {"channels": 1}, {"fit": "pad"})
    ]
    assert len(set(marks)) == 5
    assert images(tmp_path).info.fingerprint == marks[0]
    picture(tmp_path / "cat" / "0.png", 5, size=(30, 30))
    assert images(tmp_path).info.fingerprint != marks[0]


@pytest.mark.parametrize("name", ["val", "Valid", "VALIDATION"])
def test_split_folders(tmp_path: Path, name: str) -> None:
    train, test = ("train", "test") if name == "val" else ("Train", "TEST")
    for part, count in ((train, 10), (name, 3), (test, 4)):
        fill(tmp_path / part, count=count)
    splits = images(tmp_path)
    info = splits.info
    assert (info.num_train, info.num_validation, info.num_test) == (20, 6, 8)
    assert all(n.startswith(f"{test}/") for n in splits.test.names)
    assert all(n.startswith(f"{name}/") for n in splits.validation.names)


def test_a_missing_validation_is_split_off_the_training_images(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    fill(tmp_path / "test", count=4)
    splits = images(tmp_path, validation=0.2)
    assert (splits.info.num_train, splits.info.num_validation, splits.info.num_test) == (16, 4, 8)
    assert all(name.startswith("train/") for name in splits.validation.names)


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    assert images(fill(tmp_path, "bus train")).info.classes == ("bus", "train")


def test_hidden_files_are_left_out_and_unknown_ones_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / "cat" / ".DS_Store").write_text("x")
    (tmp_path / "cat" / "notes.txt").write_text("x")
    (tmp_path / "README.md").write_text("x")
    with caplog.at_level(logging.WARNING):
        splits = images(tmp_path)
    assert splits.info.num_train == 14
    assert "2 ignored" in caplog.text
    assert "cat/notes.txt" in caplog.text and "README.md" in caplog.text
    assert ".DS_Store" not in caplog.text


def test_a_path_is_needed() -> None:
    with pytest.raises(DataError, match=r"data\.path is needed: data\.path=FOLDER"):
        images()


def test_a_missing_path_suggests_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "flowers").mkdir()
    with pytest.raises(DataError, match=r"does not exist; did you mean .*/flowers\?"):
        images(tmp_path / "flwoers")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="is a file; give the folder"):
        images(tmp_path / "file")


def test_nothing_in_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is empty; put images"):
        images(tmp_path)
    (tmp_path / "cat").mkdir()
    with pytest.raises(DataError, match="holds no images"):
        images(tmp_path)
    picture(tmp_path / "loose.png", 0)
    with pytest.raises(DataError, match="only loose images"):
        images(tmp_path)


@pytest.mark.parametrize("cache", [True, False])
def test_all_that_is_wrong_is_told_at_once(tmp_path: Path, cache: bool) -> None:
    fill(tmp_path / "train", "cat")
    fill(tmp_path / "test", "cat bird", count=2)
    (tmp_path / "train" / "dog").mkdir()
    (tmp_path / "train" / "cat" / "text.jpg").write_text("no picture")
    (tmp_path / "train" / "cat" / "zero.jpg").touch()
    with pytest.raises(DataError) as error:
        images(tmp_path, cache=cache)
    problems = "\n".join(error.value.problems)
    assert len(error.value.problems) == 5 and error.value.exit_code == 2
    for text in (
        "class 'bird' of",
        "class folder 'dog' of",
        "only one class ('cat')",
        "text.jpg is not an image",
        "zero.jpg is an empty file",
    ):
        assert text in problems


@pytest.mark.parametrize("cache", [True, False])
def test_a_text_file_named_jpg(tmp_path: Path, cache: bool) -> None:
    fill(tmp_path)
    (tmp_path / "cat" / "text.jpg").write_text("no picture")
    with pytest.raises(DataError, match=r"text\.jpg is not an image .*; remove") as error:
        images(tmp_path, cache=cache)
    assert error.value.exit_code == 2


def test_what_the_check_could_not_see_is_met_while_running(tmp_path: Path) -> None:
    splits = images(fill(tmp_path), cache=False)
    broken = splits.test.names[1]
    (tmp_path / broken).write_bytes(b"")
    with pytest.raises(SampleError, match=rf"{broken} \(sample 1\) is an empty file") as error:
        splits.test.fetch(np.arange(4), 0, 0)
    assert error.value.exit_code == 7


def test_arguments_out_of_range_are_told_at_once(tmp_path: Path) -> None:
    wrong: dict[str, Any] = {"size": 0, "channels": 2, "fit": "squash", "validation": 2.0}
    with pytest.raises(DataError) as error:
        images(tmp_path, **wrong)
    assert len(error.value.problems) == 4
    with pytest.raises(DataError, match=r"data\.size"):
        images(tmp_path, size=[1, 2, 3])


def test_transform_must_keep_the_shape(tmp_path: Path) -> None:
    fill(tmp_path)
    with pytest.raises(DataError, match=r"gives shape \[3, 5, 5\]"):
        images(tmp_path, size=8, transform=lambda image: image[:, :5, :5])
    with pytest.raises(DataError, match=r"gives torch\.int64"):
        images(tmp_path, size=8, transform=lambda image: image.long())
    with pytest.raises(DataError, match=r"data\.transform failed on .*ZeroDiv") as error:
        images(tmp_path, size=8, transform=lambda image: 1 / 0)
    assert error.value.exit_code == 2
