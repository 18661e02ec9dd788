"""Whole pictures, as random crops are taken from them: no larger than they have to be.

Pillow decodes; a plain JPEG is decoded by torchvision's operator where torch runs anyway, to the
same pixels (both are libjpeg-turbo; a test holds them equal), in two thirds of the time.
"""

import importlib.util
import struct
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data.pixels.decoding import MAX_PIXELS, opened, upright

START_OF_IMAGE = b"\xff\xd8"
BASELINE_TO_PROGRESSIVE = (0xC0, 0xC1, 0xC2)
START_OF_SCAN, EXIF, ADOBE = 0xDA, 0xE1, 0xEE
RGB_MODE = 3  # torchvision.io.ImageReadMode.RGB


def original(path: str | Path, *, short: int, channels: int, name: str) -> NDArray[np.uint8]:
    """Decode a file to uint8 [H, W, channels] as it was taken, upright and with its own aspect.

    The same conversions as in `decoding.decode`. Scaled down (bilinear, antialiased) to `short`
    pixels on its shorter side where it has more, never up.

    Raises:
        SampleError: as `data.pixels.decoding.decode`.
    """
    if channels == 3 and (found := _plain_jpeg(path, short)) is not None:
        return found
    with opened(path, name) as image:
        return original_pixels(image, short=short, channels=channels, name=name)


def original_pixels(
    image: Image.Image, *, short: int, channels: int, name: str
) -> NDArray[np.uint8]:
    """Do what `original` does with an image that is open already."""
    shown = upright(image, channels=channels, drafted=2 * short, name=name)
    columns, rows = shown.size
    if (shorter := min(columns, rows)) > short:
        scaled = (
            max(short, round(columns * short / shorter)),
            max(short, round(rows * short / shorter)),
        )
        shown = shown.resize(scaled, Image.Resampling.BILINEAR)
    pixels = np.asarray(shown, dtype=np.uint8)
    return pixels.reshape(*pixels.shape[:2], channels)


def _plain_jpeg(path: str | Path, short: int) -> NDArray[np.uint8] | None:
    """Decode a JPEG that nothing has to be done to afterwards; None for all others."""
    if (decode := _operator()) is None:
        return None
    try:
        content = Path(path).read_bytes()
    except OSError:
        return None  # told on the other way
    size = plain_size(content)
    # Smaller ones are not scaled, larger ones come faster from Pillow, at a fraction of their size.
    if size is None or min(size) > short or size[0] * size[1] > MAX_PIXELS:
        return None
    try:
        return decode(content)
    except RuntimeError:
        return None  # damaged: Pillow tells how


def plain_size(content: bytes) -> tuple[int, int] | None:
    """Return rows and columns of a JPEG of three components of 8 bits without an EXIF rotation.

    None for every other content: by its markers, ITU-T T.81, annex B.
    """
    if not content.startswith(START_OF_IMAGE):
        return None
    place = 2
    size = None
    while place + 4 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        (length,) = struct.unpack_from(">H", content, place + 2)
        if marker == START_OF_SCAN:
            return size
        if marker in (EXIF, ADOBE):
            return None  # rotated perhaps; other colours than YCbCr perhaps
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if marker not in BASELINE_TO_PROGRESSIVE or place + 10 > len(content):
                return None
            bits, rows, columns, components = struct.unpack_from(">BHHB", content, place + 4)
            if bits != 8 or components != 3 or not rows or not columns:
                return None
            size = rows, columns
        place += 2 + length
    return None


@cache
def _operator() -> Callable[[bytes], NDArray[np.uint8]] | None:
    """Return torchvision's decoder where torch is imported already; it isn't for this alone.

    Only its library is loaded: importing torchvision takes longer than most epochs save.
    """
    torch: Any = sys.modules.get("torch")
    spec = importlib.util.find_spec("torchvision") if torch is not None else None
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    libraries = [p for p in sorted(folder.glob("image*")) if p.suffix in (".so", ".pyd", ".dylib")]
    try:
        for library in libraries:
            torch.ops.load_library(str(library))
        run = torch.ops.image.decode_jpeg
    except (OSError, AttributeError, RuntimeError):
        return None  # built without JPEG

    def decode(content: bytes) -> NDArray[np.uint8]:
        encoded = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        pixels: NDArray[np.uint8] = run(encoded, RGB_MODE, False).permute(1, 2, 0).numpy()
        return np.ascontiguousarray(pixels)

    return decode
