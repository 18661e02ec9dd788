"""A small convolutional network for small images."""

from collections.abc import Sequence

from torch import Tensor, nn


def block(channels_in: int, channels_out: int) -> nn.Sequential:
    """3x3 convolution, batch normalisation, ReLU; height and width stay."""
    return nn.Sequential(
        # The normalisation that follows has a bias of its own.
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


class CNN(nn.Module):
    """Stages of two 3x3 convolutions and a pooling each, then one linear layer.

    Input: float [B, C, H, W] with H and W at least 2**stages; output: logits [B, num_classes].
    Large images are averaged down to 2x2 before the linear layer, so its size stays the same.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        num_classes: int,
        width: int = 32,
        stages: int = 2,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        if width < 1 or stages < 1:
            raise ValueError(f"width is {width} and stages is {stages}; each has to be 1 or more")
        if len(input_shape) != 3:
            raise ValueError(
                f"input_shape {tuple(input_shape)} is no image [channels, height, width]; choose "
                "model=mlp, or leave it to the data (auto)"
            )
        channels, height, wide = input_shape
        if min(height, wide) < 2**stages:
            raise ValueError(
                f"images of {height}x{wide} are too small for {stages} stages, "
                f"each of which halves them; choose at most {min(height, wide).bit_length() - 1}"
            )
        layers: list[nn.Module] = []
        for stage in range(stages):
            wider = width * 2**stage
            layers += [block(channels, wider), block(wider, wider), nn.MaxPool2d(2)]
            channels = wider
        size = min(height, wide) // 2**stages
        if size > 2:
            layers.append(nn.AdaptiveAvgPool2d(2))
        rows, columns = (2, 2) if size > 2 else (height // 2**stages, wide // 2**stages)
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels * rows * columns, num_classes)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, num_classes] of a batch."""
        logits: Tensor = self.head(self.features(images))
        return logits
