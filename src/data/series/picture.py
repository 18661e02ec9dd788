"""A small drawing of a series, to be looked at."""

import numpy as np
from numpy.typing import NDArray

HEIGHT, WIDTH = 96, 192
WHITE, GRAY, BLUE, ORANGE = (255, 255, 255), (225, 225, 225), (31, 119, 180), (255, 127, 14)
COLOURS = (BLUE, (44, 160, 44), (148, 103, 189), (140, 86, 75))


def draw(past: NDArray[np.float32], future: NDArray[np.float32] | None = None) -> NDArray[np.uint8]:
    """Return a line for each channel, and in orange what follows: uint8 [96, 192, 3].

    Args:
        past: [T, channels]; each channel is scaled by itself; NaN (padding) is left out.
        future: [H, targets], drawn after the past of the first channels, on their scale.
    """
    picture = np.full((HEIGHT, WIDTH, 3), WHITE, dtype=np.uint8)
    length = len(past) + (0 if future is None else len(future))
    if future is not None:
        picture[:, _column(len(past) - 0.5, length)] = GRAY
    for channel in reversed(range(min(past.shape[1], len(COLOURS)))):
        line = past[:, channel]
        ahead = None
        if future is not None and channel < future.shape[1]:
            ahead = future[:, channel]
        whole = line if ahead is None else np.concatenate([line, ahead])
        low, high = float(np.nanmin(whole)), float(np.nanmax(whole))
        rows = (HEIGHT - 5) - (whole - low) / ((high - low) or 1.0) * (HEIGHT - 9)
        _line(picture, rows, length, COLOURS[channel], 0, len(line))
        if ahead is not None:
            _line(picture, rows, length, ORANGE, len(line) - 1, len(whole))
    return picture


def _line(
    picture: NDArray[np.uint8],
    rows: NDArray[np.floating],
    length: int,
    colour: tuple[int, int, int],
    start: int,
    end: int,
) -> None:
    """Draw values number `start` up to `end`, connected from column to column."""
    values = rows[start:end]
    values = values[~np.isnan(values)]
    if not len(values):
        return
    first, last = _column(start, length), _column(start + len(values) - 1, length)
    columns = np.arange(first, last + 1)
    places = np.linspace(0, len(values) - 1, len(columns))
    heights = np.rint(np.interp(places, np.arange(len(values)), values)).astype(int)
    before = np.concatenate([heights[:1], heights[:-1]])
    for column, here, there in zip(
        columns.tolist(), heights.tolist(), before.tolist(), strict=True
    ):
        picture[min(here, there) : max(here, there) + 1, column] = colour


def _column(place: float, length: int) -> int:
    return 2 + round(place / max(1, length - 1) * (WIDTH - 5))
