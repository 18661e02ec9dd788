"""`Rows`: the rows of a table as model input, all in memory."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from data.errors import DataError
from data.splits import Indices
from data.splitting.rules import first
from data.tables.encoding import Encoding
from data.tables.source import Source
from data.tables.target import Target
from data.tables.values import lacking, line, stored_columns

logger = logging.getLogger(__name__)


class Rows(Dataset[tuple[Tensor, Tensor]]):
    """Some rows of a table: float32 inputs [N, F] and their targets.

    Args:
        source: the table.
        rows: which of its rows.
        inputs: float32 [N, F].
        targets: int64 [N] classes, or float32 [N, L] labels (0 and 1) or scaled numbers.
        weights: of the rows, float32 [N], where a column says so: a batch's third field then.
    """

    is_augmented = False
    is_costly = False

    def __init__(
        self,
        source: Source,
        rows: Indices,
        inputs: Tensor,
        targets: Tensor,
        weights: Tensor | None = None,
    ) -> None:
        assert len(rows) == len(inputs) == len(targets)
        self.source, self.rows = source, rows
        self.inputs, self.targets, self.weights = inputs, targets, weights
        self.names: Sequence[str] = source.frame.names.take(rows)
        if targets.dtype == torch.int64:
            self.labels = targets

    @property
    def _fields(self) -> tuple[Tensor, ...]:
        fields = (self.inputs, self.targets)
        return fields if self.weights is None else (*fields, self.weights)

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return one row: float32 [F], and its target."""
        return self.inputs[index], self.targets[index]

    @property
    def resident_bytes(self) -> int:
        """Bytes of all rows."""
        return sum(tensor.nbytes for tensor in self._fields)

    def fetch(self, indices: Indices, epoch: int, seed: int) -> tuple[Tensor, ...]:
        """Return rows [B, F], their targets and, where there are any, their weights."""
        rows = torch.from_numpy(indices)
        return tuple(tensor.index_select(0, rows) for tensor in self._fields)

    def finish(self, batch: Any, indices: Indices, epoch: int, seed: int) -> Any:
        """Return the batch as it is."""
        return batch

    def raw(self, index: int) -> NDArray[np.float64]:
        """Return what a reader reads of this row: the stored value of each feature, float64 [C]."""
        row = self.rows[index]
        return np.array([values[row] for values in self.source.values])

    def sample_text(self, index: int) -> str:
        """Return a row as one reads it: its features, then the target."""
        columns, row = self.source.frame.columns, int(self.rows[index])
        names = [each.name for each in self.source.features]
        shown = [f"{name}={columns[name].text(row) or '?'}" for name in names]
        target = [f"{name}={columns[name].text(row) or '?'}" for name in self.source.target.columns]
        return f"{', '.join(shown)} -> {', '.join(target)}"

    def seen_as(self, info: Any, classes: Sequence[str]) -> "Rows":
        """Return these rows as a model sees them that was trained on another table.

        Read again from the cells with the encoding of `info`; classes and labels are brought into
        the order of `info.classes` by name, numbers are scaled as there.

        Raises:
            DataError: columns that are missing, cells that can't be read as they have to be, or
                targets that the model doesn't know.
        """
        reader = getattr(info, "reader", None)
        if not isinstance(reader, dict) or "columns" not in reader:
            raise DataError("the model was trained on other data than a table; give it such data")
        encoding = Encoding.of_nodes(reader["columns"])
        frame = self.source.frame.take(self.rows)
        names = [each.name for each in encoding.features]
        problems = lacking(frame.file, names, list(frame.columns))
        if problems:
            raise DataError(*problems)
        values, bad, unknown = stored_columns(frame, encoding.features, self.source.decimal)
        problems += [line(frame, each) for each in bad]
        try:
            targets = targets_for(self.source, self.rows, info, classes)
        except DataError as error:
            problems += error.problems
        if problems:
            raise DataError(*problems)
        say_unknown(unknown)
        target = self.source.target.take(self.rows)
        source = Source(frame, encoding.features, values, target, self.source.decimal)
        everything = np.arange(len(frame))
        inputs = torch.from_numpy(encoding.encode(values))
        return Rows(source, everything, inputs, targets, self.weights)


def say_unknown(unknown: Mapping[str, Sequence[str]]) -> None:
    """Say once which categories are taken as unknown, because training had none of them."""
    for name, texts in unknown.items():
        logger.warning("column %r: %s not in training, taken as unknown", name, first(texts, 3))


def targets_of(target: Target, scale: tuple[Sequence[float], Sequence[float]]) -> Tensor:
    """Return the targets of all rows as a loss takes them.

    Args:
        target: as it was read.
        scale: mean and standard deviation of each number; empty for classes and labels.
    """
    if target.problem == "classification":
        return torch.from_numpy(target.values)
    values = target.values
    if target.problem == "regression":
        with np.errstate(over="ignore", invalid="ignore"):  # of rows that are left out
            values = (values - np.array(scale[0])) / np.array(scale[1])
    return torch.from_numpy(values.astype(np.float32))


def targets_for(source: Source, rows: Indices, info: Any, classes: Sequence[str]) -> Tensor:
    """Return the targets of some rows as `info` has them; raises DataError for unknown ones."""
    target = source.target
    if target.problem != info.problem:
        raise DataError(
            f"the data is for {target.problem}, the model for {info.problem}; set data.problem and "
            "data.target as they were in training"
        )
    values = target.values[rows]
    if target.problem == "regression":
        return _scaled(target, values, info)
    known = {str(name): place for place, name in enumerate(info.classes)}
    if target.problem == "classification":
        present = [classes[place] for place in np.unique(values).tolist()]
    else:
        present = [name for place, name in enumerate(classes) if values[:, place].any()]
    unknown = [name for name in present if name not in known]
    lacking = [name for name in known if name not in classes] if len(target.columns) > 1 else []
    if unknown or lacking:
        raise DataError(
            *_unknown(unknown, list(known)),
            *([f"the data has no label {first(lacking)}; add such columns"] if lacking else []),
        )
    if target.problem == "classification":
        places = np.array([known.get(name, -1) for name in classes], dtype=np.int64)
        return torch.from_numpy(places[values])
    found = np.zeros((len(values), len(known)), dtype=np.float32)
    for place, name in enumerate(classes):
        if name in known:
            found[:, known[name]] = values[:, place]
    return torch.from_numpy(found)


def _scaled(target: Target, values: Any, info: Any) -> Tensor:
    missing = [name for name in info.targets if name not in target.columns]
    if missing:
        raise DataError(
            f"the model predicts {first(missing)}, which is no target of the data; set data.target"
        )
    order = [target.columns.index(name) for name in info.targets]
    mean, std = np.array(info.target_mean), np.array(info.target_std)
    return torch.from_numpy(((values[:, order] - mean) / std).astype(np.float32))


def _unknown(names: Sequence[str], known: Sequence[str]) -> list[str]:
    if not names:
        return []
    what = "class" if len(names) == 1 else "classes"
    return [
        f"{len(names)} {what} ({first(names)}) of the data unknown to the model, which knows "
        f"{first(known)}; rename or remove them"
    ]
