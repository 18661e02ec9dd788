"""Folders of images with masks: layouts, splits, samples, and what is wrong with them."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn_masks import folder, mask, picture, save
from PIL import Image

from data.augmentation.batches import RandomAffine
from data.augmentation.joint import JointAffine
from data.errors import DataError, SampleError
from data.images.picture_reader import PictureReader
from data.loading.loaders import loader
from data.pixels.masks import placed
from data.pixels.placement import WAYS, Way, placement
from data.segmentation import look_segmentation, segmentation
from data.segmentation.answer import MaskAnswer

AUGMENT = JointAffine(rotate=20, scale=0.2, shift=0.1, flip=True, fill="edge")


def test_it_says_what_it_is(tmp_path: Path) -> None:
    info = segmentation(folder(tmp_path), size=[32, 48]).info
    assert (info.problem, info.classes, info.num_outputs) == ("segmentation", ("0", "1"), 2)
    assert info.input_shape == (3, 32, 48)
    assert (info.num_train, info.num_validation, info.num_test) == (7, 1, 2)
    assert info.class_counts == (7 * (32 * 48 - 12 * 18), 7 * 12 * 18)
    assert "masks of 2 classes" in info.about
    again = segmentation(tmp_path, size=[32, 48]).info
    assert again == info
    save(tmp_path / "masks/03.png", 1 - mask())
    assert segmentation(tmp_path, size=[32, 48], split_seed=1).info.fingerprint != info.fingerprint


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("{split}/images", "{split}/masks"),
        ("images/{split}", "masks/{split}"),
        ("{split}/img", "{split}/labels"),
        ("JPEGImages/{split}", "SegmentationClass/{split}"),
    ],
)
def test_split_folders_split(tmp_path: Path, images: str, masks: str) -> None:
    names = {"train": "train", "val": "validation", "testing": "test"}
    for split, number in zip(names, (4, 3, 2), strict=True):
        for index in range(number):
            save(tmp_path / images.format(split=split) / f"{index}.png", picture(seed=index))
            save(tmp_path / masks.format(split=split) / f"{index}_mask.png", mask())
    splits = segmentation(tmp_path, size=32)
    info = splits.info
    assert (info.num_train, info.num_validation, info.num_test) == (4, 3, 2)
    assert all("val" in name for name in splits.validation.names)
    shutil.rmtree(tmp_path / images.format(split="val"))
    assert segmentation(tmp_path, size=32, validation=0.3).info.num_validation == 1


def test_masks_may_lie_beside_their_images(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a", "b", "deep/c"):
        save(tmp_path / f"{name}.jpg", picture())
        save(tmp_path / f"{name}_mask.png", mask())
    save(tmp_path / "lone_mask.png", mask())
    splits = segmentation(tmp_path, size=32, validation=0, test=0)
    assert splits.train.names == ("a.jpg", "b.jpg", "deep/c.jpg")
    assert "1 masks without an image are left out: lone_mask.png" in caplog.text


def test_all_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    folder(tmp_path)
    for number in range(7):
        (tmp_path / f"masks/{number:02}.png").unlink()
    with pytest.raises(DataError, match="7 problems") as error:
        segmentation(tmp_path)
    assert str(error.value).count("has no mask") == 5 and "and 2 more" in str(error.value)
    assert "00.png" in str(error.value)


def test_sizes_and_files_that_cannot_be_are_told_at_once(tmp_path: Path) -> None:
    folder(tmp_path)
    save(tmp_path / "masks/01.png", mask(48, 32))
    (tmp_path / "masks/02.png").write_text("no picture")
    (tmp_path / "images/03.png").write_bytes(b"")
    ignored = np.full((32, 48), 255, dtype=np.uint8)
    save(tmp_path / "masks/05.png", ignored)
    with pytest.raises(DataError) as error:
        segmentation(tmp_path, size=32)
    told = "\n".join(error.value.problems)
    assert "32 x 48 pixels and its image 48 x 32 (turned by 90 degrees?)" in told
    assert "02.png is not an image" in told and "03.png is an empty file" in told
    with pytest.raises(DataError, match=r"more than loader\.max_bad"):
        segmentation(tmp_path, size=32, on_error="skip", max_bad=1)
    splits = segmentation(tmp_path, size=32, ignore=255, on_error="skip", max_bad=4)
    assert sorted(Path(bad.name).stem for bad in splits.bad) == ["01", "02", "03", "05"]
    assert "no labelled pixel" in next(bad.reason for bad in splits.bad if "05" in bad.name)
    assert splits.info.num_train + splits.info.num_validation + splits.info.num_test == 6


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"size": 0}, "data.size"),
        ({"size": [1, 2, 3]}, "data.size"),
        ({"channels": 2}, "data.channels"),
        ({"fit": "ink"}, "data.fit"),
        ({"validation": 1.5}, "data.validation"),
        ({"fold": 1}, "data.folds"),
        ({"on_error": "no"}, "loader.on_error"),
        ({"augment": RandomAffine(flip=True)}, "data.augmentation.joint.JointAffine"),
        ({"split": "nonsense"}, "split"),
    ],
)
def test_what_cannot_be_asked_for(tmp_path: Path, options: dict[str, object], told: str) -> None:
    with pytest.raises(DataError, match=told):
        segmentation(folder(tmp_path), **options)  # type: ignore[arg-type]


def test_no_folder_no_data(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.path is needed"):
        segmentation(None)
    with pytest.raises(DataError, match="did you mean"):
        segmentation(folder(tmp_path / "shapes").with_name("shape"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no image"):
        segmentation(tmp_path / "empty")
    with pytest.raises(DataError, match="is a file"):
        segmentation(tmp_path / "shapes/images/00.png")


def test_folds_validate_each_sample_once(tmp_path: Path) -> None:
    folder(tmp_path)
    parts = [
        segmentation(tmp_path, size=32, folds=4, fold=number).validation.names
        for number in range(4)
    ]
    assert len({name for part in parts for name in part}) == sum(map(len, parts)) == 8


def test_on_demand_gives_the_same_samples(tmp_path: Path) -> None:
    folder(tmp_path)
    kept = segmentation(tmp_path, size=24, augment=AUGMENT)
    read = segmentation(tmp_path, size=24, augment=AUGMENT, cache=False)
    assert kept.info == read.info
    assert (kept.train.resident_bytes or 0) > 0 and read.train.resident_bytes is None
    rows = np.array([4, 1, 6])
    for first, second in zip(
        kept.train.finish(kept.train.fetch(rows, 0, 0), rows, 3, 1),
        read.train.finish(read.train.fetch(rows, 0, 0), rows, 3, 1),
        strict=True,
    ):
        assert torch.equal(first, second)
    save(tmp_path / "masks/09.png", mask(16, 16))
    with pytest.raises(SampleError, match="give both the same size"):
        dataset = next(
            d for d in (read.train, read.validation, read.test) if "images/09.png" in d.names
        )
        dataset.fetch(np.array([dataset.names.index("images/09.png")]), 0, 0)


def test_the_reader_gives_what_the_dataset_gives(tmp_path: Path) -> None:
    splits = segmentation(folder(tmp_path), size=[20, 30])
    options = {k: v for k, v in splits.info.reader.items() if k != "_target_"}
    reader = PictureReader(**options)
    assert reader.node == splits.info.reader
    samples = [reader.read(str(tmp_path / name)) for name in splits.test.names]
    assert all((splits.test.raw(i) == s).all() for i, s in enumerate(samples))
    rows = np.arange(len(splits.test))
    images, _ = splits.test.finish(splits.test.fetch(rows, 0, 0), rows, 0, 0)
    assert (reader.batch(samples) == images.numpy()).all()
    assert torch.equal(splits.test[1][0], images[1])


def test_image_and_mask_are_moved_alike(tmp_path: Path) -> None:
    pixels = np.zeros((32, 48, 3), dtype=np.uint8)
    for number in range(8):
        values = mask()
        save(tmp_path / f"images/{number}.png", pixels + 255 * values[..., None])
        save(tmp_path / f"masks/{number}.png", values)
    data = segmentation(tmp_path, size=[32, 48], augment=AUGMENT, validation=0, test=0).train
    rows = np.arange(8)
    images, masks = data.finish(data.fetch(rows, 0, 0), rows, 0, 0)
    bright = images[:, 0] > (images.max() + images.min()) / 2
    seen = masks >= 0
    assert (bright == (masks == 1))[seen].float().mean() > 0.99
    assert not torch.equal(masks[0], masks[1]) and (masks == -100).any()
    # Row by row, and a function of (seed, epoch, sample) alone.
    alone = data.finish(data.fetch(rows[5:6], 0, 0), rows[5:6], 0, 0)
    assert torch.equal(alone[0][0], images[5]) and torch.equal(alone[1][0], masks[5])
    other = data.finish(data.fetch(rows, 0, 0), rows, 1, 0)
    assert not torch.equal(other[1], masks)


def test_an_augmentation_never_takes_the_last_label_away() -> None:
    far = JointAffine(shift=1.0)
    masks = torch.full((4, 16, 16), 255, dtype=torch.uint8)
    masks[:, 0, 0] = 1
    images = torch.rand(4, 3, 16, 16)
    moved, found = far.with_masks(images, masks, np.arange(4), 0, 0)
    assert (found != 255).flatten(1).any(1).all()
    stayed = (found == masks).flatten(1).all(1)
    assert stayed.any() and torch.equal(moved[stayed], images[stayed])


def test_loaders_agree(tmp_path: Path) -> None:
    splits = segmentation(folder(tmp_path), size=16, augment=AUGMENT)
    options: dict[str, Any] = {"batch_size": 3, "shuffle": True, "seed": 4, "device": "cpu"}
    first = loader(splits.train, resident=True, **options)
    second = loader(splits.train, resident=False, num_workers=0, **options)
    for one, other in zip(first.epoch(2), second.epoch(2), strict=True):
        assert torch.equal(one[0], other[0]) and torch.equal(one[1], other[1])
        assert one[1].dtype == torch.int64 and one[0].dtype == torch.float32


def test_other_data_is_seen_as_a_model_knows_it(tmp_path: Path) -> None:
    splits = segmentation(folder(tmp_path), size=16, classes=["ground", "square"])
    info = segmentation(tmp_path, size=16, classes=["square", "ground"]).info
    seen = splits.test.seen_as(info, splits.info.classes)
    target, before = seen[0][1], splits.test[0][1]
    assert torch.equal(target == -100, before == -100)
    assert torch.equal(target[before >= 0], 1 - before[before >= 0])
    other = segmentation(tmp_path, size=20, classes=["ground", "disc"])
    with pytest.raises(DataError) as error:
        other.test.seen_as(info, other.info.classes)
    assert "data.size" in str(error.value) and "'disc'" in str(error.value)


def test_samples_can_be_looked_at(tmp_path: Path) -> None:
    data = segmentation(folder(tmp_path), size=[32, 48], channels=1, augment=AUGMENT).train
    assert data.picture(0).shape == (32, 48, 3) and data.raw(0).shape == (32, 48, 1)
    rows = np.arange(3)
    drawn = data.drawn(data.finish(data.fetch(rows, 0, 0), rows, 0, 0))
    assert [image.shape for image in drawn] == [(32, 48, 3)] * 3


def test_an_answer_is_a_mask_and_shares() -> None:
    answer = MaskAnswer(["ground", "square", "disc"], 4, 4, "pad")
    outputs = np.zeros((2, 3, 4, 4), dtype=np.float32)
    outputs[0, 1, :2] = 1
    outputs[1, 0, 0, 0] = np.nan
    first, second = answer.of(outputs, 5)
    assert first["shares"] == {"ground": 0.5, "square": 0.5} and second == {}
    assert first["mask"].dtype == np.uint8 and (first["mask"][:2] == 1).all()
    assert answer.shape == (3, None, None)
    with pytest.raises(DataError, match="fit"):
        MaskAnswer(["ground"], 4, 4, "fill")  # type: ignore[arg-type]


@pytest.mark.parametrize("fit", WAYS)
def test_a_mask_comes_back_in_pixels_of_the_file(tmp_path: Path, fit: Way) -> None:
    truth = np.zeros((48, 64), dtype=np.uint8)
    truth[6:24, 16:40] = 1  # sides that 2/3 of the rows and 1/2 of the columns keep whole
    save(tmp_path / "a.png", np.stack([truth] * 3, axis=2))
    info = segmentation(folder(tmp_path / "data"), size=32, fit=fit, classes=["ground", "box"]).info
    reader = PictureReader(**{k: v for k, v in info.reader.items() if k != "_target_"})
    answer = MaskAnswer(**{k: v for k, v in info.answer.items() if k != "_target_"})
    assert answer.node == info.answer
    size = reader.size(str(tmp_path / "a.png"))
    assert size == reader.size((tmp_path / "a.png").read_bytes()) == (64, 48)
    # What the model is shown as its own answer; padding counts as class 1 there.
    where = placement(*size, height=32, width=32, fit=fit)
    seen = (placed(truth.astype(np.int32), where) != 0).astype(np.uint8)
    (found,) = answer.of(np.stack([seen == 0, seen == 1])[None].astype(np.float32), 1)
    found = answer.placed(found, *size)
    mask = found["mask"]
    assert mask.shape == (48, 64) and mask.dtype == np.uint8
    # Crop shows 2/3 of the picture (43 x 32), columns 5 to 37: 7.4 to 55.07 of the file's.
    unseen = np.zeros(64, dtype=bool)
    if fit == "crop":
        unseen[:7] = unseen[55:] = True
    assert ((mask == 255) == unseen).all()
    wrong = (mask != truth)[:, ~unseen]
    assert not wrong.any() if fit != "crop" else wrong.sum() <= 18  # a column of the box
    share = (mask == 1).sum() / (mask != 255).sum()
    assert found["shares"] == {"ground": pytest.approx(1 - share), "box": pytest.approx(share)}


def test_a_mask_coarser_than_the_input_covers_the_file() -> None:
    answer = MaskAnswer(["a", "b"], 32, 32, "pad")
    coarse = np.zeros((8, 8), dtype=np.uint8)
    coarse[:4] = 1
    mask = answer.placed({"mask": coarse, "shares": {}}, 64, 48)["mask"]
    assert (mask[:24] == 1).all() and (mask[24:] == 0).all()


def test_the_reader_tells_the_upright_size_or_none(tmp_path: Path) -> None:
    info = segmentation(folder(tmp_path / "data"), size=32).info
    reader = PictureReader(**{k: v for k, v in info.reader.items() if k != "_target_"})
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (64, 48)).save(tmp_path / "a.jpg", exif=exif)
    assert reader.size(str(tmp_path / "a.jpg")) == (48, 64)
    assert reader.size(str(tmp_path / "none.jpg")) is None and reader.size(b"text") is None


def test_a_look_lists_and_needs_no_torch(tmp_path: Path) -> None:
    look = look_segmentation(folder(tmp_path / "a"), {})
    assert look.certainty > 0.9 and look.model == "unet" and "10 of 10" in look.about[0]
    save(tmp_path / "b/cat/1.png", picture())
    save(tmp_path / "b/dog/1.png", picture())
    assert look_segmentation(tmp_path / "b", {}).certainty == 0
    assert look_segmentation(tmp_path / "c", {}).certainty == 0
    for file in sorted((tmp_path / "a/masks").iterdir())[:3]:  # images and masks are no classes
        file.unlink()
    assert look_segmentation(tmp_path / "a", {}).certainty > 0.9
    assert look_segmentation(None, {}).certainty == 0
    code = "import sys; from data.segmentation import look_segmentation, segmentation; "
    code += "from data.segmentation.answer import MaskAnswer; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
