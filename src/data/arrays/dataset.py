"""`Arrays`: rows of an array with targets, fetched by indexing."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from data.arrays.layout import (
    PICTURES,
    Layout,
    input_shape,
    statistics_shape,
    stored,
)
from data.arrays.stack import RowNames, Stack
from data.arrays.targets import Targets
from data.errors import DataError
from data.splits import Indices

COSTLY_BYTES = 2 << 30
"""A mapped file of more than that is read from the disk again and again."""


class Arrays(Dataset[tuple[Tensor, Any]]):
    """Samples that are rows of an array, in memory or mapped from a file.

    Args:
        inputs: all samples.
        rows: which of them these are.
        targets: of all samples.
        layout: what the axes of a sample mean.
        name: what the array is called; samples are named after it.
        mean: of each feature or channel.
        std: likewise.
        target_mean: regression: of each target.
        target_std: likewise.
    """

    is_augmented = False

    def __init__(
        self,
        inputs: Stack,
        rows: Indices,
        targets: Targets,
        *,
        layout: Layout,
        name: str,
        mean: Sequence[float],
        std: Sequence[float],
        target_mean: Sequence[float] = (),
        target_std: Sequence[float] = (),
    ) -> None:
        self.inputs, self.rows, self.layout = inputs, rows, layout
        self.name, self.names = name, RowNames(name, rows)
        self.all_targets = targets
        shape = inputs.sample_shape
        size = statistics_shape(shape, layout)
        self.shape = input_shape(shape, layout)
        self._mean = torch.tensor(mean, dtype=torch.float32).reshape(size)
        self._std = torch.tensor(std, dtype=torch.float32).reshape(size)
        own = targets.values[rows]
        if targets.problem == "regression":
            own = ((own - np.asarray(target_mean)) / np.asarray(target_std)).astype(np.float32)
        self.targets = torch.from_numpy(own)
        if targets.problem == "classification":
            self.labels = self.targets

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        """Return one input, float32, standardised, and its target: a class or float32 [L]."""
        every = np.array([index])
        inputs, targets = self.finish(self.fetch(every, 0, 0), every, 0, 0)
        return inputs[0], targets[0] if targets.dim() > 1 else int(targets[0])

    @property
    def resident_bytes(self) -> int | None:
        """Bytes of all samples as they are fetched."""
        pixels = self.layout in PICTURES and self.inputs.dtype == np.uint8
        return int(np.prod(self.shape)) * (1 if pixels else 4) * len(self)

    @property
    def is_costly(self) -> bool:
        """Whether samples come from a file that is too large to stay in memory."""
        return self.inputs.is_mapped and self.inputs.nbytes > COSTLY_BYTES

    def fetch(self, indices: Indices, epoch: int, seed: int) -> tuple[Tensor, Tensor]:
        """Return samples as stored, uint8 pixels or float32 [B, ...], and targets."""
        rows = stored(self.inputs[self.rows[indices]], self.layout)
        return torch.from_numpy(np.ascontiguousarray(rows)), self.targets[torch.from_numpy(indices)]

    def finish(
        self, batch: tuple[Tensor, Tensor], indices: Indices, epoch: int, seed: int
    ) -> tuple[Tensor, Tensor]:
        """Return model input [B, *input_shape], float32, standardised, and targets."""
        samples, targets = batch
        if self.layout == "hwc":
            samples = samples.permute(0, 3, 1, 2)
        inputs = samples.reshape(len(samples), *self.shape).to(torch.float32, copy=True)
        inputs = inputs.contiguous()
        if samples.dtype == torch.uint8:
            inputs.div_(255)
        mean, std = self._mean.to(inputs.device), self._std.to(inputs.device)
        return inputs.sub_(mean).div_(std), targets

    def seen_as(self, info: Any, classes: Sequence[str]) -> "Arrays":
        """Return these samples as a model sees them that was trained on other arrays.

        Raises:
            DataError: samples of another shape, another problem, or classes that it doesn't know.
        """
        problems = []
        mine = self.all_targets
        if list(self.shape) != list(info.input_shape):
            problems.append(
                f"samples of {list(self.shape)} in the data, and the model takes "
                f"{list(info.input_shape)}; give arrays of that shape"
            )
        if mine.problem != info.problem:
            problems.append(
                f"targets for {mine.problem}, and the model was trained for {info.problem}; set "
                f"data.problem={info.problem}"
            )
        changed = mine
        if not problems and mine.problem == "regression" and len(mine.names) != len(info.targets):
            problems.append(
                f"{len(mine.names)} targets, and the model has {len(info.targets)}; give as many"
            )
        elif not problems and mine.problem != "regression":
            known = {name: place for place, name in enumerate(info.classes)}
            used = self.labels.unique().tolist() if hasattr(self, "labels") else range(len(classes))
            unknown = [classes[label] for label in used if classes[label] not in known]
            problems += [
                f"class {name!r} of the data is unknown to the model, which knows "
                f"{', '.join(map(repr, info.classes[:5]))}; rename or remove it"
                for name in unknown
            ]
            if not unknown:
                changed = _in_order(mine, classes, info.classes)
        if problems:
            raise DataError(*problems)
        return type(self)(
            self.inputs,
            self.rows,
            changed,
            layout=self.layout,
            name=self.name,
            mean=info.mean,
            std=info.std,
            target_mean=info.target_mean,
            target_std=info.target_std,
        )

    def raw(self, index: int) -> NDArray[Any]:
        """Return one sample as a reader gives it."""
        return stored(self.inputs[self.rows[index : index + 1]][0], self.layout)

    def sample_text(self, index: int) -> str:
        """Return the first numbers of a sample."""
        values = self.raw(index).ravel()
        shown = ", ".join(f"{value:.4g}" for value in values[:8].tolist())
        return f"[{shown}{', ...' if len(values) > 8 else ''}]"


class PictureArrays(Arrays):
    """Samples that can be looked at."""

    def picture(self, index: int) -> NDArray[np.uint8]:
        """Return one sample as a picture: uint8 [H, W, 1 or 3]; numbers are stretched to it."""
        pixels = self.raw(index)
        if self.layout == "hw":
            pixels = pixels[:, :, None]
        elif self.layout == "chw":
            pixels = pixels.transpose(1, 2, 0)
        pixels = pixels[:, :, :3] if pixels.shape[2] >= 3 else pixels[:, :, :1]
        if pixels.dtype == np.uint8:
            return np.ascontiguousarray(pixels)
        low, high = float(pixels.min()), float(pixels.max())
        return np.rint((pixels - low) * (255 / ((high - low) or 1.0))).astype(np.uint8)


def _in_order(targets: Targets, classes: Sequence[str], order: Sequence[str]) -> Targets:
    """Return targets whose classes stand in the order of others that hold all that occur."""
    known = {name: place for place, name in enumerate(order)}
    if targets.problem == "multilabel":
        values = np.zeros((len(targets.values), len(order)), dtype=np.float32)
        values[:, [known[name] for name in classes]] = targets.values
    else:
        values = np.array([known.get(name, -1) for name in classes])[targets.values]
    return Targets(targets.problem, values, tuple(order), ())
