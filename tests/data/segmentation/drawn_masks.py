"""Small folders of images with masks: a bright square on a dark ground, class 1 in the mask."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SQUARE = (slice(8, 20), slice(12, 30))


def picture(rows: int = 32, columns: int = 48, seed: int = 0) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).integers(0, 60, (rows, columns, 3), dtype=np.uint8)
    noise[SQUARE] += 180
    return noise


def mask(rows: int = 32, columns: int = 48) -> NDArray[np.uint8]:
    values = np.zeros((rows, columns), dtype=np.uint8)
    values[SQUARE] = 1
    return values


def save(path: Path, values: NDArray[np.generic], mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(values)
    (image.convert(mode) if mode else image).save(path)


def folder(root: Path, count: int = 10, form: NDArray[np.uint8] | None = None) -> Path:
    """`count` pairs, images/00.png and masks/00.png; `form` gives the mask's pixels by class."""
    for number in range(count):
        save(root / f"images/{number:02}.png", picture(seed=number))
        values = mask()
        save(root / f"masks/{number:02}.png", values if form is None else form[values])
    return root
