"""What is kept of pictures, each of which is read once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.audit import perceptual
from data.audit.parts import Part, digests

BLANK = 2.0  # standard deviation of the gray values, of 255
TOGETHER, VALUES = 512, 16_000_000  # pictures that are measured at once


@dataclass
class Looked:
    """What is kept of the pictures of a part."""

    digests: NDArray[np.uint64]
    deviation: NDArray[np.float32]
    """Standard deviation of the gray values of each picture [N]; NaN where unreadable."""
    hashes: NDArray[np.uint64]
    thumbs: NDArray[np.float32]
    bad: dict[int, str]
    side: int
    """The shortest side of all pictures."""

    @property
    def plain(self) -> NDArray[np.bool_]:
        """Which pictures can be compared: readable, and not blank."""
        return np.asarray(self.deviation >= BLANK)

    @property
    def blank(self) -> NDArray[np.bool_]:
        """Which pictures are of nearly one colour."""
        return np.asarray(self.deviation < BLANK)


def look(part: Part) -> Looked:
    """Read every picture of a part once."""
    count = len(part)
    found = Looked(
        np.zeros(count, dtype=np.uint64),
        np.full(count, np.nan, dtype=np.float32),
        np.zeros(count, dtype=np.uint64),
        np.zeros((count, perceptual.THUMB**2), dtype=np.float32),
        {},
        1 << 30,
    )
    waiting: dict[tuple[int, ...], list[tuple[int, NDArray[np.uint8]]]] = {}
    places = {row: place for place, row in enumerate(part.rows.tolist())}

    def take(row: int) -> None:
        picture = picture_of(part, row)
        group = waiting.setdefault(picture.shape, [])
        group.append((places[row], picture))
        if len(group) >= TOGETHER or len(group) * picture.size >= VALUES:
            measure(waiting.pop(picture.shape), found)

    _, found.bad = part.each(take)
    for group in waiting.values():
        measure(group, found)
    return found


def picture_of(part: Part, row: int) -> NDArray[np.uint8]:
    """Return the image as the model gets it, uint8 [H, W, C]: without a mask drawn over it."""
    if hasattr(part.dataset, "raw"):
        raw = np.asarray(part.dataset.raw(row))
        if raw.dtype == np.uint8 and raw.ndim == 3 and raw.shape[2] in (1, 3):
            return np.ascontiguousarray(raw)
    return np.ascontiguousarray(part.dataset.picture(row), dtype=np.uint8)


def measure(group: list[tuple[int, NDArray[np.uint8]]], found: Looked) -> None:
    """Take down what is kept of some pictures of one shape."""
    at = [place for place, _ in group]
    pictures = np.stack([picture for _, picture in group])
    shades = perceptual.gray(pictures)
    found.digests[at] = digests(bytes(str(p.shape), "ascii") + p.tobytes() for p in pictures)
    found.deviation[at] = shades.std(axis=(1, 2))
    found.thumbs[at] = perceptual.thumbs(shades)
    found.hashes[at] = perceptual.hashes(found.thumbs[at])
    found.side = min(found.side, *pictures.shape[1:3])
