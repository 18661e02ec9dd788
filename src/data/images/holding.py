"""Decoded pictures that are held: in memory, on the disk, or not at all."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.bad_samples import failures
from data.images.options import Settings
from data.images.source import Source
from data.splits import Indices


class Pixels:
    """Decoded pictures at the size of the data, by their number in the source."""

    def __init__(self, held: Any, wanted: Indices, count: int) -> None:
        self._held = held
        self._rows = np.full(count, -1, dtype=np.int64)
        self._rows[wanted] = np.arange(len(wanted))

    def __call__(self, places: Indices) -> Any:
        """Return some of them, uint8 [N, C, H, W]."""
        rows = self._rows[places]
        if isinstance(self._held, np.ndarray):
            return self._held[rows]
        return self._held.read(rows)

    def part(self, places: Indices) -> Any:
        """Return them as `Images` takes them."""
        import torch

        if isinstance(self._held, np.ndarray):
            return torch.from_numpy(self._held[self._rows[places]])
        return self._held.subset(self._rows[places])


def held_pixels(
    source: Source, wanted: Indices, kind: str, bad: dict[int, str]
) -> tuple[Pixels | None, dict[int, str]]:
    """Return the pictures at the size of the data, and why some can't be decoded."""
    if kind == "none":
        return None, {}
    skipped = [row for row, place in enumerate(wanted.tolist()) if place in bad]
    if kind == "memory":
        pixels, found = decoded(source, wanted.tolist(), skipped)
        held: Any = pixels
    else:
        from data.images.cache import on_disk

        own = source.subset(wanted)
        options = (
            f"fitted {source.channels} {source.height} {source.width} {source.fit} {_pillow()}"
        )
        held, found = on_disk(own.one, own.marks(), options, source.channels, skipped)
    undecoded = {int(wanted[row]): why for row, why in found.items()}
    return Pixels(held, wanted, len(source)), undecoded


def held_originals(
    source: Source, train: Indices, settings: Settings, kind: str, bad: dict[int, str]
) -> tuple[Callable[[Indices], Any], dict[int, str]]:
    """Return what gives some of the whole training pictures, and why some can't be decoded."""
    from data.images.cache import in_memory, on_disk
    from data.images.files import Originals

    own, short = source.subset(train), settings.short(source)
    if kind == "none":
        return lambda kept: Originals(own.subset(kept), short), {}
    skipped = [row for row, place in enumerate(train.tolist()) if place in bad]

    def decode(place: int) -> NDArray[np.uint8]:
        pixels: NDArray[np.uint8] = own.original(place, short)
        return pixels

    if kind == "memory":
        held, found = in_memory(decode, len(train), source.channels, skipped)
    else:
        options = f"whole {source.channels} {short} {_pillow()}"
        held, found = on_disk(decode, own.marks(), options, source.channels, skipped)
    return held.subset, {int(train[row]): why for row, why in found.items()}


def decoded(
    source: Source, places: Sequence[int], but: Sequence[int] = ()
) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Decode pictures to uint8 [N, C, H, W], in threads; also why some can't be, by their number.

    Their pixels mean nothing, nor do those of the rows in `but`, which aren't tried.
    """
    shape = (source.channels, source.height, source.width)
    pixels = np.zeros((len(places), *shape), dtype=np.uint8)

    def store(row: int) -> None:
        pixels[row] = source.one(places[row]).transpose(2, 0, 1)

    skipped = set(but)
    found = failures(store, [row for row in range(len(places)) if row not in skipped])
    return pixels, found


def _pillow() -> str:
    import PIL

    return f"Pillow {PIL.__version__}"
