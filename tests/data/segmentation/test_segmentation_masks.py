"""What masks may hold, and that each of them stays on its image."""

from pathlib import Path

import numpy as np
import pytest
from drawn_masks import folder, mask, picture, save
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data.errors import DataError
from data.pixels.decoding import decode
from data.pixels.masks import IGNORED, Encoding, overlay, placed, read_codes, upright_size
from data.pixels.placement import WAYS, Way, placement
from data.segmentation import segmentation


@pytest.mark.parametrize("fit", WAYS)
@pytest.mark.parametrize("size", [(32, 48), (24, 24), (17, 31), (50, 90)])
def test_a_mask_lies_where_its_image_shows_it(
    tmp_path: Path, fit: Way, size: tuple[int, int]
) -> None:
    pixels = np.zeros((64, 96, 3), dtype=np.uint8)
    codes = np.zeros((64, 96), dtype=np.int32)
    pixels[20:45, 30:70], codes[20:45, 30:70] = 255, 1
    save(tmp_path / "a.png", pixels)
    height, width = size
    image = decode(tmp_path / "a.png", height=height, width=width, channels=1, fit=fit)[..., 0]
    found = placed(codes, placement(96, 64, height=height, width=width, fit=fit))
    assert (found == 1).any()
    # Half-covered pixels at the edge may fall to either side; all others have to agree.
    sure = (image < 64) | (image > 191)
    assert ((found == 1) == (image > 127))[sure].all()


@settings(max_examples=60)
@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40),
    st.sampled_from(WAYS),
)  # fmt: skip
def test_every_pixel_of_a_frame_is_filled_or_outside(
    rows: int, columns: int, height: int, width: int, fit: Way
) -> None:
    where = placement(columns, rows, height=height, width=width, fit=fit)
    found = placed(np.zeros((rows, columns), dtype=np.int32), where)
    assert found.shape == (height, width) and (found == 0).any()
    assert fit == "pad" or (found == 0).all()
    x, y = where.to_image(*where.to_frame(3.5, 2.25))
    assert (x, y) == pytest.approx((3.5, 2.25))


def same(path: Path, **options: object) -> list[str]:
    """The classes of a folder of two classes, whose masks have to be that of `mask`."""
    splits = segmentation(path, size=[32, 48], **options)  # type: ignore[arg-type]
    for split in (splits.train, splits.validation, splits.test):
        assert all((split.masks.numpy() == mask()).all(axis=(1, 2)))
    return list(splits.info.classes)


def test_numbers_are_classes(tmp_path: Path) -> None:
    assert same(folder(tmp_path)) == ["0", "1"]
    assert same(tmp_path, classes=["ground", "square"]) == ["ground", "square"]
    (tmp_path / "classes.txt").write_text("ground\nsquare\n")
    assert same(tmp_path) == ["ground", "square"]


def test_0_and_255_are_two_classes(tmp_path: Path) -> None:
    folder(tmp_path, form=np.array([0, 255], dtype=np.uint8))
    assert same(tmp_path) == ["background", "foreground"]


def test_a_palette_has_numbers(tmp_path: Path) -> None:
    folder(tmp_path)
    for path in (tmp_path / "masks").iterdir():
        paletted = Image.fromarray(mask(), mode=None).convert("P")
        paletted.putdata(mask().ravel().tolist())
        paletted.putpalette([200, 0, 0, 0, 0, 200])
        paletted.save(path)
    assert same(tmp_path) == ["0", "1"]


def test_colours_are_classes_in_their_order(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder(tmp_path, form=np.array([[0, 0, 0], [255, 0, 10]], dtype=np.uint8))
    assert same(tmp_path) == ["#000000", "#ff000a"]
    assert "#ff000a" in caplog.text
    named = {"square": [255, 0, 10], "ground": [0, 0, 0]}
    splits = segmentation(tmp_path, size=[32, 48], classes=named)
    assert splits.info.classes == ("square", "ground")
    assert (splits.train.masks.numpy() == 1 - mask()).all()
    (tmp_path / "labelmap.txt").write_text("# label:color\nground:0,0,0::\nsquare:255,0,10::\n")
    assert same(tmp_path) == ["ground", "square"]


@pytest.mark.parametrize(
    ("form", "classes"),
    [
        (np.array([[0] * 3, [1] * 3], dtype=np.uint8), ["0", "1"]),  # gray, stored as colours
        (np.array([20, 200], dtype=np.uint8), ["20", "200"]),  # gray levels
    ],
)
def test_gray_is_no_colour(tmp_path: Path, form: np.ndarray, classes: list[str]) -> None:
    assert same(folder(tmp_path, form=form)) == classes


def test_bilevel_and_16_bit_masks_are_read(tmp_path: Path) -> None:
    folder(tmp_path)
    save(tmp_path / "masks/00.png", mask() * np.uint8(255), mode="1")
    save(tmp_path / "masks/01.png", mask().astype(np.uint16))
    assert same(tmp_path) == ["0", "1"]


def test_soft_edges_and_jpeg_are_cut_in_the_middle(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder(tmp_path, form=np.array([0, 255], dtype=np.uint8))
    for path in (tmp_path / "masks").iterdir():
        Image.open(path).save(path.with_suffix(".jpg"), quality=90)
        path.unlink()
    splits = segmentation(tmp_path, size=[32, 48])
    assert splits.info.classes == ("background", "foreground")
    assert (splits.train.masks.numpy() != mask()).mean() < 0.01
    assert "cut at 128" in caplog.text


def test_255_is_ignored_where_the_others_are_small(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder(tmp_path)
    values = mask()
    values[0] = 255
    save(tmp_path / "masks/00.png", values)
    splits = segmentation(tmp_path, size=[32, 48], validation=0, test=0, augment=None)
    assert "255 is ignored" in caplog.text and splits.info.classes == ("0", "1")
    _, target = splits.train[0]
    assert (target[0] == -100).all() and target[1:].min() >= 0
    assert sum(splits.info.class_counts) == 10 * 32 * 48 - 48


def test_padding_is_ignored(tmp_path: Path) -> None:
    splits = segmentation(folder(tmp_path), size=48, validation=0, test=0)
    target = splits.train[0][1]
    assert (target[:8] == -100).all() and (target[-8:] == -100).all()
    assert target[8:-8].min() == 0


def test_values_of_no_class_are_told_with_file_and_count(tmp_path: Path) -> None:
    folder(tmp_path)
    values = mask()
    values[3, :5] = 7
    save(tmp_path / "masks/04.png", values)
    with pytest.raises(DataError, match=r"mask value 7 in masks/04.png \(5 pixels\).*0\.\.1 ") as e:
        segmentation(tmp_path, classes=["ground", "square"])
    assert "data.ignore" in str(e.value)
    splits = segmentation(tmp_path, size=[32, 48], classes=["ground", "square"], ignore=7)
    assert splits.info.num_classes == 2
    # What is read on demand is told when it is read.
    encoding = Encoding((0, 1))
    with pytest.raises(DataError, match=r"here: mask value 7 \(5 pixels\)"):
        encoding.classes(read_codes(tmp_path / "masks/04.png", colours=False), "here")


@pytest.mark.parametrize(
    ("form", "options", "told"),
    [
        (np.arange(256, dtype=np.uint8)[::200], {"ignore": "x"}, "data.ignore"),
        (None, {"classes": "cat"}, "data.classes"),
        (None, {"classes": ["a", "a"]}, "more than once"),
        (None, {"classes": ["a"]}, "2 to 255"),
        (None, {"classes": {"a": 0, "b": 0}}, "its own value"),
        (np.array([3, 3], dtype=np.uint8), {"classes": ["a", "b"]}, "mask value 3"),
        (np.array([0, 0], dtype=np.uint8), {}, "the same value"),
        (
            np.array([[1, 2, 3], [4, 5, 6]], dtype=np.uint8),
            {"classes": ["a", "b", "c"]},
            "2 colours",
        ),
    ],
)
def test_what_classes_cannot_be(
    tmp_path: Path, form: np.ndarray | None, options: dict[str, object], told: str
) -> None:
    folder(tmp_path, form=form)
    with pytest.raises(DataError, match=told):
        segmentation(tmp_path, **options)  # type: ignore[arg-type]


def test_many_values_are_no_classes(tmp_path: Path) -> None:
    folder(tmp_path)
    ramp = np.arange(32 * 48).reshape(32, 48)
    for number in range(5):
        save(tmp_path / f"masks/{number:02}.png", (ramp % 256).astype(np.uint8))
    with pytest.raises(DataError, match="256 values from 0 to 255"):
        segmentation(tmp_path, classes=None)
    save(tmp_path / "masks/02.png", np.stack([ramp % 250, ramp // 7, ramp % 9], 2).astype(np.uint8))
    with pytest.raises(DataError, match="colours for at most 64 classes"):
        segmentation(tmp_path)


def test_rotated_photos_have_their_upright_size(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture()).save(tmp_path / "a.jpg", exif=exif)
    assert upright_size(tmp_path / "a.jpg") == (32, 48)


def test_an_overlay_leaves_the_background() -> None:
    pixels, classes = picture(), mask().astype(np.int64)
    classes[0, 0] = IGNORED
    drawn = overlay(pixels, classes)
    assert drawn.shape == pixels.shape and drawn.dtype == np.uint8
    assert (drawn[25:] == pixels[25:]).all() and (drawn[10, 15] != pixels[10, 15]).any()
