"""Datasets of torchvision by name, on small files laid out as each of them wants."""

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from data.augmentation.batches import RandomResizedCrop
from data.errors import DataError
from data.loading.loaders import loader
from data.pixels.decoding import decode
from data.torchvision.look import look_torchvision
from data.torchvision.named import torchvision

FAKE: dict[str, Any] = {"size": 60, "image_size": [3, 12, 10], "num_classes": 3}


def picture(path: Path, seed: int, size: tuple[int, int] = (20, 24)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def eurosat(root: Path) -> Path:
    for number, name in enumerate(("Forest", "River")):
        for index in range(10):
            picture(root / "eurosat/2750" / name / f"{name}_{index}.png", 10 * number + index)
    return root


def textures(root: Path) -> Path:
    """DTD: pictures of all sizes, and lists of what belongs to which split."""
    for split in ("train", "val", "test"):
        lines = []
        for name in ("banded", "dotted"):
            for index in range(4):
                file = f"{name}/{name}_{split}{index}.png"
                picture(root / "dtd/dtd/images" / file, index, (30, 20 + index))
                lines.append(file)
        place = root / "dtd/dtd/labels" / f"{split}1.txt"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("\n".join(lines) + "\n")
    return root


def letters(root: Path) -> Path:
    """KMNIST: IDX files, a training and a test set."""
    raw = root / "KMNIST" / "raw"
    raw.mkdir(parents=True)
    for name, count in (("train", 40), ("t10k", 20)):
        pixels = np.random.default_rng(count).integers(0, 256, (count, 28, 28), dtype=np.uint8)
        head = struct.pack(">HBBIII", 0, 8, 3, count, 28, 28)
        (raw / f"{name}-images-idx3-ubyte").write_bytes(head + pixels.tobytes())
        labels = (np.arange(count) % 10).astype(np.uint8)
        head = struct.pack(">HBBI", 0, 8, 1, count)
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())
        packed = gzip.compress(head + labels.tobytes())
        assert packed
    return root


def test_one_set_is_split_here_and_has_the_pixels_of_its_files(tmp_path: Path) -> None:
    found = torchvision("EuroSAT", root=eurosat(tmp_path / "the root"))
    info = found.info
    assert (info.num_train, info.num_validation, info.num_test) == (14, 2, 4)
    assert info.classes == ("Forest", "River") and info.input_shape == (3, 20, 24)
    for name, label, place in zip(
        found.train.names, found.train.labels, range(len(found.train)), strict=True
    ):
        index = int(name.split("[")[1][:-1])
        kind = info.classes[int(label)]
        assert kind == ("Forest", "River")[index // 10]
        path = tmp_path / "the root/eurosat/2750" / kind / f"{kind}_{index % 10}.png"
        expected = decode(path, height=20, width=24, channels=3)
        assert np.array_equal(found.train.raw(place), expected)


def test_its_own_splits_are_kept(tmp_path: Path) -> None:
    found = torchvision("DTD", root=textures(tmp_path), size=16, fit="pad")
    info = found.info
    assert (info.num_train, info.num_validation, info.num_test) == (8, 8, 8)
    assert all(name.startswith("DTD/test[") for name in found.test.names)
    assert info.input_shape == (3, 16, 16) and info.classes == ("banded", "dotted")
    assert torchvision("DTD", root=tmp_path).info.input_shape == (3, 64, 64)
    only = torchvision("DTD", root=tmp_path, size=16, options={"split": "val"}).info
    assert (only.num_train, only.num_validation, only.num_test) == (4, 2, 2)


def test_a_missing_validation_is_taken_from_the_training_set(tmp_path: Path) -> None:
    found = torchvision("KMNIST", root=letters(tmp_path), validation=0.25)
    info = found.info
    assert info.input_shape == (1, 28, 28) and info.num_test == 20
    assert info.num_train + info.num_validation == 40 and info.num_validation >= 10
    assert all(name.startswith("KMNIST/train[") for name in found.validation.names)
    assert torch.equal(found.test.labels, torch.arange(20) % 10)


def test_made_up_pictures_without_files(caplog: pytest.LogCaptureFixture) -> None:
    found = torchvision("FakeData", options=FAKE)
    assert found.info.input_shape == (3, 12, 10) and found.info.num_classes == 3
    assert "reading all 60 images of FakeData for their labels" in caplog.text
    again = torchvision("FakeData", options=FAKE)
    assert again.info == found.info and torch.equal(again.train.samples, found.train.samples)
    other = torchvision("FakeData", options={**FAKE, "random_offset": 3})
    assert other.info.fingerprint != found.info.fingerprint


def test_on_demand_and_cropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIVESTEP_CACHE", str(tmp_path / "cache"))
    root = textures(tmp_path)

    def batches(**options: Any) -> list[torch.Tensor]:
        found = torchvision("DTD", root=root, size=16, augment=RandomResizedCrop(), **options)
        given = loader(found.train, batch_size=3, num_workers=0, shuffle=True, seed=0, device="cpu")
        return [batch[0] for batch in given.epoch(1)]

    reference = batches(cache=False)
    for cache in ("memory", "disk"):
        assert all(map(torch.equal, batches(cache=cache), reference))


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        (None, {}, "data.name is needed: data.name=Flowers102"),
        ("CIFR10", {}, "name ('CIFR10') in data.name is no dataset of torchvision.datasets; did"),
        (
            "VOCDetection",
            {},
            "VOCDetection in data.name has boxes; data=detection reads",
        ),
        ("Cityscapes", {}, "has masks; data=segmentation reads"),
        ("EMNIST", {}, "EMNIST needs 'split', one of byclass, bymerge, balanced, letters"),
        ("UCF101", {}, "UCF101 needs 'annotation_path'; give it in data.options"),
        ("Flowers102", {}, "set data.download=true, or put its files into"),
        ("KMNIST", {}, "set data.download=true"),
        ("FakeData", {"sise": 3}, "option 'sise' in data.options is none of FakeData"),
        ("DTD", {"split": "trian"}, "Unknown value 'trian' for argument split. Valid values are"),
        ("DTD", {"root": "x"}, "option 'root' in data.options is none of DTD"),
    ],
)
def test_what_is_wrong_is_one_line(
    tmp_path: Path, name: str | None, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(DataError) as error:
        torchvision(name, root=tmp_path / "data", options=options)
    assert told in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "data").exists() and error.value.exit_code == 2


def test_arguments_out_of_range_are_told_at_once() -> None:
    wrong: dict[str, Any] = {"size": -1, "channels": 2, "fit": "squash", "cache": "x", "test": 3}
    with pytest.raises(DataError) as error:
        torchvision("FakeData", **wrong)
    assert len(error.value.problems) == 5


def test_targets_that_are_no_classes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision import datasets

    monkeypatch.setattr(datasets.FakeData, "__getitem__", lambda self, i: (None, [1.0, 2.0]))
    with pytest.raises(DataError, match=r"targets of FakeData \(\) are no classes"):
        torchvision("FakeData", options=FAKE)


def test_the_look() -> None:
    assert look_torchvision(None, {"name": "DTD"}).certainty == 1
    assert look_torchvision(None, {}).certainty == 0
