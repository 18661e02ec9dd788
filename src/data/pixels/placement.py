"""Where the pixels of an image come to lie when it is brought to a model's size.

The same arithmetic as `decoding.decode`, for what is drawn on an image: masks and boxes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Way = Literal["crop", "stretch", "pad"]
WAYS: tuple[Way, ...] = ("crop", "stretch", "pad")


@dataclass(frozen=True)
class Placement:
    """An image of `columns` x `rows` is scaled, and then shifted into a frame."""

    columns: int
    """Columns of the image as it is stored, upright."""
    rows: int
    """Its rows."""
    scaled: tuple[int, int]
    """Columns and rows after scaling."""
    left: int
    """How many scaled columns lie outside of the frame on the left; negative: it is padded."""
    top: int
    """Likewise for rows, on top."""
    width: int
    """Columns of the frame."""
    height: int
    """Its rows."""

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The frame in the scaled image: left, top, right, bottom, as Pillow's crop has it."""
        return self.left, self.top, self.left + self.width, self.top + self.height

    @property
    def scale(self) -> tuple[float, float]:
        """By how much columns and rows grow."""
        return self.scaled[0] / self.columns, self.scaled[1] / self.rows

    def to_frame(self, x: float, y: float) -> tuple[float, float]:
        """Return where a place in the image, in its pixels, is in the frame."""
        across, down = self.scale
        return x * across - self.left, y * down - self.top

    def to_image(self, x: float, y: float) -> tuple[float, float]:
        """Return where a place in the frame is in the image, in the image's own pixels."""
        across, down = self.scale
        return (x + self.left) / across, (y + self.top) / down


def placement(columns: int, rows: int, *, height: int, width: int, fit: Way) -> Placement:
    """Return where an image comes to lie.

    Args:
        columns: of the image, upright.
        rows: likewise.
        height: rows of the frame.
        width: columns of the frame.
        fit: "crop" scales until the image covers the frame and cuts its centre, "stretch" ignores
            the aspect ratio, "pad" scales until it fits.
    """
    if fit == "stretch":
        return Placement(columns, rows, (width, height), 0, 0, width, height)
    across, down = width / columns, height / rows
    scale = max(across, down) if fit == "crop" else min(across, down)
    scaled = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    left, top = (scaled[0] - width) // 2, (scaled[1] - height) // 2
    return Placement(columns, rows, scaled, left, top, width, height)


def frame_problems(size: object, channels: object, fit: object) -> list[str]:
    """Return what is wrong with data.size, data.channels and data.fit."""
    problems = []
    try:
        sides(size)
    except ValueError:
        problems.append(f"size ({size}) in data.size; give a number of pixels or [height, width]")
    if channels not in (1, 3):
        problems.append(f"channels ({channels}) in data.channels; give 1 for gray or 3 for RGB")
    if fit not in WAYS:
        problems.append(f"fit ({fit!r}) in data.fit; choose {', '.join(WAYS)}")
    return problems


def sides(size: object) -> tuple[int, int]:
    """Return rows and columns of one number, or of [rows, columns]; raises ValueError."""
    both = [size, size] if isinstance(size, int) else size
    if isinstance(both, Sequence) and not isinstance(both, str) and len(both) == 2:
        height, width = both
        if type(height) is type(width) is int and min(height, width) >= 1:
            return height, width
    raise ValueError(size)
