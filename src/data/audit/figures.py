"""What the page of an audit shows beside its findings; plain values, drawn by `data.audit.page`."""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 30


@dataclass(frozen=True)
class Bars:
    """A bar for each thing that is counted, in stretches of one colour a series."""

    title: str
    rows: Sequence[tuple[str, Sequence[float]]]
    """What is counted, and a number for each series."""
    series: Sequence[str]
    note: str = ""
    is_wide: bool = True
    """Whether it takes the whole width of the page."""


@dataclass(frozen=True)
class Histogram:
    """How values are spread, a line of bars for each series, as shares of that series."""

    title: str
    edges: Sequence[float]
    """Ends of the bins, one more than there are bins."""
    counts: Sequence[tuple[str, Sequence[int]]]
    """Name of a series, and how many values lie in each bin."""
    note: str = ""
    is_date: bool = False
    """Whether values are seconds from 1970."""


@dataclass(frozen=True)
class Gallery:
    """Rows of pictures, such as pairs that look alike."""

    title: str
    rows: Sequence[Sequence[tuple[bytes, str]]]
    """PNG and caption of each picture."""
    note: str = ""


@dataclass(frozen=True)
class Listing:
    """Rows of text, such as pairs of texts that are equal."""

    title: str
    rows: Sequence[Sequence[tuple[str, str]]]
    """Name and text of each."""
    note: str = ""


Figure = Bars | Histogram | Gallery | Listing


def histogram(
    title: str,
    values: Sequence[tuple[str, NDArray[np.float64]]],
    note: str = "",
    *,
    is_date: bool = False,
) -> Histogram | None:
    """Return how the finite values of each series are spread over the middle 99 % of all.

    Integers with few values have a bin each. None where nothing is finite.
    """
    finite = [(name, own[np.isfinite(own)]) for name, own in values]
    joined = np.concatenate([own for _, own in finite]) if finite else np.empty(0)
    if not len(joined):
        return None
    low, high = (float(end) for end in np.quantile(joined, [0.005, 0.995]))
    whole = bool((joined == np.rint(joined)).all()) and high - low < BINS
    if whole:
        edges = np.arange(low, high + 2) - 0.5
    elif low == high:
        edges = np.array([low - 0.5, low + 0.5])
    else:
        edges = np.linspace(low, high, BINS + 1)
    counts = [(name, np.histogram(own, edges)[0].tolist()) for name, own in finite if len(own)]
    outside = int(((joined < edges[0]) | (joined > edges[-1])).sum())
    if outside:
        note = "; ".join(
            filter(
                None,
                [note, f"{outside:,} {'value lies' if outside == 1 else 'values lie'} outside"],
            )
        )
    return Histogram(title, edges.tolist(), counts, note, is_date)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Return a picture [H, W, 1 or 3] as a PNG file (ISO/IEC 15948), filter 0."""
    height, width, channels = pixels.shape
    rows = np.zeros((height, 1 + width * channels), dtype=np.uint8)
    rows[:, 1:] = pixels.reshape(height, -1)
    kind = 0 if channels == 1 else 2
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def small(pixels: NDArray[np.uint8], side: int = 160) -> NDArray[np.uint8]:
    """Return a picture with every k-th pixel only, so that no side is longer than `side`."""
    step = -(-max(pixels.shape[:2]) // side)
    kept = np.ascontiguousarray(pixels[::step, ::step])
    return kept if kept.shape[2] in (1, 3) else kept[..., :1]
