"""Losses for segmentation and detection, each (sum, weight), so that parts of a batch add up."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class DiceLoss(nn.Module):
    """One minus the Dice overlap of each image, plus cross entropy over its pixels.

    Both are taken for each image alone: (sum over the images, number of images), where images
    without a labelled pixel count for nothing. The overlap is the mean over the classes that the
    image has, so that small ones count as much as the background. Outputs: logits [B, C, H, W];
    target: int64 [B, H, W]. Source: Milletari et al. 2016, arXiv 1606.04797.

    Args:
        cross_entropy: weight of the cross entropy beside the overlap; 0 leaves it out.
        smooth: added to both sides of the fraction, in pixels.
        ignore_index: target of pixels that are left out.
    """

    def __init__(
        self, cross_entropy: float = 1.0, smooth: float = 1.0, ignore_index: int = -100
    ) -> None:
        super().__init__()
        if cross_entropy < 0 or smooth < 0:
            raise ValueError(
                f"cross_entropy is {cross_entropy} and smooth {smooth}; give 0 or more"
            )
        self.cross_entropy, self.smooth, self.ignore_index = cross_entropy, smooth, ignore_index

    def forward(self, outputs: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Sum of the images' losses, and the number of those with a labelled pixel."""
        with torch.autocast(outputs.device.type, enabled=False):
            logits = outputs.float()
            labelled = target != self.ignore_index
            counted = labelled[:, None].to(logits.dtype)
            probabilities = logits.softmax(1) * counted
            # Not one_hot: it reads the largest class back from the device.
            truth = torch.zeros_like(probabilities).scatter_(
                1, target.where(labelled, target.new_zeros(())).clamp(min=0)[:, None], 1.0
            )
            truth = truth * counted
            shared = (probabilities * truth).flatten(2).sum(2)
            pixels = truth.flatten(2).sum(2)
            whole = probabilities.flatten(2).sum(2) + pixels
            overlap = (2 * shared + self.smooth) / (whole + self.smooth).clamp(min=1e-6)
            present = (pixels > 0).to(overlap.dtype)
            losses = ((1 - overlap) * present).sum(1) / present.sum(1).clamp(min=1)
            if self.cross_entropy:
                entropy = functional.cross_entropy(
                    logits, target, ignore_index=self.ignore_index, reduction="none"
                )
                number = labelled.flatten(1).sum(1).clamp(min=1)
                losses = losses + self.cross_entropy * entropy.flatten(1).sum(1) / number
            weight = labelled.flatten(1).any(1).to(losses.dtype).sum()
        return losses.sum(), weight


class DetectionLoss(nn.Module):
    """Where centres of objects are, and how far their boxes reach: (sum over images, their number).

    Outputs [B, K + 4, h, w] as `models.detector.Detector` has them; target: float [B, M, 5] of
    class (-1: no box), x1, y1, x2, y2 in pixels of the input. Each box is a Gaussian peak in the
    map of its class, scored by the focal loss of Zhou et al. 2019 (arXiv 1904.07850); the places
    around its centre learn its box by generalised IoU (Rezatofighi et al. 2019, arXiv 1902.09630),
    the smallest box where several overlap. Each image is divided by its own number of boxes.

    Args:
        height: rows of the input, in pixels.
        width: columns of the input, in pixels.
        box: weight of the boxes beside the centres.
        spread: width of a peak as a share of its box; larger is more forgiving.
    """

    def __init__(self, height: int, width: int, box: float = 2.0, spread: float = 0.54) -> None:
        super().__init__()
        if min(height, width) < 1 or box < 0 or spread <= 0:
            raise ValueError(
                f"height {height}, width {width}, box {box}, spread {spread}; give sizes of 1 or "
                "more, box of 0 or more, and a spread above 0"
            )
        self.height, self.width, self.box, self.spread = height, width, box, spread

    def forward(self, outputs: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Sum of the images' losses, and their number."""
        with torch.autocast(outputs.device.type, enabled=False):
            outputs, target = outputs.float(), target.float()
            logits, distances = outputs[:, :-4], outputs[:, -4:]
            peaks, assigned, boxes = self._dense(target, logits)
            number = (target[..., 0] >= 0).sum(1).clamp(min=1)
            losses = _focal(logits, peaks).flatten(1).sum(1) / number
            overlap = _giou(self._boxes(distances), boxes)
            places = assigned.flatten(1).sum(1).clamp(min=1)
            wrong = ((1 - overlap) * assigned).flatten(1).sum(1) / places
            losses = losses + self.box * wrong
        return losses.sum(), torch.full((), float(len(outputs)), device=losses.device)

    def _steps(self, rows: int, columns: int) -> tuple[float, float]:
        """Pixels of a step of the grid, across and down."""
        return self.width / columns, self.height / rows

    def _dense(self, target: Tensor, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Peaks [B, K, h, w], which places learn a box [B, h, w], and its corners [B, 4, h, w]."""
        batch, classes, rows, columns = logits.shape
        across, down = self._steps(rows, columns)
        x = torch.arange(columns, device=logits.device)
        y = torch.arange(rows, device=logits.device)[:, None]
        peaks = logits.new_zeros((batch, classes, rows, columns))
        smallest = logits.new_full((batch, rows, columns), float("inf"))
        corners = logits.new_zeros((batch, 4, rows, columns))
        samples = torch.arange(batch, device=logits.device)
        # One box of each image at a time: what is held stays small, and nothing is read back.
        for box in target.unbind(1):
            kind = box[:, 0].long()
            real = (kind >= 0)[:, None, None]
            x1, y1, x2, y2 = (edge[:, None, None] for edge in box[:, 1:].unbind(1))
            column = ((x1 + x2) / (2 * across)).floor().clamp(0, columns - 1)
            row = ((y1 + y2) / (2 * down)).floor().clamp(0, rows - 1)
            wide = (self.spread * (x2 - x1) / (6 * across)).clamp(min=0.3)
            high = (self.spread * (y2 - y1) / (6 * down)).clamp(min=0.3)
            peak = torch.exp(-((x - column) ** 2) / (2 * wide**2) - (y - row) ** 2 / (2 * high**2))
            here = (samples, kind.clamp(0, classes - 1))
            peaks[here] = torch.maximum(peaks[here], peak * real)
            inside = ((x + 0.5) * across > x1) & ((x + 0.5) * across < x2)
            inside = inside & ((y + 0.5) * down > y1) & ((y + 0.5) * down < y2)
            near = ((x - column).abs() <= 1) & ((y - row).abs() <= 1) & inside
            near = near | ((x == column) & (y == row))
            area = (x2 - x1) * (y2 - y1)
            better = near & real & (area < smallest)
            smallest = torch.where(better, area, smallest)
            corners = torch.where(better[:, None], box[:, 1:, None, None], corners)
        return peaks, smallest.isfinite(), corners

    def _boxes(self, distances: Tensor) -> Tensor:
        """Corners in pixels [B, 4, h, w] of what the model gives."""
        rows, columns = distances.shape[2:]
        across, down = self._steps(rows, columns)
        x = ((torch.arange(columns, device=distances.device) + 0.5) * across)[None, None, :]
        y = ((torch.arange(rows, device=distances.device) + 0.5) * down)[None, :, None]
        left, top, right, bottom = distances.clamp(max=8).exp().unbind(1)
        return torch.stack(
            (x - left * across, y - top * down, x + right * across, y + bottom * down), 1
        )


def _focal(logits: Tensor, peaks: Tensor) -> Tensor:
    """The loss at each place: of centres, and of all else, less so close to a centre."""
    probability = logits.sigmoid()
    centre = (1 - probability) ** 2 * functional.logsigmoid(logits)
    other = (1 - peaks) ** 4 * probability**2 * functional.logsigmoid(-logits)
    return -torch.where(peaks == 1, centre, other)


def _giou(found: Tensor, wanted: Tensor) -> Tensor:
    """Generalised IoU [B, h, w] of boxes [B, 4, h, w], from -1 to 1."""
    ax1, ay1, ax2, ay2 = found.unbind(1)
    bx1, by1, bx2, by2 = wanted.unbind(1)
    shared = (torch.minimum(ax2, bx2) - torch.maximum(ax1, bx1)).clamp(min=0) * (
        torch.minimum(ay2, by2) - torch.maximum(ay1, by1)
    ).clamp(min=0)
    union = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - shared
    hull = (torch.maximum(ax2, bx2) - torch.minimum(ax1, bx1)) * (
        torch.maximum(ay2, by2) - torch.minimum(ay1, by1)
    )
    return shared / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)
