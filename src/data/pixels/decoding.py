"""The one path from an image file to pixels: validation, test, predict and bundles all take it.

NumPy and Pillow only, so that it also runs where torch is not installed.
"""

import io
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, ImageOps

from data.errors import SampleError
from data.pixels.ink import LARGEST_SIDE, ink_fitted

Fit = Literal["crop", "stretch", "pad", "ink", "ink_centred"]
FITS: tuple[Fit, ...] = ("crop", "stretch", "pad", "ink", "ink_centred")
DRAWN: tuple[Fit, ...] = ("ink", "ink_centred")
MNIST_BOX = 20 / 28
MAX_PIXELS = 50_000_000
WHITE = (255, 255, 255, 255)
_changing_warnings = threading.Lock()


def decode(
    source: str | Path | bytes,
    *,
    height: int,
    width: int,
    channels: int,
    fit: Fit = "crop",
    name: str | None = None,
) -> NDArray[np.uint8]:
    """Turn an image file (or its bytes) into uint8 pixels [height, width, channels].

    The EXIF rotation is applied, transparency is composited on white, 16-bit gray is scaled to 8
    bits, CMYK, palette and bilevel images are converted; of an animation the first frame is taken.
    Resizing is bilinear with antialiasing.

    Args:
        source: path, or the file's content.
        height: rows of the result.
        width: columns of the result.
        channels: 1 for gray (ITU-R 601 luma), 3 for RGB.
        fit: "crop" scales until the image covers the result and cuts its centre, "stretch" ignores
            the aspect ratio, "pad" scales until it fits and fills up with black. For drawings:
            "ink" finds what is drawn and lets it fill the result, light on black, see `ink.py`;
            "ink_centred" likewise, in 20/28 of the result and with its centre of mass in the
            middle, as in MNIST. Whatever `fit` is, an image of just that size stays as it is, so
            that a data set's own pictures come out as they went in.
        name: what to call the source in an error; by default its path.

    Raises:
        SampleError: the file is missing, no image, truncated, of more than 50 million pixels, or
            of a kind that has no 8-bit reading (floating point), or, where a drawing is looked
            for, all of one colour.
    """
    name = name or ("image" if isinstance(source, bytes) else str(source))
    # An image of a few kilobytes can claim any size: the header is judged before it is decoded.
    with opened(source, name) as image:
        return fitted_pixels(
            image, height=height, width=width, channels=channels, fit=fit, name=name
        )


def fitted_pixels(
    image: Image.Image, *, height: int, width: int, channels: int, fit: Fit, name: str
) -> NDArray[np.uint8]:
    """Do what `decode` does with an image that is open already, and may be loaded."""
    # JPEG can decode at 1/2, 1/4 or 1/8; twice the size wanted is kept for quality.
    longest = max(2 * max(height, width), LARGEST_SIDE if fit in DRAWN else 0)
    plain = upright(image, channels=channels, drafted=longest, name=name)
    shown = _fitted(plain, height, width, fit, name)
    return np.asarray(shown, dtype=np.uint8).reshape(height, width, channels)


def upright(image: Image.Image, *, channels: int, drafted: int, name: str) -> Image.Image:
    """Decode an open image to "L" or "RGB" as it is to be seen, its EXIF rotation applied.

    JPEG is decoded at 1/2, 1/4 or 1/8 of its size while both sides keep `drafted` pixels.
    """
    try:
        image.draft(None, (drafted, drafted))
        image.load()
        return _converted(ImageOps.exif_transpose(image), channels, name)
    except SampleError:
        raise
    except Exception as error:
        # Pillow's decoders meet foreign bytes and raise whatever they run into.
        raise SampleError(_unreadable(name, error)) from error


def verify(path: str | Path, name: str | None = None) -> None:
    """Raise SampleError unless the file opens as an image of acceptable size; pixels stay unread.

    Cheap (header and, for PNG, checksums): truncated JPEG data passes and is met by `decode`.
    """
    name = name or str(path)
    with opened(path, name) as image:
        try:
            image.verify()
        except Exception as error:
            # As in decode: any exception may come out of a decoder fed with foreign bytes.
            raise SampleError(_unreadable(name, error)) from error


def normalise(
    pixels: NDArray[np.uint8], mean: Sequence[float], std: Sequence[float]
) -> NDArray[np.float32]:
    """Turn uint8 pixels [B, H, W, C] into model input [B, C, H, W], float32.

    x / 255, minus mean, by std, each rounded to float32, in this order: on the CPU bitwise what
    `Images.finish` computes with torch.
    """
    scaled = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).astype(np.float32)
    scaled /= np.float32(255)
    scaled -= np.asarray(mean, dtype=np.float32)[:, None, None]
    scaled /= np.asarray(std, dtype=np.float32)[:, None, None]
    return scaled


def opened(source: str | Path | bytes, name: str) -> Image.Image:
    """Open the header and check the size it claims."""
    content = io.BytesIO(source) if isinstance(source, bytes) else source
    if not isinstance(source, bytes) and Path(source).exists() and not Path(source).is_file():
        raise SampleError(_no_file(Path(source), name))
    try:
        # Pillow warns of large images; the limit below is stricter and an error.
        with _changing_warnings, warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(content)
    except (Image.DecompressionBombError, FileNotFoundError, PermissionError) as error:
        raise SampleError(_unreadable(name, error)) from error
    except Exception as error:
        # A damaged header makes Pillow's format plugins raise anything, not only OSError.
        if _is_empty(source):
            raise SampleError(f"{name} is an empty file (0 bytes); remove or replace it") from error
        raise SampleError(
            f"{name} is not an image that Pillow {PIL.__version__} can read; remove or replace it"
        ) from error
    columns, rows = image.size
    if columns * rows > MAX_PIXELS:
        image.close()
        raise SampleError(
            f"{name} has {columns * rows:,} pixels ({columns} x {rows}), more than the limit of "
            f"{MAX_PIXELS:,}; scale it down or remove it"
        )
    return image


def _no_file(path: Path, name: str) -> str:
    if not path.is_dir():  # reading a pipe would wait for ever
        return f"{name} is no file but a pipe or a device; save the image as a file"
    try:
        next(path.iterdir(), None)
    except OSError as error:
        return f"{name} is a folder that can't be listed ({error.strerror}); change its permissions"
    return f"{name} is a folder; give an image in it"


def _is_empty(source: str | Path | bytes) -> bool:
    return not source if isinstance(source, bytes) else Path(source).stat().st_size == 0


def _unreadable(name: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{name} is missing; restore it, or build the dataset again without it"
    if isinstance(error, PermissionError):
        return f"{name} may not be read (permission denied); change its permissions"
    reason = " ".join(str(error).split()) or type(error).__name__
    return f"{name} can't be decoded ({reason}); remove or replace it"


def _converted(image: Image.Image, channels: int, name: str) -> Image.Image:
    """Bring any mode to "L" or "RGB"."""
    if image.mode == "F":
        raise SampleError(
            f"{name} has floating-point pixels, whose range is unknown; save it as 8-bit PNG"
        )
    if image.mode.startswith("I"):
        # 16-bit gray: 65535 / 257 = 255.
        deep = np.asarray(image).astype(np.float64)
        image = Image.fromarray(np.rint(np.clip(deep, 0, 65535) / 257).astype(np.uint8))
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", clear.size, WHITE), clear)
    if image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    return image.convert("L" if channels == 1 else "RGB")


def _fitted(image: Image.Image, height: int, width: int, fit: Fit, name: str) -> Image.Image:
    """Bring an image to (height, width) the way `fit` says; the same size stays untouched."""
    size = (width, height)
    if image.size == size:
        return image
    if fit in DRAWN:
        return _drawing(image, height, width, fit, name)
    bilinear = Image.Resampling.BILINEAR
    if fit == "stretch":
        return image.resize(size, bilinear)
    columns, rows = image.size
    across, down = width / columns, height / rows
    scale = max(across, down) if fit == "crop" else min(across, down)
    scaled = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    left, top = (scaled[0] - width) // 2, (scaled[1] - height) // 2
    # Image.crop also widens: outside of the image it gives black.
    box = (left, top, left + width, top + height)
    resized = image if scaled == image.size else image.resize(scaled, bilinear)
    return cast(Any, resized).crop(box) if scaled != size else resized


def _drawing(image: Image.Image, height: int, width: int, fit: Fit, name: str) -> Image.Image:
    """Return what is drawn on an image in the form that the data set's own drawings have."""
    centred = fit == "ink_centred"
    box = MNIST_BOX if centred else 1.0
    drawn = ink_fitted(image.convert("L"), height, width, box=box, by_mass=centred)
    if drawn is None:
        raise SampleError(f"{name} shows no drawing: all of it has one colour; draw with more ink")
    return drawn.convert(image.mode)
