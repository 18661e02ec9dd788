"""A U-Net: an output for each pixel of an image."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.cnn import block


class UNet(nn.Module):
    """Convolutions on ever smaller images, and back to full size with the detail of each stage.

    Input: float [B, C, H, W]; output: logits [B, num_outputs, H, W]. Any size from 2**depth on
    will do: what doesn't divide by two is brought to its stage's size by repeating pixels.
    Source: Ronneberger et al. 2015, arXiv 1505.04597, with padding and batch normalisation.

    Args:
        input_shape: channels, height, width.
        num_outputs: outputs for each pixel, such as classes.
        width: channels of the first stage; each stage doubles them.
        depth: how often the image is halved.
    """

    def __init__(
        self, input_shape: Sequence[int], num_outputs: int, width: int = 16, depth: int = 3
    ) -> None:
        super().__init__()
        if width < 1 or depth < 1:
            raise ValueError(f"width is {width} and depth is {depth}; each has to be 1 or more")
        channels, height, wide = input_shape
        if min(height, wide) < 2**depth:
            raise ValueError(
                f"images of {height}x{wide} are too small for a depth of {depth}, each of which "
                f"halves them; choose at most {min(height, wide).bit_length() - 1}"
            )
        widths = [width * 2**stage for stage in range(depth + 1)]
        self.down = nn.ModuleList()
        for stage in widths:
            self.down.append(nn.Sequential(block(channels, stage), block(stage, stage)))
            channels = stage
        self.up = nn.ModuleList()
        for stage in reversed(widths[:-1]):
            self.up.append(nn.Sequential(block(channels + stage, stage), block(stage, stage)))
            channels = stage
        self.head = nn.Conv2d(channels, num_outputs, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, num_outputs, H, W] of a batch."""
        kept: list[Tensor] = []
        features = images
        for stage in self.down:
            if kept:
                features = functional.max_pool2d(features, 2)
            features = stage(features)
            kept.append(features)
        kept.pop()
        for stage in self.up:
            detail = kept.pop()
            features = functional.interpolate(features, size=detail.shape[-2:], mode="nearest")
            features = stage(torch.cat((detail, features), dim=1))
        logits: Tensor = self.head(features)
        return logits
