"""The image files of a data set of masks or boxes: decoded at once, or on demand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from data.bad_samples import BadFile, failures
from data.errors import DataError
from data.images.build import STATISTICS_SAMPLES, choice, statistics
from data.images.decoded import decoded
from data.left_out import SPLITS
from data.pixels.decoding import verify
from data.pixels.placement import Way
from data.splits import Indices

if TYPE_CHECKING:
    from torch import Tensor

    from data.images.files import Files

VERIFIED_FILES = 2000
CACHE_BYTES = 1 << 30


@dataclass
class PictureFiles:
    """Image files that become pixels of one size."""

    folder: Path
    """What names are relative to."""
    names: Sequence[str]
    """Path of each file."""
    shape: tuple[int, int, int]
    """Channels, rows and columns of the pixels."""
    fit: Way
    """How an image is brought to that size."""
    pixels: NDArray[np.uint8] | None = None
    """All of them, uint8 [N, C, H, W], once `load` has decoded them."""

    def fits(self, cache: bool | Literal["auto"], extra: int = 0) -> bool:
        """Whether all pixels are to be kept; `extra` are further bytes of each sample."""
        if cache != "auto":
            return bool(cache)
        return len(self.names) * (int(np.prod(self.shape)) + extra) <= CACHE_BYTES

    def load(self, bad: dict[int, str]) -> None:
        """Decode all but the bad ones, and add to `bad` why others can't be."""
        self.pixels, found = decoded(self.folder, self.names, self.shape, self.fit, but=bad)
        bad |= found

    def check(self, bad: dict[int, str]) -> None:
        """Look at the headers of the files, or of 2,000; add to `bad` what is wrong."""
        chosen = choice(len(self.names), VERIFIED_FILES).tolist()
        unseen = [place for place in chosen if place not in bad]
        bad |= failures(lambda place: verify(self.folder / self.names[place]), unseen)

    def statistics(
        self, train: Indices, bad: dict[int, str]
    ) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return mean and standard deviation over at most 2,000 training images.

        Adds to `bad` why files among them can't be decoded.
        """
        sound = np.array([row for row in train.tolist() if row not in bad], dtype=np.int64)
        drawn = sound[choice(len(sound), STATISTICS_SAMPLES)]
        if self.pixels is not None:
            return statistics(self.pixels[drawn])
        names = [self.names[row] for row in drawn.tolist()]
        pixels, found = decoded(self.folder, names, self.shape, self.fit)
        bad |= {int(drawn[place]): why for place, why in found.items()}
        return statistics(np.delete(pixels, list(found), axis=0))

    def part(self, rows: Indices) -> "Tensor | Files":
        """Return the samples of a split, as pixels or as files."""
        import torch

        from data.images.files import Files

        if self.pixels is not None:
            return torch.from_numpy(self.pixels[rows])
        channels, height, width = self.shape
        own = tuple(self.names[row] for row in rows.tolist())
        return Files(self.folder, own, height, width, channels, self.fit)

    def facts(self, num: Sequence[int], found: Any) -> dict[str, Any]:
        """Return what an info says of such images; `found` are mean and standard deviation."""
        from data.images.picture_reader import PictureReader

        channels, height, width = self.shape
        mean, std = found
        reader = PictureReader(
            height=height, width=width, channels=channels, fit=self.fit, mean=mean, std=std
        )
        return {
            "channels": channels,
            "height": height,
            "width": width,
            "input_shape": self.shape,
            "mean": mean,
            "std": std,
            "num_train": num[0],
            "num_validation": num[1],
            "num_test": num[2],
            "reader": reader.node,
        }


def size_of(path: Path) -> int:
    """Return the bytes of a file, -1 of a broken link that is left out."""
    try:
        return path.stat().st_size
    except OSError:
        return -1


def sound_parts(
    parts: tuple[Indices, Indices, Indices], bad: Mapping[int, str], names: Sequence[str]
) -> tuple[tuple[Indices, Indices, Indices], tuple[BadFile, ...]]:
    """Return the parts without what can't be read, and the latter by split.

    Raises DataError where nothing would be left of a split.
    """
    if not bad:
        return parts, ()
    left_out, problems = [], []
    for split, part in zip(SPLITS, parts, strict=True):
        gone = [row for row in part.tolist() if row in bad]
        left_out += [BadFile(split, None, names[row], bad[row]) for row in gone]
        if gone and len(gone) == len(part):
            problems.append(
                f"all {len(part)} samples of the {split} split can't be read, such as "
                f"{names[gone[0]]}; mend the data"
            )
    if problems:
        raise DataError(*problems)
    train, validation, test = (part[~np.isin(part, list(bad))] for part in parts)
    return (train, validation, test), tuple(left_out)
