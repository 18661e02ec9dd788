"""A small one-stage detector without anchors: one dense output, no boxes inside the model."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.cnn import block

BOX = 4  # numbers of a box
RARE = 0.01  # how likely an untrained model takes a place to be the centre of an object


def halving(channels_in: int, channels_out: int) -> nn.Sequential:
    """3x3 convolution of stride 2, batch normalisation, ReLU; sizes are halved, rounded up."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


class Detector(nn.Module):
    """Centres of objects and their boxes, at each place of a grid of a quarter of the image's size.

    Input: float [B, C, H, W]. Output: [B, K + 4, ceil(H / 4), ceil(W / 4)]: the logits of the K
    classes at each place, and the distances to the left, top, right and bottom side of a box, as
    exp(output) steps of the grid. Sources: Zhou et al. 2019, arXiv 1904.07850 (centres as peaks),
    Tian et al. 2019, arXiv 1904.01355 (distances to the sides).

    Args:
        input_shape: channels, height, width.
        num_outputs: classes and 4.
        width: channels of the first stage; each stage doubles them, up to eightfold.
        depth: how often the image is halved, 3 or more; large objects need more of it.
    """

    def __init__(
        self, input_shape: Sequence[int], num_outputs: int, width: int = 16, depth: int = 4
    ) -> None:
        super().__init__()
        if num_outputs <= BOX or width < 1 or depth < 3:
            raise ValueError(
                f"num_outputs is {num_outputs}, width {width} and depth {depth}; give classes + 4, "
                "1 or more, and 3 or more"
            )
        channels, height, wide = input_shape
        if min(height, wide) < 2**depth:
            raise ValueError(
                f"images of {height}x{wide} are too small for a depth of {depth}, each of which "
                f"halves them; choose at most {min(height, wide).bit_length() - 1}"
            )
        widths = [width * 2 ** min(stage, 3) for stage in range(depth + 1)]
        self.stem = block(channels, width)
        self.down = nn.ModuleList(
            nn.Sequential(halving(a, b), block(b, b)) for a, b in pairwise(widths)
        )
        channels = widths[-1]
        self.up = nn.ModuleList()
        for stage in reversed(widths[2:-1]):
            self.up.append(block(channels + stage, stage))
            channels = stage
        self.classes = nn.Sequential(block(channels, channels), self._last(channels, num_outputs))
        self.boxes = nn.Sequential(block(channels, channels), nn.Conv2d(channels, BOX, 1))

    @staticmethod
    def _last(channels: int, num_outputs: int) -> nn.Conv2d:
        last = nn.Conv2d(channels, num_outputs - BOX, 1)
        # Nearly all places hold no centre; a start from a half would drown the few that do.
        assert last.bias is not None
        nn.init.constant_(last.bias, torch.logit(torch.tensor(RARE)).item())
        return last

    def forward(self, images: Tensor) -> Tensor:
        """Logits and distances [B, num_outputs, ceil(H / 4), ceil(W / 4)] of a batch."""
        features = self.stem(images)
        kept: list[Tensor] = []
        for stage in self.down:
            features = stage(features)
            kept.append(features)
        kept = kept[1:-1]  # the finest grid is a quarter of the image
        for stage in self.up:
            detail = kept.pop()
            features = functional.interpolate(features, size=detail.shape[-2:], mode="nearest")
            features = stage(torch.cat((detail, features), dim=1))
        return torch.cat((self.classes(features), self.boxes(features)), dim=1)
