"""Augmentation of images together with what is drawn on them: masks and boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from data import keyed
from data.augmentation.batches import COLUMNS, RandomAffine

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

LEAST_VISIBLE = 0.25
LEAST_SIDE = 1.0
IGNORED = 255


class JointAffine(RandomAffine):
    """`data.augmentation.RandomAffine` that moves a mask, or boxes, along with their image.

    Same arguments, same parameters for (seed, epoch, sample). Images are resampled bilinearly,
    masks take the nearest pixel; what comes from outside of the image is ignored in a mask. A box
    becomes the smallest upright one around its moved corners, cut at the image's edges; it is
    dropped when less than a quarter of it is left, or less than a pixel of a side.
    """

    def with_masks(
        self,
        images: torch.Tensor,
        masks: torch.Tensor,
        indices: NDArray[np.int64],
        epoch: int,
        seed: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return augmented images and masks, on their device.

        A sample that would be left without a labelled pixel stays as it is.

        Args:
            images: float [B, C, H, W], values in 0..1.
            masks: uint8 [B, H, W], class numbers, 255 for ignored pixels.
            indices: numbers of the samples in their dataset, int64 [B].
            epoch: the augmentation is a function of it,
            seed: and of this.
        """
        import torch
        from torch.nn.functional import grid_sample

        grid = self._grid(images, self._table(images, indices, epoch, seed))
        # Shifted by one, so that the zeros from outside can be told from class 0.
        lifted = (masks.float() + 1)[:, None]
        sampled = grid_sample(lifted, grid, mode="nearest", align_corners=False)[:, 0]
        moved = torch.where(sampled == 0, float(IGNORED), sampled - 1).to(masks.dtype)
        labelled = (moved != IGNORED).flatten(1).any(1)[:, None, None]
        return (
            torch.where(labelled[:, None], self._sampled(images, grid), images),
            torch.where(labelled, moved, masks),
        )

    def with_boxes(
        self,
        images: torch.Tensor,
        boxes: torch.Tensor,
        indices: NDArray[np.int64],
        epoch: int,
        seed: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return augmented images and boxes, on their device.

        Args:
            images: float [B, C, H, W], values in 0..1.
            boxes: float [B, M, 5]: class (-1: no box), x1, y1, x2, y2 in pixels.
            indices: numbers of the samples in their dataset, int64 [B].
            epoch: the augmentation is a function of it,
            seed: and of this.
        """
        matrices = self._table(images, indices, epoch, seed)
        moved = moved_boxes(boxes, matrices, height=images.shape[2], width=images.shape[3])
        return self._sampled(images, self._grid(images, matrices)), moved

    def _table(
        self, images: torch.Tensor, indices: NDArray[np.int64], epoch: int, seed: int
    ) -> torch.Tensor:
        """Return the 2 x 3 map from output to input of each sample, float32 [B, 6, 1, 1]."""
        stream = keyed.key(seed, keyed.AUGMENTATION, epoch)
        table = keyed.uniform(stream, indices, COLUMNS)
        mirrored = (table[:, 5] < 0.5) if self.flip else np.zeros(len(table), dtype=bool)
        moves = (table[:, 6:8] * (2 * self.crop + 1)).astype(np.int64) - self.crop
        return self._matrices(images, table, mirrored, moves)

    def _grid(self, images: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
        """Return where each pixel comes from, as `grid_sample` wants it, [B, H, W, 2]."""
        import torch

        height, width = images.shape[2:]
        # Single products and sums: the same bits whatever else is in the batch.
        across = ((2 * torch.arange(width) + 1) / width - 1).to(images.device)[None, None, :]
        down = ((2 * torch.arange(height) + 1) / height - 1).to(images.device)[None, :, None]
        a, b, c, d, e, f = matrices.unbind(1)
        return torch.stack((a * across + (b * down + c), d * across + (e * down + f)), dim=-1)

    def _sampled(self, images: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
        from torch.nn.functional import grid_sample

        if isinstance(self.fill, str):
            return grid_sample(images, grid, padding_mode="border", align_corners=False)
        return grid_sample(images - self.fill, grid, align_corners=False) + self.fill


def moved_boxes(
    boxes: torch.Tensor, matrices: torch.Tensor, *, height: int, width: int
) -> torch.Tensor:
    """Return boxes [B, M, 5] where their pixels have gone.

    Args:
        boxes: class (-1: no box), x1, y1, x2, y2 in pixels.
        matrices: 2 x 3 maps from output to input in coordinates from -1 to 1, [B, 6, 1, 1].
        height: rows of the images.
        width: columns.
    """
    import torch

    a, b, c, d, e, f = matrices[:, :, :, 0].unbind(1)  # each [B, 1]
    kind, x1, y1, x2, y2 = boxes.unbind(-1)
    # The corners, in the coordinates of the map, through its inverse.
    u = torch.stack((x1, x2, x1, x2), -1) * (2 / width) - 1 - c[..., None]
    v = torch.stack((y1, y1, y2, y2), -1) * (2 / height) - 1 - f[..., None]
    share = 1 / (a * e - b * d)[..., None]
    x = ((e[..., None] * u - b[..., None] * v) * share + 1) * (width / 2)
    y = ((a[..., None] * v - d[..., None] * u) * share + 1) * (height / 2)
    left, right, top, bottom = x.amin(-1), x.amax(-1), y.amin(-1), y.amax(-1)
    whole = (right - left) * (bottom - top)
    left, right = left.clamp(0, width), right.clamp(0, width)
    top, bottom = top.clamp(0, height), bottom.clamp(0, height)
    across, down = right - left, bottom - top
    kept = (across * down >= LEAST_VISIBLE * whole) & (across >= LEAST_SIDE) & (down >= LEAST_SIDE)
    kept &= kind >= 0
    corners = (edge * kept for edge in (left, top, right, bottom))
    return torch.stack((torch.where(kept, kind, -1.0), *corners), -1)


def augment_problems(augment: Any, method: str) -> list[str]:
    """Return the line about an augmentation that would leave masks or boxes where they are."""
    if augment is None or hasattr(augment, method):
        return []
    what = method.removeprefix("with_")
    return [
        f"{type(augment).__name__} in data.augment moves images without their {what}; use "
        "data.augmentation.joint.JointAffine"
    ]
