"""Boxes: how they overlap, which of a model's places hold one, and how they are drawn. NumPy only.

A box is x1, y1, x2, y2 in pixels: left, top, right and bottom side, as in float arrays [N, 4].
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.pixels.masks import palette
from data.pixels.placement import Placement

Floats = NDArray[np.float32]
MOST = 100
OVERLAP = 0.6
FARTHEST = 8.0  # the largest exponent of a distance


class Found(NamedTuple):
    """What was found in one image, the likeliest first."""

    labels: NDArray[np.int64]
    """Class numbers [N]."""
    scores: Floats
    """Probabilities [N]."""
    boxes: Floats
    """Boxes [N, 4] in pixels of the model's input."""


def overlaps(first: Floats, second: Floats) -> Floats:
    """Return intersection over union of boxes [N, 4] and [M, 4], float [N, M]."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = (high - low).clip(0).prod(axis=2)
    area = (first[:, 2:] - first[:, :2]).prod(axis=1)
    other = (second[:, 2:] - second[:, :2]).prod(axis=1)
    found: Floats = shared / np.maximum(area[:, None] + other - shared, 1e-9)
    return found


def decoded(output: Floats, *, height: int, width: int, least: float, most: int = MOST) -> Found:
    """Return what a dense detector has found in one image.

    A place holds the centre of an object where a class is likelier than at the eight places around
    it (Zhou et al. 2019); of several boxes of a class that overlap by more than 0.6 the likeliest
    stays.

    Args:
        output: [K + 4, h, w], as `models.detector.Detector` gives it.
        height: rows of the model's input.
        width: columns.
        least: the smallest probability that counts.
        most: at most so many boxes.
    """
    logits, distances = output[:-4].astype(np.float32), output[-4:].astype(np.float32)
    classes, rows, columns = logits.shape
    padded = np.pad(logits, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    around = np.max(
        [padded[:, y : y + rows, x : x + columns] for y in range(3) for x in range(3)], axis=0
    )
    peaks = np.where(logits == around, logits, -np.inf).ravel()
    order = np.argsort(-peaks, kind="stable")[:most]
    with np.errstate(over="ignore"):
        scores = (1 / (1 + np.exp(-peaks[order].astype(np.float64)))).astype(np.float32)
    likely = (scores >= least) & (scores > 0)
    order, scores = order[likely], scores[likely]
    labels, y, x = np.unravel_index(order, (classes, rows, columns))
    across, down = width / columns, height / rows
    left, top, right, bottom = np.exp(distances[:, y, x].clip(max=FARTHEST))
    x_centre, y_centre = (x + 0.5) * across, (y + 0.5) * down
    boxes = np.stack(
        [
            (x_centre - left * across).clip(0, width),
            (y_centre - top * down).clip(0, height),
            (x_centre + right * across).clip(0, width),
            (y_centre + bottom * down).clip(0, height),
        ],
        axis=1,
    ).astype(np.float32)
    kept = suppressed(boxes, labels)
    return Found(labels[kept].astype(np.int64), scores[kept], boxes[kept])


def suppressed(boxes: Floats, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which boxes stay: those that no likelier one of their class overlaps much.

    Boxes come in the order of their scores, the likeliest first.
    """
    close = (overlaps(boxes, boxes) > OVERLAP) & (labels[:, None] == labels)
    stays = np.ones(len(boxes), dtype=bool)
    for place in range(len(boxes)):
        if stays[place]:
            stays[place + 1 :] &= ~close[place, place + 1 :]
    return np.flatnonzero(stays)


def to_frame(boxes: Floats, where: Placement) -> Floats:
    """Return boxes [N, 4] of an image as they lie in a frame, cut at its sides."""
    across, down = where.scale
    moved = boxes * np.array([across, down, across, down]) - np.array(
        [where.left, where.top, where.left, where.top]
    )
    limits = np.array([where.width, where.height, where.width, where.height])
    found: Floats = moved.clip(0, limits).astype(np.float32)
    return found


def drawn(pixels: NDArray[np.uint8], boxes: Floats, labels: Sequence[int]) -> NDArray[np.uint8]:
    """Return an image [H, W, 1 or 3] with boxes on it, each in the colour of its class."""
    image = np.broadcast_to(pixels, (*pixels.shape[:2], 3)).copy()
    rows, columns = image.shape[:2]
    table = palette(256)
    for (x1, y1, x2, y2), label in zip(boxes.round().astype(int).tolist(), labels, strict=True):
        colour = table[1 + label % 255]  # the first one is for a background
        left, right = max(x1, 0), min(max(x2, x1 + 1), columns)
        top, bottom = max(y1, 0), min(max(y2, y1 + 1), rows)
        for y in (top, bottom - 1):
            image[min(max(y, 0), rows - 1), left:right] = colour
        for x in (left, right - 1):
            image[top:bottom, min(max(x, 0), columns - 1)] = colour
    return image
