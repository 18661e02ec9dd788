"""Augmentation of whole batches, each sample by parameters of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data import keyed
from data.errors import DataError

if TYPE_CHECKING:
    import torch

LEVELS = 4096
COLUMNS = 8
TRIES = 10
INTERPOLATIONS = ("bilinear", "nearest")


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


class Boxes(NamedTuple):
    """Where crops lie in their pictures, in pixels, int64 [B] each; and which are mirrored."""

    top: NDArray[np.int64]
    left: NDArray[np.int64]
    height: NDArray[np.int64]
    width: NDArray[np.int64]
    mirrored: NDArray[np.bool_]


class RandomResizedCrop:
    """Cuts a random part out of each picture, brings it to the size of the data, mirrors half.

    Taken from the whole picture (see `data.source_size`), not from what `data.fit` leaves of it.
    The part is drawn as in torchvision's RandomResizedCrop (Szegedy et al., "Going deeper with
    convolutions", 2015), as a function of (seed, epoch, sample) alone, so any batching, number of
    workers or device gives the same pixels, bit for bit.

    Args:
        scale: smallest and largest share of the picture's area.
        ratio: smallest and largest width by height of the part, drawn evenly by its logarithm.
        flip: mirror half of the samples left to right.
        interpolation: "bilinear" with antialiasing, or "nearest", which is faster and rougher.

    Raises:
        DataError: a value is out of range.
    """

    def __init__(
        self,
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        flip: bool = True,
        interpolation: Literal["bilinear", "nearest"] = "bilinear",
    ) -> None:
        problems = []
        if not _is_range(scale) or scale[1] > 1:
            problems.append(
                f"scale ({scale}) in data.augment.scale; give two shares of the area, the smaller "
                "first, such as [0.08,1]"
            )
        if not _is_range(ratio):
            problems.append(
                f"ratio ({ratio}) in data.augment.ratio; give two ratios of width to height, the "
                "smaller first, such as [0.75,1.33]"
            )
        if interpolation not in INTERPOLATIONS:
            problems.append(
                f"interpolation ({interpolation!r}) in data.augment.interpolation; choose "
                f"{' or '.join(INTERPOLATIONS)}"
            )
        if problems:
            raise DataError(*problems)
        self.scale, self.ratio = (scale[0], scale[1]), (ratio[0], ratio[1])
        self.flip, self.interpolation = flip, interpolation
        # Tables, since exp may round differently by its place in a vector.
        low, high = math.log(ratio[0]), math.log(ratio[1])
        steps = [low + (high - low) * (level + 0.5) / LEVELS for level in range(LEVELS)]
        self._ratios = np.array([math.exp(step) for step in steps])

    def boxes(
        self, sizes: NDArray[np.int64], indices: NDArray[np.int64], epoch: int, seed: int
    ) -> Boxes:
        """Return what is cut out of pictures of `sizes` [B, 2] (rows, columns).

        `indices` are the samples' numbers in their dataset, int64 [B].
        """
        table = keyed.uniform(keyed.key(seed, keyed.CROP, epoch), indices, 4 * TRIES + 1)
        rows, columns = sizes[:, :1], sizes[:, 1:]
        low, high = self.scale
        area = rows * columns * (low + (high - low) * table[:, :TRIES])
        ratios = self._ratios[(table[:, TRIES : 2 * TRIES] * LEVELS).astype(np.int64)]
        widths = np.rint(np.sqrt(area * ratios)).astype(np.int64)
        heights = np.rint(np.sqrt(area / ratios)).astype(np.int64)
        fits = (widths > 0) & (widths <= columns) & (heights > 0) & (heights <= rows)
        one = np.arange(len(sizes)), fits.argmax(axis=1)
        found = fits[one]
        whole_height, whole_width = self._largest(sizes)
        height = np.where(found, heights[one], whole_height)
        width = np.where(found, widths[one], whole_width)
        spare = sizes - np.stack([height, width], axis=1)
        top = (table[one[0], 2 * TRIES + one[1]] * (spare[:, 0] + 1)).astype(np.int64)
        left = (table[one[0], 3 * TRIES + one[1]] * (spare[:, 1] + 1)).astype(np.int64)
        centre = spare // 2
        mirrored = table[:, -1] < 0.5 if self.flip else np.zeros(len(sizes), dtype=bool)
        return Boxes(
            np.where(found, top, centre[:, 0]),
            np.where(found, left, centre[:, 1]),
            height,
            width,
            mirrored,
        )

    def one(
        self, pixels: NDArray[np.uint8], boxes: Boxes, place: int, height: int, width: int
    ) -> NDArray[np.uint8]:
        """Return crop number `place` of `boxes` out of a picture [H, W, C]: [height, width, C]."""
        top, left = int(boxes.top[place]), int(boxes.left[place])
        rows, columns = int(boxes.height[place]), int(boxes.width[place])
        if self.interpolation == "nearest":
            down = top + (2 * np.arange(height) + 1) * rows // (2 * height)
            across = left + (2 * np.arange(width) + 1) * columns // (2 * width)
            across = across[::-1] if boxes.mirrored[place] else across
            near: NDArray[np.uint8] = pixels[down].take(across, axis=1)
            return near
        part = pixels[top : top + rows, left : left + columns]
        channels = part.shape[2]
        image = Image.fromarray(part[..., 0] if channels == 1 else part)
        # Pillow 13 chooses which direction comes first, and rounds in between: here it is fixed.
        wide = image.resize((width, rows), Image.Resampling.BILINEAR)
        tall = wide.resize((width, height), Image.Resampling.BILINEAR)
        resized = np.asarray(tall).reshape(height, width, channels)
        return resized[:, ::-1] if boxes.mirrored[place] else resized

    def batch(self, pictures: torch.Tensor, boxes: Boxes, height: int, width: int) -> torch.Tensor:
        """Return the crops of pictures [B, H, W, C] on their device: uint8 [B, C, height, width].

        The same pixels as those of `one`.
        """
        from data.augmentation import resampling

        lines = ((boxes.top, boxes.height, height), (boxes.left, boxes.width, width))
        if self.interpolation == "nearest":
            down, across = (resampling.nearest_places(*line) for line in lines)
            across[boxes.mirrored] = across[boxes.mirrored, ::-1]
            crops = resampling.nearest_crops(pictures, down, across)
        else:
            rows, columns = (resampling.bilinear_taps(*line) for line in lines)
            for part in columns:
                part[boxes.mirrored] = part[boxes.mirrored, ::-1]
            crops = resampling.bilinear_crops(pictures, rows, columns)
        return crops.permute(0, 3, 1, 2).contiguous()

    def _largest(self, sizes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return height and width of the largest centre part whose ratio is in the range."""
        rows, columns = sizes[:, 0], sizes[:, 1]
        low, high = self.ratio
        width = np.minimum(columns, np.rint(rows * high).astype(np.int64))
        height = np.minimum(rows, np.rint(columns / low).astype(np.int64))
        return np.maximum(height, 1), np.maximum(width, 1)


def _is_range(pair: Sequence[float]) -> bool:
    return len(pair) == 2 and 0 < pair[0] <= pair[1] < math.inf


NAMED = {
    "crop": {"interpolation": "bilinear"},
    "crop_nearest": {"interpolation": "nearest"},
}


def named(augment: Any) -> Any:
    """Return an augmentation as it is, or what a name stands for: "crop" or "crop_nearest".

    Both are `RandomResizedCrop` with torchvision's defaults. Raises DataError for another name.
    """
    if not isinstance(augment, str):
        return augment
    if augment not in NAMED:
        raise DataError(
            f"augment ({augment!r}) in data.augment; choose {', '.join(NAMED)}, null, or a node "
            "with _target_"
        )
    return RandomResizedCrop(**NAMED[augment])  # type: ignore[arg-type]
