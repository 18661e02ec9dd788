"""A batch as one picture: what the model sees, after all transforms."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

COLUMNS = 8
GAP = 4
CAPTION = 14
SMALLEST, LARGEST = 64, 256  # pixels of a tile's longer side


def sample_grid(
    images: Tensor | np.ndarray,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    labels: Sequence[str] | None = None,
    count: int = 32,
) -> np.ndarray:
    """The first `count` images of a batch side by side, uint8 [H, W, 3], each over its label.

    images: [B, C, H, W] on any device; uint8, or float that was normalised with `mean` and `std`
        (per channel, of pixels/255; None: values are pixels/255 already). One channel is shown
        grey, of two the first, of four and more the first three.
    labels: a text for each image, cut to the tile's width; None: no captions.
    Tiny images are enlarged by a whole factor without smoothing, so that a pixel stays a pixel.
    Errors: ValueError where `images` is no batch of images or there are fewer labels than images.
    """
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    if images.ndim != 4 or 0 in images.shape:
        raise ValueError(f"images {list(images.shape)} for a sample grid; give [B, C, H, W], B > 0")
    if labels is not None and len(labels) < min(count, len(images)):
        raise ValueError(f"{len(labels)} labels for {len(images)} images; give one for each")
    pixels = _pixels(images[:count], mean, std)
    tiles = [_resized(Image.fromarray(tile)) for tile in pixels]
    width, height = tiles[0].size
    caption = CAPTION if labels is not None else 0
    columns = min(COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    size = (columns * (width + GAP) + GAP, rows * (height + caption + GAP) + GAP)
    grid = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(grid)
    font = ImageFont.load_default(size=11)
    for number, tile in enumerate(tiles):
        x = GAP + number % columns * (width + GAP)
        y = GAP + number // columns * (height + caption + GAP)
        grid.paste(tile, (x, y))
        if labels is not None:
            text = str(labels[number])
            while text and draw.textlength(text, font=font) > width:
                text = text[:-1]
            draw.text((x, y + height), text, fill="black", font=font)
    return np.asarray(grid)


def png(pixels: np.ndarray) -> bytes:
    """The bytes of a PNG file of a picture, uint8 [H, W, 3]; ValueError for anything else."""
    from PIL import Image

    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype.name != "uint8":
        found = f"{pixels.dtype} {list(pixels.shape)}"
        raise ValueError(f"a picture ({found}) has to be uint8 [height, width, 3]")
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _pixels(images: Any, mean: Sequence[float] | None, std: Sequence[float] | None) -> np.ndarray:
    """De-normalised, uint8 [B, H, W, 3]."""
    import numpy as np

    if not isinstance(images, np.ndarray):
        tensor = images.detach().cpu()
        images = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    if images.dtype != np.uint8:
        values = images.astype(np.float32)
        if std is not None:
            values = values * np.asarray(std, np.float32).reshape(-1, 1, 1)
        if mean is not None:
            values = values + np.asarray(mean, np.float32).reshape(-1, 1, 1)
        # NaN has no colour; black is what a viewer would make of it.
        values = np.nan_to_num(values, nan=0.0).clip(0, 1)
        images = (values * 255).round().astype(np.uint8)
    channels = images.shape[1]
    images = images[:, :3] if channels >= 3 else images[:, :1].repeat(3, axis=1)
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1))


def _resized(tile: Any) -> Any:
    from PIL import Image

    longer = max(tile.size)
    if longer < SMALLEST:
        factor = -(-SMALLEST // longer)
        return tile.resize((tile.width * factor, tile.height * factor), Image.Resampling.NEAREST)
    if longer > LARGEST:
        scale = LARGEST / longer
        size = (max(1, round(tile.width * scale)), max(1, round(tile.height * scale)))
        return tile.resize(size, Image.Resampling.BOX)
    return tile
