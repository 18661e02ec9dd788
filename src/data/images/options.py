"""What a user chooses about images, wherever they come from, and what is wrong with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from data.augmentation.batches import RandomResizedCrop
from data.bad_samples import OnError, option_problems
from data.errors import DataError
from data.images.build import choice
from data.images.source import Source
from data.pixels.decoding import FITS

CACHE_BYTES = 1 << 30
PROBED_FILES = 50
Cache = bool | Literal["auto", "memory", "disk"]
CACHES = ("auto", "memory", "disk", True, False)


@dataclass(frozen=True)
class Settings:
    """What a user chooses about images, wherever they come from."""

    augment: Any = None
    """For training samples only, see `data.images.dataset.Images`."""
    transform: Any = None
    """Likewise."""
    cache: Cache = "auto"
    """Where decoded pictures are kept."""
    source_size: int | None = None
    """Shorter side of the pictures that RandomResizedCrop cuts from; None: twice the data's."""
    on_error: OnError = "stop"
    """What to do about pictures that can't be read."""
    max_bad: int = 20
    """With "skip", so many may be left out."""

    def problems(self) -> list[str]:
        """Return all that is wrong with them."""
        found = option_problems(self.on_error, self.max_bad)
        if self.cache not in CACHES:
            found.append(
                f"cache ({self.cache!r}) in data.cache; choose auto, memory, disk or false"
            )
        if self.source_size is not None and (
            type(self.source_size) is not int or self.source_size < 1
        ):
            found.append(
                f"source_size ({self.source_size!r}) in data.source_size; give pixels, 1 or more"
            )
        return found

    def short(self, source: Source) -> int:
        """Return the shorter side of whole pictures."""
        return self.source_size or 2 * min(source.height, source.width)


def size_problems(size: Any, channels: Any, fit: Any) -> list[str]:
    """Return what is wrong with the form that pictures are to get."""
    problems = []
    sides = [size, size] if isinstance(size, int) else list(size)
    if len(sides) != 2 or any(not isinstance(side, int) or side < 1 for side in sides):
        problems.append(f"size ({size}) in data.size; give a number of pixels or [height, width]")
    if channels not in (1, 3):
        problems.append(f"channels ({channels}) in data.channels; give 1 for gray or 3 for RGB")
    if fit not in FITS:
        problems.append(f"fit ({fit!r}) in data.fit; choose {', '.join(FITS)}")
    return problems


def cache_kind(settings: Settings, source: Source, train: int) -> str:
    """Return "memory", "disk" or "none"; "auto" is memory up to 1 GiB.

    `train` is how many of the pictures are for training.
    """
    if settings.cache is True:
        return "memory"
    if settings.cache in ("memory", "disk"):
        return str(settings.cache)
    if settings.cache is False:
        return "none"
    one = source.channels * source.height * source.width
    num_bytes = len(source) * one
    if isinstance(settings.augment, RandomResizedCrop):
        probed = choice(len(source), PROBED_FILES).tolist()
        sizes = [source.num_bytes(place, settings.short(source)) for place in probed]
        num_bytes += train * int(np.mean(sizes)) - train * one
    return "memory" if num_bytes <= CACHE_BYTES else "none"


def checked(problems: Sequence[str]) -> None:
    """Raise DataError if there are any."""
    if problems:
        raise DataError(*problems)


def sides(size: int | Sequence[int]) -> tuple[int, int]:
    """Return (height, width)."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])
