"""From a table to Splits: roles, target, split, encoding; what `data=table` and `sklearn` share."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from data.errors import DataError
from data.splits import Indices, Splits
from data.tables.columns import Floats
from data.tables.description import Scale, content_digest, fingerprint, info_of
from data.tables.division import Parts, Plan, divided, sound_rows, without
from data.tables.encoding import Encoding
from data.tables.features import Feature, blank, learned, stored
from data.tables.frame import Frame
from data.tables.info import TableInfo
from data.tables.remarks import say
from data.tables.roles import Options, Roles, roles
from data.tables.source import Source
from data.tables.target import Target, target_of
from data.tables.values import Misread, line, stored_columns

if TYPE_CHECKING:
    from data.tables.dataset import Rows


def table_splits(frame: Frame, options: Options, plan: Plan) -> Splits[TableInfo]:
    """Return the splits of a table.

    Raises:
        DataError: all that is wrong with it, cells that can't be taken among them.
    """
    decimal = frame.layout.decimal or "."
    chosen = roles(frame, options)
    target = target_of(frame, chosen.target, plan.problem, plan.label_separator, decimal)
    shapes = [blank(frame.columns[name], kind) for name, kind in chosen.features.items()]
    numeric = [shape for shape in shapes if shape.kind != "category"]
    values, misread, _ = stored_columns(frame, numeric, decimal)
    kept, dropped, bad = sound_rows(frame, target, misread, plan)
    by_name = dict(zip([shape.name for shape in numeric], values, strict=True))
    with ThreadPoolExecutor(1, thread_name_prefix="fingerprint") as pool:
        # hashlib lets go of the interpreter, so this goes on beside the rest.
        digest = pool.submit(content_digest, frame, shapes, by_name, target)
        pool.submit(getattr, frame.names, "numbers")  # counts the lines
        parts = divided(frame, target, chosen, plan, kept)
        parts, left_out = without(frame, parts, bad)
        features, stored_values = _learned(frame, shapes, by_name, parts[0], plan, decimal)
        encoding = Encoding(features)
        scale = _scale(target, parts[0])
        source = Source(frame, features, stored_values, target, decimal)
        datasets = _datasets(source, encoding, parts, scale, _weights(frame, chosen))
        mark = fingerprint(digest.result(), parts)
    info = info_of(frame, target, encoding, scale, parts, mark)
    say(frame, chosen, target, features, dropped, parts, stored_values, plan.most_levels)
    return Splits(datasets[0], datasets[1], datasets[2], info, bad=left_out)


def _learned(
    frame: Frame,
    shapes: Sequence[Feature],
    values: dict[str, Floats],
    train: Indices,
    plan: Plan,
    decimal: str,
) -> tuple[list[Feature], list[Floats]]:
    """Return the features with what the training rows say, and every row as they store it."""
    features, found = [], []
    for shape in shapes:
        column = frame.columns[shape.name]
        own = values.get(shape.name, np.empty(0))
        feature = learned(column, shape, own, train, plan.most_levels)
        features.append(feature)
        found.append(own if shape.name in values else stored(column, feature, decimal)[0])
    return features, found


def _scale(target: Target, train: Indices) -> Scale:
    """Return mean and standard deviation of each number over the training rows."""
    if target.problem != "regression":
        return (), ()
    rows = target.values[train].astype(np.float64)
    std = rows.std(axis=0)
    std[~(std > 0)] = 1.0
    return tuple(rows.mean(axis=0).tolist()), tuple(std.tolist())


def _weights(frame: Frame, chosen: Roles) -> Floats | None:
    if chosen.weight is None:
        return None
    column = frame.columns[chosen.weight]
    values, wrong, _ = stored(column, Feature(column.name, "number"), frame.layout.decimal or ".")
    odd = np.union1d(wrong, np.flatnonzero(~(np.isfinite(values) & (values >= 0))))
    if len(odd):
        raise DataError(line(frame, Misread(column.name, odd, "is not a weight", "weight")))
    return values


def _datasets(
    source: Source, encoding: Encoding, parts: Parts, scale: Scale, weights: Floats | None
) -> "list[Rows | None]":
    """Return the dataset of each split, None where it has no rows."""
    import torch

    from data.tables.dataset import Rows, targets_of

    inputs = torch.from_numpy(encoding.encode(source.values))
    targets = targets_of(source.target, scale)
    own = None if weights is None else torch.from_numpy(weights.astype(np.float32))
    datasets: list[Rows | None] = []
    for part in parts:
        rows = torch.from_numpy(part)
        datasets.append(
            Rows(
                source,
                part,
                inputs.index_select(0, rows),
                targets.index_select(0, rows),
                None if own is None else own[rows],
            )
            if len(part)
            else None
        )
    return datasets
