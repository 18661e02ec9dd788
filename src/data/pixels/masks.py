"""Masks: images whose pixels are classes. NumPy and Pillow only.

A code is what a mask file holds at a pixel: a number, or a colour as red * 65536 + green * 256 +
blue. An `Encoding` says which class a code stands for.
"""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps

from data.errors import SampleError
from data.pixels.decoding import opened
from data.pixels.placement import Placement

IGNORED = 255
OUTSIDE = -1
MOST_CLASSES = 255
COLOURED = ("RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV")
HALF = 128
# Okabe and Ito's palette (2008), which people of all kinds of colour vision can tell apart.
FIRST_COLOURS = (
    (34, 38, 43),
    (230, 159, 0),
    (0, 114, 178),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (240, 228, 66),
    (213, 94, 0),
)


@dataclass(frozen=True)
class Encoding:
    """Which code of a mask stands for which class."""

    codes: tuple[int, ...]
    """The code of each class, in their order."""
    ignored: int | None = None
    """The code of pixels that count for nothing, or None."""
    colours: bool = False
    """Codes are colours."""
    threshold: bool = False
    """Values from 128 on are 255, all others 0: masks of two classes with soft edges."""

    def classes(self, codes: NDArray[np.int32], name: str) -> NDArray[np.uint8]:
        """Return the class of each pixel, 255 where it is ignored or outside of the image.

        Raises:
            SampleError: codes that no class has; says which, and of how many pixels.
        """
        if self.threshold:
            inside = np.where(codes >= HALF, 255, 0)
            codes = np.where(codes < 0, codes, inside).astype(np.int32)
        pairs = {code: number for number, code in enumerate(self.codes)}
        pairs[OUTSIDE] = IGNORED
        if self.ignored is not None:
            pairs[self.ignored] = IGNORED
        known = np.array(sorted(pairs), dtype=np.int32)
        numbers = np.array([pairs[code] for code in known.tolist()], dtype=np.uint8)
        places = np.searchsorted(known, codes).clip(0, len(known) - 1)
        strange = known[places] != codes
        if strange.any():
            raise SampleError(f"{name}: {told(codes[strange], self)}")
        found: NDArray[np.uint8] = numbers[places]
        return found


@dataclass
class Census:
    """Which codes there are in masks: how many pixels of each, in which file first."""

    pixels: dict[int, int] = field(default_factory=dict)
    """Pixels of each code, over all masks."""
    first: dict[int, str] = field(default_factory=dict)
    """A mask that holds the code."""
    files: dict[int, int] = field(default_factory=dict)
    """How many masks hold it."""

    def add(self, name: str, codes: NDArray[np.int32], counts: NDArray[np.int64]) -> None:
        """Count the codes of one mask."""
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
            self.pixels[code] = self.pixels.get(code, 0) + count
            self.files[code] = self.files.get(code, 0) + 1
            self.first.setdefault(code, name)


def told(strange: NDArray[np.int32], encoding: Encoding) -> str:
    """Return the line about codes that no class has."""
    codes, counts = np.unique(strange, return_counts=True)
    shown = ", ".join(
        f"{shown_code(code, encoding.colours)} ({count:,} pixels)"
        for code, count in list(zip(codes.tolist(), counts.tolist(), strict=True))[:5]
    )
    more = ", ..." if len(codes) > 5 else ""
    return (
        f"mask value {shown}{more} is no class; valid are {valid(encoding)}: mend the mask, "
        "or set data.ignore or data.classes"
    )


def valid(encoding: Encoding) -> str:
    """Return the codes that a mask may have, in words."""
    codes = list(encoding.codes)
    if codes == list(range(len(codes))):
        text = f"0..{len(codes) - 1}" if len(codes) > 1 else "0"
    else:
        shown = [shown_code(code, encoding.colours) for code in codes[:8]]
        text = ", ".join(shown) + (", ..." if len(codes) > 8 else "")
    if encoding.ignored is None:
        return text
    return f"{text} and {shown_code(encoding.ignored, encoding.colours)} (ignored)"


def shown_code(code: int, colours: bool) -> str:
    """Return a value as a number, or a colour as #rrggbb."""
    return f"#{code:06x}" if colours else str(code)


def packed(colour: Sequence[int]) -> int:
    """Return the code of a colour (red, green, blue)."""
    red, green, blue = colour
    return (red << 16) | (green << 8) | blue


def is_coloured(path: Path) -> bool:
    """Whether a file's pixels are colours, not numbers; raises SampleError."""
    with opened(path, str(path)) as image:
        return image.mode in COLOURED


def upright_size(source: str | Path | bytes) -> tuple[int, int]:
    """Return columns and rows of an image as it is to be seen; raises SampleError.

    Reads the header alone, of a file or of its content, and so says nothing about the pixels.
    """
    with opened(source, "image" if isinstance(source, bytes) else str(source)) as image:
        columns, rows = image.size
        # Pillow decodes a PNG to look for EXIF data that isn't in front of the pixels.
        if image.format != "PNG" or "exif" in image.info:
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            return (rows, columns) if turned else (columns, rows)
    return columns, rows


def read_codes(path: Path, *, colours: bool) -> NDArray[np.int32]:
    """Return the codes of a mask file, int32 [H, W].

    A palette's numbers are codes, unless `colours` asks for what they look like; transparency has
    no meaning. Raises SampleError for what can't be read.
    """
    try:
        with opened(path, str(path)) as image:
            image.load()
            upright = ImageOps.exif_transpose(image)
            if colours:
                return _packed(np.asarray(upright.convert("RGB")))
            values = np.asarray(upright)
    except SampleError:
        raise
    except Exception as error:
        # Pillow's decoders meet foreign bytes and raise whatever they run into.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SampleError(f"{path} can't be decoded ({reason}); remove or replace it") from error
    if values.ndim == 3:
        values = values[..., 0]  # gray with transparency
    if values.dtype.kind == "f":
        raise SampleError(f"{path} is a mask of floating-point numbers; save it as 8-bit PNG")
    return values.astype(np.int32)


def _packed(pixels: NDArray[np.uint8]) -> NDArray[np.int32]:
    wide = pixels.astype(np.int32)
    packed_pixels: NDArray[np.int32] = (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]
    return packed_pixels


def counted(codes: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the codes of a mask, sorted, and the pixels of each."""
    if codes.size and codes.min() >= 0 and codes.max() < 1 << 16:
        counts = np.bincount(codes.ravel())  # much faster than sorting all pixels
        present = np.flatnonzero(counts)
        return present.astype(np.int32), counts[present].astype(np.int64)
    found, numbers = np.unique(codes, return_counts=True)
    return found, numbers.astype(np.int64)


def placed(codes: NDArray[np.int32], where: Placement) -> NDArray[np.int32]:
    """Return codes [H, W] as they lie in a frame; the nearest pixel counts, -1 is outside.

    A pixel of the frame takes the code under its centre, so that a mask stays on its image, which
    `data.pixels.decoding.decode` scales with centres of pixels at halves.
    """
    rows = _nearest(where.height, where.top, where.scaled[1], where.rows)
    columns = _nearest(where.width, where.left, where.scaled[0], where.columns)
    result: NDArray[np.int32] = codes[rows.clip(0)[:, None], columns.clip(0)]
    result[rows < 0, :] = OUTSIDE
    result[:, columns < 0] = OUTSIDE
    return result


def _nearest(count: int, start: int, scaled: int, stored: int) -> NDArray[np.int64]:
    """Return which stored row (or column) each one of the frame shows; -1 for none."""
    places = np.arange(start, start + count)
    # Whole numbers only: a quotient of floats may fall on the wrong side of a half.
    found = (2 * places + 1) * stored // (2 * scaled)
    return np.where((places < 0) | (places >= scaled), -1, found.clip(0, stored - 1))


def palette(count: int) -> NDArray[np.uint8]:
    """Return a colour for each class, uint8 [count, 3]; the first, the background, is dark."""
    colours = np.zeros((count, 3), dtype=np.uint8)
    for number in range(count):
        if number < len(FIRST_COLOURS):
            colours[number] = FIRST_COLOURS[number]
        else:  # steps by the golden ratio keep neighbours apart
            hue = number * 0.618 % 1
            rgb = colorsys.hsv_to_rgb(hue, 0.55 + 0.15 * (number % 3), 0.85)
            colours[number] = [round(255 * part) for part in rgb]
    return colours


def overlay(pixels: NDArray[np.uint8], classes: NDArray[Any]) -> NDArray[np.uint8]:
    """Return an image [H, W, 1 or 3] with its mask [H, W] drawn over it, uint8 [H, W, 3].

    Class 0 stays as it is, which is the background as a rule; ignored pixels become white.
    """
    colours = np.concatenate([palette(IGNORED), [[255, 255, 255]]]).astype(np.float32)
    image = np.broadcast_to(pixels, (*pixels.shape[:2], 3)).astype(np.float32)
    mixed = 0.55 * image + 0.45 * colours[classes]
    return np.where((classes == 0)[..., None], image, mixed).round().astype(np.uint8)
