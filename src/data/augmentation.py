"""Augmentation of whole batches, each sample by parameters of its own."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from data import keyed
from data.errors import DataError

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

LEVELS = 4096
COLUMNS = 8


class RandomAffine:
    """Rotates, scales, shears, shifts and flips images at random, a batch at a time.

    A sample's parameters are a function of (seed, epoch, sample) alone, drawn uniformly, so any
    batching gives the same pixels; on the CPU bitwise. Resampling is bilinear (`affine_grid` and
    `grid_sample` with align_corners=False); with only `flip` and `crop`, pixels are moved and
    never interpolated.

    Args:
        rotate: largest angle in degrees, either way.
        scale: largest change of size as a fraction: 0.1 zooms between 0.9 and 1.1.
        shift: largest shift in x and in y as a fraction of width and height.
        shear: largest horizontal shear in degrees, either way.
        flip: mirror half of the samples left to right.
        crop: largest shift in whole pixels in x and in y; what is usually written as padding by
            this much and then cropping at random.
        fill: what stands where the image has moved away: brightness from 0 (black) to 1, or
            "edge" to repeat the outermost pixels.

    Raises:
        DataError: a value is out of range.
    """

    def __init__(
        self,
        rotate: float = 0.0,
        scale: float = 0.0,
        shift: float = 0.0,
        shear: float = 0.0,
        flip: bool = False,
        crop: int = 0,
        fill: float | Literal["edge"] = 0.0,
    ) -> None:
        problems = [
            f"{name} ({value}) in data.augment.{name}; {expected}"
            for name, value, fits, expected in (
                ("rotate", rotate, 0 <= rotate <= 180, "give degrees from 0 to 180"),
                ("scale", scale, 0 <= scale < 1, "give a fraction from 0 up to below 1"),
                ("shift", shift, 0 <= shift <= 1, "give a fraction from 0 to 1"),
                ("shear", shear, 0 <= shear <= 60, "give degrees from 0 to 60"),
                ("crop", crop, crop >= 0 and crop == int(crop), "give whole pixels, 0 or more"),
                (
                    "fill",
                    fill,
                    fill == "edge" if isinstance(fill, str) else 0 <= fill <= 1,
                    'give a brightness from 0 to 1, or "edge"',
                ),
            )
            if not fits
        ]
        if problems:
            raise DataError(*problems)
        self.rotate, self.scale, self.shift, self.shear = rotate, scale, shift, shear
        self.flip, self.crop, self.fill = flip, int(crop), fill
        # sin and cos may round differently by their place in a vector, a table look-up can't.
        centred = (np.arange(LEVELS) + 0.5) * (2 / LEVELS) - 1
        self._cos = np.array([math.cos(math.radians(rotate * x)) for x in centred])
        self._sin = np.array([math.sin(math.radians(rotate * x)) for x in centred])
        self._tan = np.array([math.tan(math.radians(shear * x)) for x in centred])

    @property
    def is_exact(self) -> bool:
        """Whether pixels are only moved, never interpolated."""
        return not (self.rotate or self.scale or self.shift or self.shear)

    def __call__(
        self, images: torch.Tensor, indices: NDArray[np.int64], epoch: int, seed: int
    ) -> torch.Tensor:
        """Return augmented float images [B, C, H, W] (values in 0..1), on the device of `images`.

        `indices` are the samples' numbers in their dataset, int64 [B].
        """
        stream = keyed.key(seed, keyed.AUGMENTATION, epoch)
        table = keyed.uniform(stream, indices, COLUMNS)
        mirrored = (table[:, 5] < 0.5) if self.flip else np.zeros(len(table), dtype=bool)
        moves = (table[:, 6:8] * (2 * self.crop + 1)).astype(np.int64) - self.crop
        if self.is_exact:
            return self._moved(images, mirrored, moves)
        return self._resampled(images, self._matrices(images, table, mirrored, moves))

    def _moved(
        self, images: torch.Tensor, mirrored: NDArray[np.bool_], moves: NDArray[np.int64]
    ) -> torch.Tensor:
        """Mirror and shift by whole pixels with one gather."""
        import torch

        count, channels, height, width = images.shape
        if not self.crop:
            if not self.flip:
                return images
            mask = torch.from_numpy(mirrored).to(images.device)[:, None, None, None]
            return torch.where(mask, images.flip(-1), images)
        across, down = np.arange(width), np.arange(height)
        columns = np.where(mirrored[:, None], across[::-1], across) + moves[:, :1]
        rows = down + moves[:, 1:]
        flat = rows.clip(0, height - 1)[:, :, None] * width + columns.clip(0, width - 1)[:, None]
        places = torch.from_numpy(flat.reshape(count, 1, -1)).to(images.device)
        moved = images.flatten(2).gather(2, places.expand(-1, channels, -1)).view_as(images)
        if isinstance(self.fill, str):
            return moved
        outside = ((rows < 0) | (rows >= height))[:, :, None] | (
            (columns < 0) | (columns >= width)
        )[:, None]
        return moved.masked_fill_(torch.from_numpy(outside[:, None]).to(images.device), self.fill)

    def _matrices(
        self,
        images: torch.Tensor,
        table: NDArray[np.float64],
        mirrored: NDArray[np.bool_],
        moves: NDArray[np.int64],
    ) -> torch.Tensor:
        """Return float32 [B, 6, 1, 1], row by row the 2 x 3 map from output to input places."""
        import torch

        height, width = images.shape[2:]
        level = (table * LEVELS).astype(np.int64)
        cos, sin, tan = self._cos[level[:, 0]], self._sin[level[:, 0]], self._tan[level[:, 4]]
        zoom = 1 + self.scale * (2 * table[:, 1] - 1)
        mirror = np.where(mirrored, -1.0, 1.0)
        aspect = height / width
        rows = np.empty((len(table), 6))
        rows[:, 0] = zoom * cos * mirror
        rows[:, 1] = zoom * (cos * tan - sin) * aspect
        rows[:, 2] = 2 * self.shift * (2 * table[:, 2] - 1) + 2 * moves[:, 0] / width
        rows[:, 3] = zoom * sin * mirror / aspect
        rows[:, 4] = zoom * (sin * tan + cos)
        rows[:, 5] = 2 * self.shift * (2 * table[:, 3] - 1) + 2 * moves[:, 1] / height
        single = torch.from_numpy(rows.astype(np.float32))
        return single.to(images.device)[:, :, None, None]

    def _resampled(self, images: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
        """Sample each image where its matrix says."""
        import torch
        from torch.nn.functional import grid_sample

        height, width = images.shape[2:]
        # affine_grid multiplies matrices in batches, and the kernel chosen may depend on how many
        # there are; single products and sums are the same bits in any company.
        across = ((2 * torch.arange(width) + 1) / width - 1).to(images.device)[None, None, :]
        down = ((2 * torch.arange(height) + 1) / height - 1).to(images.device)[None, :, None]
        a, b, c, d, e, f = matrices.unbind(1)
        grid = torch.stack((a * across + (b * down + c), d * across + (e * down + f)), dim=-1)
        if isinstance(self.fill, str):
            return grid_sample(images, grid, padding_mode="border", align_corners=False)
        if self.fill == 0:
            return grid_sample(images, grid, align_corners=False)
        return grid_sample(images - self.fill, grid, align_corners=False) + self.fill
