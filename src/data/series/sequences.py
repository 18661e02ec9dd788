"""`Sequences`: whole series with a class each, padded or cropped to one length."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from data.errors import DataError
from data.series.dataset import RESIDENT_BYTES
from data.series.picture import draw
from data.series.reader import padded
from data.splits import Indices


class Sequences(Dataset[tuple[Tensor, int]]):
    """Series with labels.

    Args:
        series: float32 [T, channels] each, as in the files.
        labels: class of each [N].
        names: what each is called.
        length: steps of an input; shorter series are padded with 0 after scaling, of longer ones
            the last steps are taken.
        channels: names of the columns.
        mean: of each channel.
        std: of each channel.
    """

    is_augmented = False
    is_costly = False

    def __init__(
        self,
        series: Sequence[NDArray[np.float32]],
        labels: NDArray[np.int64],
        *,
        names: Sequence[str],
        length: int,
        channels: Sequence[str],
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        self.series, self.names, self.length = tuple(series), tuple(names), length
        self.labels = torch.as_tensor(labels, dtype=torch.int64)
        self.channels = tuple(channels)
        self._mean = torch.tensor(mean, dtype=torch.float32)
        self._std = torch.tensor(std, dtype=torch.float32)

    def __len__(self) -> int:
        return len(self.series)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Return float32 [length, channels], standardised and padded, and the class."""
        every = np.array([index])
        inputs, targets = self.finish(self.fetch(every, 0, 0), every, 0, 0)
        return inputs[0], int(targets[0])

    @property
    def resident_bytes(self) -> int | None:
        """Bytes of all padded series, or None where they are padded as they are needed."""
        total = 4 * self.length * len(self.channels) * len(self)
        return total if total <= RESIDENT_BYTES else None

    def fetch(self, indices: Indices, epoch: int, seed: int) -> tuple[Tensor, Tensor]:
        """Return float32 [B, length, channels], as in the files, NaN after their end; classes."""
        inputs = np.stack([self.raw(index) for index in indices.tolist()])
        return torch.from_numpy(inputs), self.labels[torch.from_numpy(indices)]

    def finish(
        self, batch: tuple[Tensor, Tensor], indices: Indices, epoch: int, seed: int
    ) -> tuple[Tensor, Tensor]:
        """Return the series standardised, 0 after their end."""
        inputs, targets = batch
        mean, std = self._mean.to(inputs.device), self._std.to(inputs.device)
        scaled = (inputs - mean).div_(std)
        return scaled.masked_fill_(scaled.isnan(), 0.0), targets

    def seen_as(self, info: Any, classes: Sequence[str]) -> "Sequences":
        """Return these series as a model sees them that was trained on others.

        Columns and classes are brought into its order by name.

        Raises:
            DataError: columns that are not there, or series of classes that `info` doesn't know.
        """
        known = {name: place for place, name in enumerate(info.classes)}
        present = [classes[label] for label in self.labels.unique().tolist()]
        problems = [
            f"no column {name!r} in the data, which the model was trained on"
            for name in info.channels
            if name not in self.channels
        ]
        problems += [
            f"class {name!r} of the data is unknown to the model, which knows "
            f"{', '.join(map(repr, info.classes[:5]))}; rename or remove it"
            for name in present
            if name not in known
        ]
        if problems:
            raise DataError(*problems)
        order = [self.channels.index(name) for name in info.channels]
        places = np.array([known.get(name, -1) for name in classes], dtype=np.int64)
        return Sequences(
            [np.ascontiguousarray(values[:, order]) for values in self.series],
            places[self.labels.numpy()],
            names=self.names,
            length=info.window,
            channels=info.channels,
            mean=info.mean,
            std=info.std,
        )

    def raw(self, index: int) -> NDArray[np.float32]:
        """Return one input as a reader gives it: float32 [length, channels], NaN after its end."""
        return padded(self.series[index], self.length)

    def picture(self, index: int) -> NDArray[np.uint8]:
        """Return a drawing of one series: uint8 [H, W, 3]."""
        return draw(self.series[index][-self.length :])
