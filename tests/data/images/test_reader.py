"""The reader gives bit for bit what the data sets give, and is made again from what is stored."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from data.digits import digits
from data.errors import DataError, SampleError
from data.images import images
from data.images.reader import ImageReader
from data.info import ImageInfo
from data.pixels.decoding import FITS

SOURCE = Path(__file__).resolve().parents[3] / "src"


def made(info: ImageInfo) -> ImageReader:
    """From info.json, as a run folder has it."""
    node = json.loads(json.dumps(asdict(info)))["reader"]
    assert node.pop("_target_") == "data.images.reader.ImageReader"
    return ImageReader(**node)


def photographs(folder: Path) -> Path:
    """Two classes of images that no two are alike in size, mode or kind."""
    random = np.random.default_rng(0)
    for number in range(24):
        size = random.integers(5, 90, 2)
        pixels = random.integers(0, 256, (*size, 3 + number % 2), dtype=np.uint8)
        image = Image.fromarray(pixels).convert(("RGB", "RGBA", "L", "P")[number % 4])
        path = folder / ("cat", "dog")[number % 2] / f"{number}.{('png', 'gif')[number // 12]}"
        path.parent.mkdir(exist_ok=True)
        image.save(path)
    return folder


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("channels", [1, 3])
def test_files_become_the_bits_of_validation_and_test(
    tmp_path: Path, fit: Any, channels: int
) -> None:
    folder = photographs(tmp_path)
    for cache in (True, False):
        splits = images(folder, size=[12, 10], channels=channels, fit=fit, cache=cache)
        reader = made(splits.info)
        for part in (splits.validation, splits.test):
            every = np.arange(len(part))
            expected, _ = part.finish(part.fetch(every, 0, 0), every, 0, 0)
            samples = [reader.read(str(folder / name)) for name in part.names]
            assert samples[0].dtype == np.uint8 and samples[0].shape == (12, 10, channels)
            batch = reader.batch(samples)
            assert batch.dtype == np.float32
            assert batch.tobytes() == expected.numpy().tobytes()
            assert reader.batch(samples[:1]).tobytes() == part[0][0].numpy().tobytes()
            same = [reader.read((folder / name).read_bytes()) for name in part.names]
            assert all(np.array_equal(a, b) for a, b in zip(same, samples, strict=True))


def test_the_comparison_can_fail(tmp_path: Path) -> None:
    splits = images(photographs(tmp_path), size=12)
    node = splits.info.reader
    for change in ({"fit": "stretch"}, {"mean": [0.5, 0.5, 0.5]}):
        other = ImageReader(**{k: v for k, v in (node | change).items() if k != "_target_"})
        batch = other.batch([other.read(str(tmp_path / splits.test.names[0]))])
        assert not np.array_equal(batch[0], splits.test[0][0].numpy())


def test_digits_saved_as_files_become_the_bits_of_the_test(tmp_path: Path) -> None:
    splits = digits()
    reader = made(splits.info)
    assert reader.fit == "ink"
    for index in range(5):
        path = tmp_path / f"{index}.png"
        Image.fromarray(splits.test.picture(index)[..., 0]).save(path)
        assert torch.equal(
            torch.from_numpy(reader.batch([reader.read(str(path))])[0]), splits.test[index][0]
        )


def test_threads_may_share_it(tmp_path: Path) -> None:
    folder = photographs(tmp_path)
    reader = made(images(folder, size=16, fit="ink").info)
    names = list(reader.expand(str(folder)))
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(reader.read, names * 4))
    alone = [reader.read(name) for name in names] * 4
    assert all(np.array_equal(a, b) for a, b in zip(together, alone, strict=True))


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    reader = made(digits().info)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(SampleError, match=r"text\.png is not an image"):
        reader.read(str(tmp_path / "text.png"))
    with pytest.raises(SampleError, match="image is not an image"):
        reader.read(b"no picture")


def test_arguments_that_do_not_go_together_are_told_at_once() -> None:
    wrong: Any = {"height": 0, "width": 8, "channels": 2, "fit": "squash", "mean": [0], "std": [1]}
    with pytest.raises(DataError) as error:
        ImageReader(**wrong)
    assert len(error.value.problems) == 4


def test_neither_torch_nor_a_model_runtime_is_imported() -> None:
    code = (
        "import sys, data.images.reader, data.images.standalone\n"
        "make = data.images.reader.ImageReader\n"
        "r = make(height=2, width=2, channels=1, fit='pad', mean=[0], std=[1])\n"
        "r.batch([r.read(open(sys.argv[1], 'rb').read())]); r.script()\n"
        "assert not {'torch', 'trainer', 'onnxruntime'} & set(sys.modules)\n"
    )
    picture = Path(__file__).parents[2] / "users" / "drawn_digits" / "3.png"
    command = [sys.executable, "-c", code, str(picture)]
    subprocess.run(command, check=True, env={"PYTHONPATH": str(SOURCE)})


def test_seen_as_gives_the_same_samples_as_another_model_sees_them() -> None:
    splits = digits()
    other = [str(number) for number in reversed(range(12))]
    info = SimpleNamespace(classes=other, mean=[0.25], std=[0.5], input_shape=[1, 8, 8])
    seen = splits.test.seen_as(info, splits.info.classes)
    assert [other[label] for label in seen.labels] == [
        splits.info.classes[label] for label in splits.test.labels
    ]
    pixels = splits.test.samples[:1].float() / 255
    assert torch.equal(seen[0][0], ((pixels - 0.25) / 0.5)[0])
    assert seen.names == splits.test.names and not seen.is_augmented
    again = splits.test.seen_as(splits.info, splits.info.classes)
    assert torch.equal(again[3][0], splits.test[3][0])


def test_seen_as_tells_all_that_does_not_fit() -> None:
    splits = digits()
    info = SimpleNamespace(classes=["0", "a"], mean=[0], std=[1], input_shape=[3, 8, 8])
    with pytest.raises(DataError) as error:
        splits.test.seen_as(info, splits.info.classes)
    size, classes = error.value.problems
    assert "8 x 8 with 1 channel in the data" in size and "8 x 8 with 3 channels" in size
    assert "9 classes ('1', '2', '3', '4', '5', ...)" in classes and "'0', 'a'" in classes
