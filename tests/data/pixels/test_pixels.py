"""One path from file to pixels: every kind of image, every kind of damage."""

import io
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from data.errors import SampleError
from data.images.dataset import Images
from data.pixels.decoding import decode, normalise, verify

RED, BLUE = (255, 0, 0), (0, 0, 255)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def halves(width: int = 8, height: int = 4) -> Image.Image:
    """Left half red, right half blue."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    return image


def test_same_size_is_untouched() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(pixels))
    assert np.array_equal(decode(data, height=4, width=5, channels=3), pixels)


def test_path_and_bytes_agree(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(halves(64, 32), "JPEG"))
    first = decode(path, height=16, width=16, channels=3)
    assert np.array_equal(first, decode(path.read_bytes(), height=16, width=16, channels=3))


def test_exif_rotation() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate 90 degrees clockwise to view
    data = encoded(halves(), "PNG", exif=exif)
    turned = decode(data, height=8, width=4, channels=3)
    assert tuple(turned[0, 0]) == RED and tuple(turned[-1, 0]) == BLUE


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_lies_on_white(mode: str) -> None:
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    if mode == "P":
        image = Image.new("P", (4, 4), 1)
        image.putpalette([10, 20, 30, 40, 50, 60])
        data = encoded(image, transparency=1)
    else:
        data = encoded(clear.convert(mode))
    assert (decode(data, height=4, width=4, channels=3) == 255).all()


def test_half_transparent_black_is_gray() -> None:
    data = encoded(Image.new("RGBA", (2, 2), (0, 0, 0, 128)))
    assert (decode(data, height=2, width=2, channels=1) == 127).all()


def test_sixteen_bit_gray() -> None:
    deep = np.array([[0, 257, 65535, 32896]], dtype=np.uint16)
    data = encoded(Image.fromarray(deep))
    assert decode(data, height=1, width=4, channels=1).ravel().tolist() == [0, 1, 255, 128]


@pytest.mark.parametrize(
    ("image", "kind", "expected"),
    [
        (Image.new("CMYK", (2, 2), (0, 255, 255, 0)), "TIFF", RED),
        (Image.new("L", (2, 2), 77), "PNG", (77, 77, 77)),
        (Image.new("1", (2, 2), 1), "PNG", (255, 255, 255)),
        (halves(2, 2).convert("P"), "GIF", RED),
        (Image.new("YCbCr", (2, 2), (76, 85, 255)), "JPEG", (254, 0, 0)),
    ],
)
def test_modes(image: Image.Image, kind: str, expected: tuple[int, ...]) -> None:
    pixels = decode(encoded(image, kind), height=2, width=2, channels=3)
    assert np.abs(pixels[0, 0].astype(int) - expected).max() <= 1
    assert decode(encoded(image, kind), height=2, width=2, channels=1).shape == (2, 2, 1)


def test_floating_point_is_refused() -> None:
    with pytest.raises(SampleError, match="floating-point pixels"):
        decode(encoded(Image.new("F", (2, 2), 0.5), "TIFF"), height=2, width=2, channels=1)


def test_fits() -> None:
    data = encoded(halves(8, 4))
    crop = decode(data, height=4, width=4, channels=3, fit="crop")
    assert (crop[:, :2] == RED).all() and (crop[:, 2:] == BLUE).all()
    stretch = decode(data, height=4, width=4, channels=3, fit="stretch")
    assert tuple(stretch[0, 0]) == RED and tuple(stretch[0, -1]) == BLUE
    pad = decode(data, height=8, width=8, channels=3, fit="pad")
    assert (pad[:2] == 0).all() and (pad[6:] == 0).all() and (pad[2:6, :4] == RED).all()


@pytest.mark.parametrize("fit", ["crop", "stretch", "pad"])
@pytest.mark.parametrize("size", [(1, 100), (100, 1), (3, 7), (33, 32), (500, 499)])
def test_any_aspect_gives_the_size(size: tuple[int, int], fit: Any) -> None:
    data = encoded(Image.new("RGB", size), "JPEG")
    assert decode(data, height=12, width=10, channels=3, fit=fit).shape == (12, 10, 3)


def test_large_jpeg_is_close_to_a_full_decode() -> None:
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((800, 800))
    data = encoded(smooth, "JPEG", quality=95)
    full = np.asarray(Image.open(io.BytesIO(data)).resize((32, 32), Image.Resampling.BILINEAR))
    ours = decode(data, height=32, width=32, channels=3)
    assert np.abs(ours.astype(int) - full).mean() < 2


def test_a_header_of_too_many_pixels_is_refused_before_decoding() -> None:
    for size in ((8000, 7000), (11000, 9000), (60000, 60000)):
        # BMP headers are easily made to claim any size.
        data = bytearray(encoded(Image.new("L", (1, 1)), "BMP"))
        data[18:26] = size[0].to_bytes(4, "little") + size[1].to_bytes(4, "little")
        with pytest.raises(SampleError, match="pixels"):
            decode(bytes(data), height=2, width=2, channels=3, name="bomb.bmp")


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_truncated(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"cut.{kind.lower()}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    content = encoded(Image.fromarray(noise), kind)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(SampleError, match=r"cut\.\w+ can't be decoded") as error:
        decode(path, height=8, width=8, channels=3)
    assert error.value.exit_code == 7


def test_not_an_image_empty_and_missing(tmp_path: Path) -> None:
    text, empty = tmp_path / "text.jpg", tmp_path / "empty.png"
    text.write_text("no picture")
    empty.touch()
    for read in (verify, lambda path: decode(path, height=2, width=2, channels=3)):
        with pytest.raises(SampleError, match=r"text\.jpg is not an image"):
            read(text)
        with pytest.raises(SampleError, match=r"empty\.png is an empty file"):
            read(empty)
        with pytest.raises(SampleError, match=r"gone\.png is missing"):
            read(tmp_path / "gone.png")


def test_random_damage_raises_nothing_but_sample_errors() -> None:
    generator = random.Random(0)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8))
    refused = 0
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"):
        whole = encoded(image, kind)
        for _ in range(40):
            damaged = bytearray(whole[: generator.randint(1, len(whole))])
            for _ in range(generator.randint(0, 8)):
                damaged[generator.randrange(len(damaged))] = generator.randrange(256)
            try:
                pixels = decode(bytes(damaged), height=8, width=8, channels=3)
                assert pixels.shape == (8, 8, 3)
            except SampleError:
                refused += 1
    assert refused > 100


def test_normalise_is_bitwise_what_the_dataset_does() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    mean, std = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    samples = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
    dataset = Images(samples, [0], names=["a"], mean=mean, std=std)
    batch = dataset.fetch(np.array([0]), 0, 0)
    ours, _ = dataset.finish(batch, np.array([0]), 0, 0)
    assert np.array_equal(normalise(pixels, mean, std), ours.numpy())
    assert torch.equal(dataset[0][0], ours[0])
