"""Whole pictures: the same pixels whoever decodes them, upright, and no larger than asked for."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch  # with it, torchvision's decoder is used
from PIL import Image

from data.errors import SampleError
from data.pixels import originals
from data.pixels.decoding import decode
from data.pixels.originals import original, plain_size

assert torch


def drawn(width: int = 45, height: int = 37) -> Image.Image:
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
    noisy = smooth + rng.normal(0, 12, smooth.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "baseline": ("RGB", "JPEG", {"quality": 90}),
    "coarse": ("RGB", "JPEG", {"quality": 20}),
    "444": ("RGB", "JPEG", {"quality": 90, "subsampling": 0}),
    "422": ("RGB", "JPEG", {"quality": 90, "subsampling": 1}),
    "progressive": ("RGB", "JPEG", {"quality": 90, "progressive": True}),
    "optimised": ("RGB", "JPEG", {"quality": 90, "optimize": True}),
    "restarts": ("RGB", "JPEG", {"restart_marker_blocks": 2}),
    "rgb": ("RGB", "JPEG", {"keep_rgb": True}),
    "comment": ("RGB", "JPEG", {"comment": b"a comment", "dpi": (72, 72)}),
    "gray": ("L", "JPEG", {"quality": 90}),
    "cmyk": ("CMYK", "JPEG", {"quality": 90}),
    "turned": ("RGB", "JPEG", {"exif": turned()}),
    "png": ("RGB", "PNG", {}),
    "palette": ("P", "PNG", {}),
    "webp": ("RGB", "WEBP", {"quality": 80}),
}
FAST = {"baseline", "coarse", "444", "422", "progressive", "optimised", "restarts", "comment"}


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_those_of_the_one_shared_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    mode, form, options = KINDS[kind]
    path = tmp_path / f"a picture.{form.lower()}"
    drawn().convert(mode).save(path, form, **options)
    ours = original(path, short=64, channels=3, name="x")
    height, width = ours.shape[:2]
    assert (height, width) == ((45, 37) if kind == "turned" else (37, 45))
    assert np.array_equal(ours, decode(path, height=height, width=width, channels=3))
    assert (plain_size(path.read_bytes()) is not None) == (kind in FAST)
    # Fast ones do go the fast way: without it, Pillow is asked.
    opened: list[Any] = []

    def watched(*given: Any) -> Image.Image:
        opened.append(given)
        return Image.open(given[0])

    monkeypatch.setattr(originals, "opened", watched)
    original(path, short=64, channels=3, name="x")
    assert bool(opened) == (kind not in FAST)


@pytest.mark.parametrize("cut", [0.3, 0.9, 0.999])
def test_damage_is_told_as_elsewhere(tmp_path: Path, cut: float) -> None:
    path = tmp_path / "cut.jpg"
    buffer = io.BytesIO()
    drawn().save(buffer, "JPEG")
    path.write_bytes(buffer.getvalue()[: int(len(buffer.getvalue()) * cut)])
    with pytest.raises(SampleError, match=r"here/cut\.jpg .*; remove or replace it"):
        original(path, short=64, channels=3, name="here/cut.jpg")


def test_gone(tmp_path: Path) -> None:
    with pytest.raises(SampleError, match="is missing"):
        original(tmp_path / "gone.jpg", short=64, channels=3, name="gone.jpg")


@pytest.mark.parametrize(("width", "height"), [(400, 300), (300, 400), (90, 2000), (65, 64)])
def test_the_shorter_side_is_limited(tmp_path: Path, width: int, height: int) -> None:
    path = tmp_path / "large.jpg"
    drawn(width, height).save(path)
    found = original(path, short=32, channels=1, name="x")
    assert min(found.shape[:2]) == 32 and found.shape[2] == 1
    assert abs(found.shape[1] / found.shape[0] / (width / height) - 1) < 0.03


def test_headers_of_any_bytes_are_harmless() -> None:
    buffer = io.BytesIO()
    drawn().save(buffer, "JPEG")
    whole = buffer.getvalue()
    assert plain_size(whole) == (37, 45)
    rng = np.random.default_rng(0)
    for length in range(0, 700, 7):
        assert plain_size(whole[:length]) in (None, (37, 45))
        damaged = bytearray(whole)
        damaged[int(rng.integers(0, 700))] = int(rng.integers(0, 256))
        plain_size(bytes(damaged))
    assert plain_size(b"\x89PNG") is None
