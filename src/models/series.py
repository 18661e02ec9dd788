"""Networks for series: forecasts of windows, and classes of whole series."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

SMALLEST_STD = 1e-2
"""In standardised units: a window that hardly changes is not blown up."""


class Forecaster(nn.Module):
    """Linear maps from a window's trend and remainder to what follows, and a small corrector.

    Each window is centred on its mean and scaled by its standard deviation, and what is foretold is
    scaled back, so that a level that drifts away does no harm (RevIN, Kim et al., "Reversible
    instance normalization", ICLR 2022, without its affine part). A moving average divides each
    target into trend and remainder, and a linear layer for each gives the horizon (DLinear, Zeng et
    al., "Are transformers effective for time series forecasting?", AAAI 2023). What other columns
    say, and what is not linear, is added by one hidden layer over the whole window.

    Input: float [B, window, num_channels], the targets first; output: [B, horizon * num_targets],
    in order of time.

    Args:
        window: steps of an input.
        horizon: steps of an output.
        num_channels: columns of an input.
        num_targets: how many of them, from the first on, are foretold.
        kernel: steps of the moving average.
        width: features of the hidden layer; 0 for none.
        dropout: share of their features that is dropped.
    """

    def __init__(
        self,
        window: int,
        horizon: int,
        num_channels: int,
        num_targets: int = 1,
        kernel: int = 25,
        width: int = 128,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if min(window, horizon, num_targets, kernel) < 1 or width < 0:
            raise ValueError(
                f"window {window}, horizon {horizon}, num_targets {num_targets} and kernel "
                f"{kernel} have to be 1 or more, width ({width}) 0 or more"
            )
        if num_channels < num_targets:
            raise ValueError(f"{num_targets} targets are more than the {num_channels} channels")
        self.horizon, self.num_targets = horizon, num_targets
        self.kernel = min(kernel, window)
        self.trend = nn.Linear(window, horizon)
        self.remainder = nn.Linear(window, horizon)
        for layer in (self.trend, self.remainder):
            nn.init.constant_(layer.weight, 1 / window)
            nn.init.zeros_(layer.bias)
        self.corrector = _Corrector(window * num_channels, horizon * num_targets, width, dropout)

    def forward(self, inputs: Tensor) -> Tensor:
        """What follows each window, [B, horizon * num_targets]."""
        mean = inputs.mean(dim=1, keepdim=True)
        centred = inputs - mean
        std = (centred.square().mean(dim=1, keepdim=True) + SMALLEST_STD**2).sqrt()
        scaled = centred / std
        targets = scaled[:, :, : self.num_targets].transpose(1, 2)
        before = self.kernel // 2
        ends = functional.pad(targets, (before, self.kernel - 1 - before), mode="replicate")
        trend = functional.avg_pool1d(ends, self.kernel, stride=1)
        ahead = (self.trend(trend) + self.remainder(targets - trend)).transpose(1, 2)
        ahead = ahead + self.corrector(scaled).unflatten(1, (self.horizon, self.num_targets))
        own = slice(self.num_targets)
        outputs: Tensor = (ahead * std[:, :, own] + mean[:, :, own]).flatten(1)
        return outputs


class _Corrector(nn.Module):
    """One hidden layer over all steps of all channels; gives 0 before it is trained."""

    def __init__(self, num_inputs: int, num_outputs: int, width: int, dropout: float) -> None:
        super().__init__()
        self.num_outputs = num_outputs
        self.layers = None
        if width:
            last = nn.Linear(width, num_outputs)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.layers = nn.Sequential(
                nn.Flatten(), nn.Linear(num_inputs, width), nn.GELU(), nn.Dropout(dropout), last
            )

    def forward(self, inputs: Tensor) -> Tensor:
        if self.layers is None:
            return inputs.new_zeros(inputs.shape[0], self.num_outputs)
        outputs: Tensor = self.layers(inputs)
        return outputs


class SeriesCNN(nn.Module):
    """Three convolutions over time, then what they find on average and at most over all steps.

    After the fully convolutional network of Wang et al., "Time series classification from scratch
    with deep neural networks" (IJCNN 2017). Steps that are 0 in all channels are padding, and don't
    count in the average.

    Input: float [B, length, channels]; output: [B, num_outputs].

    Args:
        input_shape: (length, channels).
        num_outputs: classes, or numbers to tell.
        width: channels of the first and last convolution; the middle one has twice as many.
        dropout: share of features that is dropped before the last layer.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        num_outputs: int,
        width: int = 64,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"width is {width}; it has to be 1 or more")
        if len(input_shape) != 2:
            raise ValueError(f"samples of shape {list(input_shape)}; give [length, channels]")
        self.convolutions = nn.Sequential(
            _convolution(input_shape[1], width, 7),
            _convolution(width, 2 * width, 5),
            _convolution(2 * width, width, 3),
        )
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * width, num_outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs [B, num_outputs] of a batch."""
        is_there = (inputs != 0).any(dim=2, keepdim=True).to(inputs.dtype).transpose(1, 2)
        found = self.convolutions(inputs.transpose(1, 2)) * is_there
        average = found.sum(dim=2) / is_there.sum(dim=2).clamp(min=1)
        # What the convolutions give is 0 or more, so padding is never the largest.
        outputs: Tensor = self.head(torch.cat([average, found.amax(dim=2)], dim=1))
        return outputs


def _convolution(channels: int, width: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        # The normalisation that follows has a bias of its own.
        nn.Conv1d(channels, width, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm1d(width),
        nn.ReLU(),
    )
