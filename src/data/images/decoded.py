"""The files of a folder of images, all decoded at once."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.bad_samples import failures
from data.pixels.decoding import Fit


def decoded(
    folder: Path,
    names: Sequence[str],
    shape: tuple[int, int, int],
    fit: Fit,
    but: Collection[int] = (),
) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Decode files to uint8 [N, C, H, W], `shape` being (C, H, W).

    Also returns why files can't be decoded, by their place in `names`; their pixels mean nothing,
    nor do those of the places in `but`, which aren't tried.
    """
    from data.images.files import Files

    channels, height, width = shape
    files = Files(folder, tuple(names), height, width, channels, fit)
    pixels = np.zeros((len(names), *shape), dtype=np.uint8)

    def store(place: int) -> None:
        pixels[place] = files.one(place).transpose(2, 0, 1)

    return pixels, failures(store, [place for place in range(len(names)) if place not in but])
