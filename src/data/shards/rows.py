"""Rows of numbers in Parquet shards as samples."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.errors import DataError
from data.shards.columns import NUMBERS
from data.shards.row_groups import RowGroups, Window
from data.shards.tar_images import starts_of
from data.splits import Indices
from data.splitting.rules import first


class RowNames(Sequence[str]):
    """Names of rows, "FILE:ROW", made when they are asked for."""

    def __init__(self, groups: RowGroups, rows: Indices) -> None:
        self._groups, self._rows = groups, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self._groups.name(row) for row in self._rows[place].tolist()]
        return self._groups.name(int(self._rows[place]))


class StreamedRows:
    """Rows of Parquet files that are read a row group at a time.

    Args:
        groups: where the rows lie.
        rows: which of them these are, ascending [N].
        features: columns of the input, of numbers.
        mean: of each feature.
        std: likewise; a missing value becomes the mean, 0 in a model's input.
        labels: class of each row [N]; None for regression.
        num_classes: how many classes the data has.
        targets: regression: columns to predict.
        target_mean: of each target.
        target_std: likewise; the target of a batch is (value - mean) / std.
        buffer: rows that are mixed while training, see `data.loading.order.BufferedOrder`.
    """

    resident_bytes: int | None = None
    is_augmented = False
    # Each worker would decode each row group for a few of its rows.
    is_costly = False

    def __init__(
        self,
        groups: RowGroups,
        rows: Indices,
        *,
        features: Sequence[str],
        mean: Sequence[float],
        std: Sequence[float],
        labels: Indices | None,
        num_classes: int,
        targets: Sequence[str] = (),
        target_mean: Sequence[float] = (),
        target_std: Sequence[float] = (),
        buffer: int = 1000,
    ) -> None:
        self.groups, self.rows, self.buffer = groups, rows, buffer
        self.features, self.targets = tuple(features), tuple(targets)
        self.names = RowNames(groups, rows)
        self.num_classes = num_classes
        if labels is not None:
            self.labels = torch.from_numpy(np.ascontiguousarray(labels, dtype=np.int64))
        self.locality = (starts_of(groups.file[groups.group_of(rows)]), buffer)
        self.window = Window(groups, [*self.features, *self.targets], buffer)
        self._mean = torch.tensor(mean, dtype=torch.float32)
        self._std = torch.tensor(std, dtype=torch.float32)
        self._target_mean = torch.tensor(target_mean, dtype=torch.float32)
        self._target_std = torch.tensor(target_std, dtype=torch.float32)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        """Return one sample as evaluation sees it: float32 [F]; its class, or its targets."""
        here = np.array([index])
        inputs, target = self.finish(self.fetch(here, 0, 0), here, 0, 0)
        return inputs[0], target[0] if self.targets else int(target[0])

    def fetch(self, indices: Indices, epoch: int, seed: int) -> tuple[Tensor, Tensor]:
        """Return rows as they are stored, float32 [B, F], and int64 classes or float32 targets."""
        values = torch.from_numpy(self.window.read(self.rows[indices]))
        inputs = values[:, : len(self.features)].contiguous()
        if self.targets:
            return inputs, values[:, len(self.features) :].contiguous()
        return inputs, self.labels[torch.from_numpy(indices)]

    def finish(
        self, batch: tuple[Tensor, Tensor], indices: Indices, epoch: int, seed: int
    ) -> tuple[Tensor, Tensor]:
        """Return input and targets as (value - mean) / std; 0 for a missing value of the input."""
        inputs, target = batch
        device = inputs.device
        scaled = (inputs - self._mean.to(device)).div_(self._std.to(device))
        scaled = scaled.masked_fill_(scaled.isnan(), 0.0)
        if self.targets:
            target = (target - self._target_mean.to(device)).div_(self._target_std.to(device))
        return scaled, target

    def raw(self, index: int) -> NDArray[np.float32]:
        """Return one row as `RowReader.read` gives it: float32 [F], NaN for a missing value."""
        row: NDArray[np.float32] = self.window.read(self.rows[np.array([index])])[0]
        return row[: len(self.features)]

    def sample_text(self, index: int) -> str:
        """Return one row to be read: each column and its value."""
        row = self.window.read(self.rows[np.array([index])])[0].tolist()
        named = zip([*self.features, *self.targets], row, strict=True)
        return ", ".join(f"{name}={value:g}" for name, value in named)

    def seen_as(self, info: Any, classes: Sequence[str]) -> "StreamedRows":
        """Return these rows as a model sees them that was trained on other data.

        Raises:
            DataError: columns, targets or classes that don't fit.
        """
        problems = []
        lost = [n for n in info.features if self.groups.types.get(n) not in NUMBERS]
        if lost:
            problems.append(f"{len(lost)} columns of the model are not in the data ({first(lost)})")
        if bool(info.targets) != bool(self.targets):
            problems.append(f"the model was trained for {info.problem}, and this data is not")
        elif tuple(info.targets) != self.targets:
            problems.append(
                f"targets {first(self.targets)} in the data, and the model gives "
                f"{first(list(info.targets))}; name them in data.target"
            )
        place = {name: number for number, name in enumerate(info.classes)}
        labels = None
        if not self.targets:
            present = [classes[label] for label in self.labels.unique().tolist()]
            unknown = [name for name in present if name not in place]
            if unknown:
                problems.append(
                    f"{len(unknown)} classes of the data unknown to the model ({first(unknown)}); "
                    "rename or remove them"
                )
            labels = np.array([place.get(name, -1) for name in classes])[self.labels.numpy()]
        if problems:
            raise DataError(*problems)
        return StreamedRows(
            self.groups,
            self.rows,
            features=info.features,
            mean=info.mean,
            std=info.std,
            labels=labels,
            num_classes=len(info.classes),
            targets=self.targets,
            target_mean=info.target_mean,
            target_std=info.target_std,
            buffer=self.buffer,
        )
