"""What the axes of an array mean, and samples brought into the form that models take."""

import logging
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError

Layout = Literal["flat", "hw", "chw", "hwc", "sequence", "any"]
LAYOUTS: tuple[Layout, ...] = ("flat", "hw", "chw", "hwc", "sequence", "any")
PICTURES: tuple[Layout, ...] = ("hw", "chw", "hwc")
AXES = {"flat": 1, "hw": 2, "chw": 3, "hwc": 3, "sequence": 2}
CHANNELS = (1, 3, 4)
SMALLEST_PICTURE = 4
logger = logging.getLogger(__name__)


def layout_of(shape: Sequence[int], kind: str, wanted: str | None, name: str) -> Layout:
    """Return what the axes of one sample mean.

    Args:
        shape: of one sample.
        kind: the dtype's kind, "u" for unsigned integers.
        wanted: what the user has said; None to find out.
        name: what messages call the array.

    Raises:
        DataError: a layout that the shape doesn't fit.
    """
    if wanted is not None:
        if wanted not in LAYOUTS:
            raise DataError(f"layout ({wanted!r}) in data.layout; choose {', '.join(LAYOUTS)}")
        if wanted in AXES and AXES[wanted] != max(1, len(shape)):
            raise DataError(
                f"layout ({wanted!r}) in data.layout has {AXES[wanted]} axes, and a sample of "
                f"{name} has {len(shape)} ({list(shape)}); choose another"
            )
        return next(each for each in LAYOUTS if each == wanted)
    if len(shape) <= 1:
        return "flat"
    found: Layout = "any"
    if len(shape) == 2:
        square = shape[0] == shape[1] >= SMALLEST_PICTURE
        found = "hw" if kind == "u" or square else "sequence"
    elif len(shape) == 3:
        first, last = shape[0] in CHANNELS, shape[2] in CHANNELS
        found = "hwc" if last and (not first or kind == "u") else "chw"
    logger.warning("%s: samples of %s read as %s (data.layout)", name, list(shape), found)
    return found


def input_shape(shape: Sequence[int], layout: Layout) -> tuple[int, ...]:
    """Return the shape of one model input: pictures as (C, H, W)."""
    if layout == "hw":
        return (1, *shape)
    if layout == "hwc":
        return (shape[2], shape[0], shape[1])
    return tuple(shape) or (1,)


def stored(rows: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """Return samples as they are kept: pixels as uint8, everything else as float32."""
    if layout in PICTURES and rows.dtype == np.uint8:
        return rows
    with np.errstate(over="ignore"):  # what becomes infinite is told where it is checked
        return rows.astype(np.float32)


def statistics_shape(shape: Sequence[int], layout: Layout) -> tuple[int, ...]:
    """Return the shape of mean and std: one number per feature or channel, or one for all."""
    if layout in PICTURES:
        return (input_shape(shape, layout)[0], 1, 1)
    if layout == "any":
        return (1,)
    return (input_shape(shape, layout)[-1],)


def standardised(
    samples: Sequence[NDArray[Any]],
    layout: Layout,
    shape: Sequence[int],
    mean: Sequence[float],
    std: Sequence[float],
) -> NDArray[np.float32]:
    """Return model input of stored samples: bitwise what `Arrays.finish` gives on the CPU."""
    batch = np.stack(samples)
    pixels = batch.dtype == np.uint8
    if layout == "hwc":
        batch = batch.transpose(0, 3, 1, 2)
    batch = batch.reshape(len(samples), *input_shape(shape, layout))
    result: NDArray[np.float32] = np.array(batch, dtype=np.float32, order="C")
    if pixels:
        result /= np.float32(255)
    size = statistics_shape(shape, layout)
    result -= np.asarray(mean, dtype=np.float32).reshape(size)
    result /= np.asarray(std, dtype=np.float32).reshape(size)
    return result
