"""Images with their boxes, as a format's reader gives them."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1.0  # pixels that a side may lie outside of its image: rounding


@dataclass
class Boxed:
    """Images, their boxes, and everything that is wrong with them."""

    classes: list[str] = field(default_factory=list)
    """Class names."""
    names: list[str] = field(default_factory=list)
    """Path of each image below the data's folder."""
    groups: list[str] = field(default_factory=list)
    """The split of each: "train", "validation", "test", or "" where not split yet."""
    sizes: list[tuple[int, int]] = field(default_factory=list)
    """Columns and rows of each image, upright; (0, 0) where it can't be read."""
    labels: list[NDArray[np.int64]] = field(default_factory=list)
    """Class numbers of the boxes of each image."""
    boxes: list[NDArray[np.float32]] = field(default_factory=list)
    """Boxes of each image [N, 4], in its pixels."""
    problems: list[str] = field(default_factory=list)
    """What has to be mended whatever is skipped."""
    faults: list[str] = field(default_factory=list)
    """Single boxes that are wrong, a line each; they can be left out."""
    bad: dict[int, str] = field(default_factory=dict)
    """Images that can't be read, by their place."""
    about: str = ""
    """What format it is, for the user."""

    def add(self, name: str, group: str, size: tuple[int, int], found: "list[Box]") -> None:
        """Take an image down with its boxes."""
        self.names.append(name)
        self.groups.append(group)
        self.sizes.append(size)
        self.labels.append(np.array([box.label for box in found], dtype=np.int64))
        sides = [(box.x1, box.y1, box.x2, box.y2) for box in found]
        self.boxes.append(np.array(sides, dtype=np.float32).reshape(-1, 4))


@dataclass(frozen=True)
class Box:
    """One box of an image, in its pixels."""

    label: int
    x1: float
    y1: float
    x2: float
    y2: float


def box_fault(box: Box, size: tuple[int, int], where: str) -> str | None:
    """Return the line about a box that can't be right, None where it can.

    Args:
        box: in pixels of its image.
        size: columns and rows of the image; (0, 0) where they aren't known.
        where: what the box is called in the message.
    """
    sides = (box.x1, box.y1, box.x2, box.y2)
    shown = ", ".join(f"{side:g}" for side in sides)
    if not np.isfinite(sides).all():
        return f"{where}: box {shown} is not finite; mend or remove it"
    if box.x2 <= box.x1 or box.y2 <= box.y1:
        return f"{where}: box {shown} (x1, y1, x2, y2) has no area; mend or remove it"
    columns, rows = size
    if not columns:
        return None
    low, right, bottom = min(box.x1, box.y1), box.x2 - columns, box.y2 - rows
    if low < -TOLERANCE or max(right, bottom) > TOLERANCE:
        return (
            f"{where}: box {shown} (x1, y1, x2, y2) reaches out of its image, {columns} x {rows} "
            "pixels; mend or remove it"
        )
    return None
