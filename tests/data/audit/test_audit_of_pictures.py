"""Planted faults in pictures are found, near ones with the same hash as by comparing all pairs."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_data import clean_labels, clean_pictures, pictures, said, shuffled
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data.audit import audit, brief, perceptual
from data.audit.figures import Gallery, png
from data.digits import digits
from data.images import images


def test_sound_pictures_are_left_in_peace() -> None:
    assert said(pictures(), "error", "warning", "note") == []
    assert brief(pictures()) == []


def test_digits_are_sound() -> None:
    splits = digits()
    assert said(splits, "error", "warning", "note") == []
    assert brief(splits) == []


def again(picture: Any) -> Any:
    """The same picture, made smaller, compressed, and made larger again."""
    file = io.BytesIO()
    Image.fromarray(picture).resize((28, 28)).save(file, "JPEG", quality=70)
    return np.asarray(Image.open(file).resize((32, 32)))


def paler(picture: Any) -> Any:
    return (picture * 0.8 + 30).astype(np.uint8)


PICTURES = [
    ({5: np.zeros_like}, "warning: 1 image of one colour, or nearly (picture 5)"),
    ({85: 3}, "error: 1 of 20 test images (5 %) is in the train split too, equal (picture 85 = "),
    ({15: 3}, "warning: 1 image comes again in the train split, equal (1 % of all) (picture 3 = "),
    ({14: 3}, "error: 2 images equal to others with another label (2 %) (picture 3 = picture 14)"),
    ({85: (3, again)}, "warning: 1 image of one split looks like one of another (1 % of all) ("),
    ({85: (3, paler)}, "warning: 1 image of one split looks like one of another (1 % of all) ("),
    ({15: (3, again)}, "note: 2 images look like another of the same split (picture "),
]


@pytest.mark.parametrize(("change", "line"), PICTURES)
def test_a_fault_in_pictures_is_found_whatever_their_order(change: Any, line: str) -> None:
    values = clean_pictures()
    for place, act in change.items():
        source, how = act if isinstance(act, tuple) else (act, lambda picture: picture)
        values[place] = how(values[source]) if isinstance(source, int) else source(values[place])
    found = said(pictures(values), "error", "warning", "note")
    assert [each for each in found if each.startswith(line)], found
    assert said(shuffled(pictures(values)), "error", "warning", "note") == found


def test_pairs_are_shown_side_by_side() -> None:
    values = clean_pictures()
    values[85] = values[3]
    gallery = next(
        figure
        for figure in audit(pictures(values)).figures
        if isinstance(figure, Gallery) and figure.title == "The same image twice"
    )
    captions = [[caption for _, caption in row] for row in gallery.rows]
    assert captions == [["train: picture 3", "test: picture 85"]]
    shown = np.asarray(Image.open(io.BytesIO(gallery.rows[0][0][0])))
    assert np.array_equal(shown, values[3])


@given(st.integers(0, 2**32), st.integers(0, 7))
@settings(max_examples=20, deadline=None)
def test_near_hashes_are_those_that_comparing_all_pairs_gives(seed: int, distance: int) -> None:
    random = np.random.default_rng(seed)
    codes = random.integers(0, 2**63, 60, dtype=np.uint64)
    flips = random.integers(0, 10, 60)
    near = codes.copy()
    for place, count in enumerate(flips):
        for bit in random.choice(64, count, replace=False):
            near[place] ^= np.uint64(1 << int(bit))
    codes = np.concatenate([codes, near, codes[:3]])
    bits = np.bitwise_count(codes[:, None] ^ codes[None, :])
    expected = np.argwhere(np.triu(bits <= distance, 1))
    assert np.array_equal(perceptual.near(codes, distance), expected)


def test_small_pictures_are_means_of_areas() -> None:
    shades = np.random.default_rng(0).random((2, 48, 64)).astype(np.float32)
    expected = shades.reshape(2, 16, 3, 16, 4).mean(axis=(2, 4))
    assert np.allclose(perceptual.shrunk(shades, 16), expected, atol=1e-6)
    assert np.allclose(perceptual.shrunk(shades, 20).mean(), shades.mean(), atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_holds_the_pixels(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, channels), dtype=np.uint8)
    read = np.asarray(Image.open(io.BytesIO(png(pixels)))).reshape(pixels.shape)
    assert np.array_equal(read, pixels)


def test_files_of_odd_sizes_and_unreadable_ones_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "my pictures"
    values, labels = clean_pictures(60), clean_labels(60)
    for place, (value, label) in enumerate(zip(values, labels, strict=True)):
        (folder / f"class {label}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(value).save(folder / f"class {label}" / f"{place:03}.png")
    splits = images(folder, size=32)
    assert said(splits, "error", "warning", "note", folder=folder) == []
    Image.fromarray(values[0][:12, :12]).save(folder / "class 0" / "tiny.png")
    wide = np.concatenate([*values[:6]], axis=1)
    Image.fromarray(wide).save(folder / "class 0" / "wide.png")
    (folder / "class 0" / "broken.png").write_bytes(b"no picture")
    splits = images(folder, size=32, on_error="skip", max_bad=3)
    found = said(splits, "error", "warning", "note", folder=folder)
    for line in (
        "warning: 1 file can't be read and is left out (",
        "warning: 1 small image (class 0/tiny.png: 12 x 12)",
        "warning: 1 very long image (class 0/wide.png: 32 x 192)",
        "note: images of 3 sizes, from 12 x 12 to 32 x 192",
    ):
        assert [each for each in found if each.startswith(line)], found


def test_of_masks_and_boxes_the_classes_without_any_are_told() -> None:
    splits = pictures()
    object.__setattr__(splits.info, "class_counts", (900, 0))
    for problem, unit in (("segmentation", "pixel"), ("detection", "box")):
        object.__setattr__(splits.info, "problem", problem)
        (line,) = said(splits)
        assert line.startswith(f"warning: 1 class without a training {unit} ('yes')")
