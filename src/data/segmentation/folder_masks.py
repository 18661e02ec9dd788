"""The masks of a folder: what is in them, and what they are at a model's size."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.bad_samples import failures
from data.errors import SampleError
from data.images.pairing import Pairs
from data.pixels.masks import (
    IGNORED,
    Census,
    Encoding,
    counted,
    is_coloured,
    placed,
    read_codes,
    upright_size,
)
from data.pixels.placement import Way, placement
from data.segmentation.sizes import all_ignored, size_problem
from data.splits import Indices


@dataclass
class FolderMasks:
    """What is in them, and what they are at a model's size."""

    folder: Path
    pairs: Pairs
    height: int
    width: int
    fit: Way
    colours: bool = False
    found: dict[int, tuple[NDArray[np.int32], NDArray[np.int64]]] = field(default_factory=dict)
    codes: dict[int, NDArray[np.int32]] = field(default_factory=dict)
    classes: NDArray[np.uint8] | None = None

    @property
    def names(self) -> list[str]:
        """Path of each mask."""
        return [str(name) for name in self.pairs.partners]

    def scan(self, places: Sequence[int]) -> dict[int, str]:
        """Read masks; return why some can't be, by their place."""
        coloured: dict[int, bool] = {}

        def judge_mode(place: int) -> None:
            coloured[place] = is_coloured(self.folder / self.names[place])

        bad = failures(judge_mode, places)
        sound = [place for place in places if place not in bad]
        self.colours = any(coloured.values())
        bad |= failures(self._read, sound)
        if self.colours:
            self._without_colours()
        return bad

    def _read(self, place: int) -> None:
        path = self.folder / self.names[place]
        codes = read_codes(path, colours=self.colours)
        rows, columns = codes.shape
        wanted = upright_size(self.folder / self.pairs.names[place])
        if wanted != (columns, rows):
            raise SampleError(size_problem(path, (columns, rows), wanted))
        self.found[place] = counted(codes)
        where = placement(columns, rows, height=self.height, width=self.width, fit=self.fit)
        self.codes[place] = placed(codes, where)

    def _without_colours(self) -> None:
        """Gray masks that are stored as colours are of numbers all the same."""
        every = [found for found, _ in self.found.values()]
        if any(((c & 255) * 0x010101 != c).any() for c in every):
            return
        self.colours = False
        self.found = {place: (c & 255, counts) for place, (c, counts) in self.found.items()}
        self.codes = {p: np.where(c < 0, c, c & 255) for p, c in self.codes.items()}

    def census(self) -> Census:
        """Return which values there are, over all masks read."""
        census = Census()
        for place in sorted(self.found):
            census.add(self.names[place], *self.found[place])
        return census

    def encode(self, meaning: Encoding, bad: dict[int, str]) -> None:
        """Turn values into classes, uint8 [N, H, W]; a mask that is all ignored is bad."""
        shape = (len(self.pairs.names), self.height, self.width)
        self.classes = np.full(shape, IGNORED, dtype=np.uint8)
        for place, codes in self.codes.items():
            path = self.folder / self.names[place]
            self.classes[place] = meaning.classes(codes, str(path))
            if (self.classes[place] == IGNORED).all():
                bad.setdefault(place, all_ignored(path))
        self.codes.clear()

    def pixels_of(self, train: Indices, count: int, meaning: Encoding) -> tuple[int, ...]:
        """Return training pixels of each class; of files those that were looked at."""
        total = np.zeros(count, dtype=np.int64)
        for place in train.tolist():
            if self.classes is not None:
                numbers = self.classes[place]
            elif place in self.codes:
                numbers = meaning.classes(self.codes[place], self.names[place])
            else:
                continue
            total += np.bincount(numbers.ravel(), minlength=256)[:count]
        return tuple(total.tolist())
