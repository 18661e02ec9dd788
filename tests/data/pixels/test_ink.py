"""Drawings: found on any paper, brought into the frame, and data sets' own left as they are."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from data.digits import digits
from data.errors import SampleError
from data.pixels.decoding import decode
from data.pixels.ink import ink_fitted

BOX = (60, 40, 110, 120)  # left, top, right, bottom of the figure


def figure(pen: int = 12, size: tuple[int, int] = (200, 160)) -> Image.Image:
    """A closed "P", black on white, off-centre; never the same turned or mirrored."""
    image = Image.new("L", size, 255)
    draw = ImageDraw.Draw(image)
    left, top, right, bottom = BOX
    draw.rectangle((left, top, left + pen - 1, bottom - 1), fill=0)
    draw.rectangle((left, top, right - 1, (top + bottom) // 2), outline=0, width=pen)
    return image


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def drawn(image: Image.Image | bytes, side: int = 8, **options: Any) -> np.ndarray:
    data = image if isinstance(image, bytes) else encoded(image)
    fit = options.pop("fit", "ink")
    return decode(data, height=side, width=side, channels=1, fit=fit, **options)[..., 0].astype(int)


def apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).mean())


def test_the_box_fills_the_frame_with_its_aspect() -> None:
    pixels = drawn(figure(), side=80)
    inked = pixels > 127
    rows, columns = np.flatnonzero(inked.any(1)), np.flatnonzero(inked.any(0))
    assert (rows[0], rows[-1]) == (0, 79)
    assert abs((columns[-1] - columns[0] + 1) - 50) <= 1  # 50 x 80 as it was
    assert abs(columns[0] - (79 - columns[-1])) <= 1
    original = 255 - np.asarray(figure().crop((45, 40, 125, 120)), dtype=int)
    assert apart(pixels, original) < 4


def test_small_frames_are_means_over_blocks() -> None:
    blocks = drawn(figure(), side=80).reshape(8, 10, 8, 10).mean(axis=(1, 3))
    assert apart(drawn(figure()), blocks) < 4


@pytest.mark.parametrize("fit", ["ink", "ink_centred"])
def test_place_and_size_do_not_matter(fit: str) -> None:
    first = drawn(figure(), side=28, fit=fit)
    for size, place in (((900, 700), (500, 3)), ((203, 400), (0, 240)), ((110, 120), (-60, -40))):
        paper = Image.new("L", size, 255)
        paper.paste(figure(), place)
        assert apart(drawn(paper, side=28, fit=fit), first) < 3, size
    large = figure().resize((1400, 1120), Image.Resampling.BICUBIC)
    assert apart(drawn(large, side=28, fit=fit), first) < 5


def variants() -> dict[str, bytes]:
    """The same drawing as users' programs save it."""
    plain = figure()
    clear = Image.new("RGBA", plain.size, (0, 0, 0, 0))
    clear.putalpha(Image.fromarray(255 - np.asarray(plain)))
    blue = Image.merge("RGB", [plain, plain, Image.new("L", plain.size, 255)])
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    return {
        "transparent": encoded(clear),
        "palette": encoded(blue.convert("P", palette=Image.Palette.ADAPTIVE, colors=4)),
        "gif": encoded(plain, "GIF"),
        "cmyk": encoded(plain.convert("CMYK"), "TIFF"),
        "deep": encoded(Image.fromarray(np.asarray(plain).astype(np.uint16) * 257)),
        "bilevel": encoded(plain.convert("1")),
        "jpeg": encoded(blue, "JPEG", quality=60),
        "white on black": encoded(Image.fromarray(255 - np.asarray(plain))),
        "pencil": encoded(plain.point(lambda level: 160 + level * 60 // 255)),
        "turned": encoded(plain.transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif),
    }


@pytest.mark.parametrize("name", variants())
def test_every_kind_of_file_shows_the_same_drawing(name: str) -> None:
    assert apart(drawn(variants()[name]), drawn(figure())) < 6


def test_a_photograph_with_uneven_light_grain_and_dirt() -> None:
    random = np.random.default_rng(0)
    ink = 1 - np.asarray(figure().filter(ImageFilter.GaussianBlur(1)), dtype=float) / 255
    down, across = np.mgrid[-1 : 1 : ink.shape[0] * 1j, -1 : 1 : ink.shape[1] * 1j]
    paper = 150 + 40 * across - 35 * down - 20 * across**2
    shot = paper - 70 * ink + random.normal(0, 5, ink.shape)
    shot[5:8, 5:8] -= 60
    shot[150:153, 190:193] -= 60
    image = Image.fromarray(shot.clip(0, 255).astype(np.uint8))
    assert apart(drawn(encoded(image, "JPEG", quality=80)), drawn(figure())) < 8
    # Without its paper taken off, the light would be what is seen.
    assert apart(255 - drawn(image, fit="stretch"), drawn(figure())) > 40


def test_thin_strokes_are_widened_and_broad_ones_stay() -> None:
    thin, thinner, broad = (drawn(figure(pen)).sum() for pen in (3, 1, 25))
    usual = drawn(figure(11)).sum()
    assert 0.85 < thin / usual < 1.15 and 0.8 < thinner / usual < 1.2
    assert broad > 1.3 * usual


def test_as_in_mnist_the_mass_is_in_the_middle_of_a_smaller_box() -> None:
    pixels = drawn(figure(), side=28, fit="ink_centred")
    rows = np.flatnonzero((pixels > 127).any(1))
    assert rows[-1] - rows[0] + 1 == 20
    middle = (pixels * np.arange(28)).sum() / pixels.sum()
    assert abs(middle - 13.5) < 0.6
    boxed = drawn(figure(), side=28)
    assert abs((boxed * np.arange(28)).sum() / boxed.sum() - 13.5) > 1


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_of_the_size_wanted_stays_as_it_is(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, channels), dtype=np.uint8)
    image = Image.fromarray(pixels.squeeze())
    again = decode(encoded(image), height=8, width=8, channels=channels, fit="ink")
    assert np.array_equal(again, pixels)


def test_the_data_sets_own_pictures_pass_unchanged() -> None:
    test = digits().test
    for index in range(0, len(test), 30):
        image = Image.fromarray(test.picture(index)[..., 0])
        assert np.array_equal(drawn(image), np.asarray(image))


@pytest.mark.parametrize("level", [0, 128, 255])
def test_nothing_drawn(level: int) -> None:
    with pytest.raises(SampleError, match=r"blank\.png shows no drawing: all of it has one"):
        drawn(Image.new("L", (90, 70), level), name="blank.png")
    grain = np.random.default_rng(0).normal(level, 3, (70, 90)).clip(0, 255).astype(np.uint8)
    with pytest.raises(SampleError, match="shows no drawing"):
        drawn(Image.fromarray(grain))


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 3), (1000, 7), (5000, 40)])
def test_any_size(size: tuple[int, int]) -> None:
    for seed in range(3):
        noise = np.random.default_rng(seed).integers(0, 256, size[::-1], dtype=np.uint8)
        for fit in ("ink", "ink_centred"):
            try:
                assert drawn(Image.fromarray(noise), side=5, fit=fit).shape == (5, 5)
            except SampleError:
                assert size == (1, 1)


@pytest.mark.parametrize("shape", [(8, 12), (30, 9), (1, 1), (200, 300)])
def test_any_frame(shape: tuple[int, int]) -> None:
    image = ink_fitted(figure(), *shape)
    assert image is not None and image.size == shape[::-1]
    assert np.asarray(image).max() > 60


def test_one_dot_of_ink() -> None:
    image = Image.new("L", (300, 300), 255)
    image.putpixel((40, 50), 0)
    assert drawn(image).max() == 255
