"""`Windows`: pieces of series with what follows them, gathered a batch at a time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from data.errors import DataError
from data.series.picture import draw
from data.series.windows import Indices, Steps, WindowNames

RESIDENT_BYTES = 256 << 20
"""Windows that take more are gathered from the series whenever they are needed."""


class Windows(Dataset[tuple[Tensor, Tensor]]):
    """Windows of series (input) with the steps that follow (target).

    Args:
        steps: all steps of all series; not copied.
        starts: the first step of each window [N].
        window: steps of an input.
        horizon: steps of a target.
        channels: names of the columns, the targets first.
        num_targets: how many of the channels are foretold.
        mean: of each channel.
        std: of each channel.
    """

    is_augmented = False
    is_costly = False

    def __init__(
        self,
        steps: Steps,
        starts: Indices,
        *,
        window: int,
        horizon: int,
        channels: Sequence[str],
        num_targets: int,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        self.steps, self.starts = steps, starts
        self.window, self.horizon = window, horizon
        self.channels, self.num_targets = tuple(channels), num_targets
        self.names = WindowNames(steps, starts + window)
        self._values = torch.from_numpy(steps.values)
        self._mean = torch.tensor(mean, dtype=torch.float32)
        self._std = torch.tensor(std, dtype=torch.float32)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return float32 [window, channels] and [horizon * targets], both standardised."""
        every = np.array([index])
        inputs, targets = self.finish(self.fetch(every, 0, 0), every, 0, 0)
        return inputs[0], targets[0]

    @property
    def resident_bytes(self) -> int | None:
        """Bytes of all windows, or None where it is better to gather them as they are needed."""
        width = self.window * len(self.channels) + self.horizon * self.num_targets
        total = 4 * width * len(self)
        return total if total <= RESIDENT_BYTES else None

    def fetch(self, indices: Indices, epoch: int, seed: int) -> tuple[Tensor, Tensor]:
        """Return float32 [B, window, channels] and [B, horizon, targets], as in the files."""
        first = torch.from_numpy(self.starts[indices])[:, None]
        inputs = self._values[first + torch.arange(self.window)]
        ahead = first + torch.arange(self.window, self.window + self.horizon)
        return inputs, self._values[:, : self.num_targets][ahead]

    def finish(
        self, batch: tuple[Tensor, Tensor], indices: Indices, epoch: int, seed: int
    ) -> tuple[Tensor, Tensor]:
        """Return input [B, window, channels] and target [B, horizon * targets], standardised.

        The target is in order of time: all targets of the first step, then those of the next.
        """
        inputs, targets = batch
        mean, std = self._mean.to(inputs.device), self._std.to(inputs.device)
        few = slice(self.num_targets)
        scaled = (targets - mean[few]).div_(std[few])
        return (inputs - mean).div_(std), scaled.flatten(1)

    def seen_as(self, info: Any, classes: Sequence[str]) -> "Windows":
        """Return these windows as a model sees them that was trained on other series.

        Columns are brought into its order by name and standardised with its statistics.

        Raises:
            DataError: columns that are not there, or windows of another size.
        """
        del classes  # a forecast has none
        problems = [
            f"no column {name!r} in the data, which the model was trained on; it has "
            f"{', '.join(self.channels)}"
            for name in info.channels
            if name not in self.channels
        ]
        if info.problem != "regression":
            problems.append("the model tells classes of series apart; choose its problem")
        elif (self.window, self.horizon) != (info.window, info.horizon):
            problems.append(
                f"windows of {self.window} steps and {self.horizon} ahead, and the model takes "
                f"{info.window} and {info.horizon}; add data.window={info.window} "
                f"data.horizon={info.horizon}"
            )
        if problems:
            raise DataError(*problems)
        order = [self.channels.index(name) for name in info.channels]
        values = np.ascontiguousarray(self.steps.values[:, order])
        return Windows(
            Steps(**(vars(self.steps) | {"values": values})),
            self.starts,
            window=self.window,
            horizon=self.horizon,
            channels=info.channels,
            num_targets=info.num_targets,
            mean=info.mean,
            std=info.std,
        )

    def raw(self, index: int) -> NDArray[np.float32]:
        """Return one input as a reader gives it: float32 [window, channels], as in the file."""
        first = int(self.starts[index])
        return self.steps.values[first : first + self.window].copy()

    def picture(self, index: int) -> NDArray[np.uint8]:
        """Return a drawing of one window and what follows it: uint8 [H, W, 3]."""
        first = int(self.starts[index]) + self.window
        ahead = self.steps.values[first : first + self.horizon, : self.num_targets]
        return draw(self.raw(index), ahead)
