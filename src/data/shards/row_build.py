"""From Parquet shards to splits of rows: targets, split, statistics."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from data import keyed
from data.answers import ClassAnswer, NumbersAnswer
from data.bad_samples import BadFile, OnError
from data.errors import DataError
from data.images.build import fingerprint
from data.shards.columns import Columns, chosen_columns
from data.shards.info import RowsInfo
from data.shards.left_out import judged
from data.shards.listing import Shards
from data.shards.row_groups import RowGroups, row_groups
from data.shards.row_reader import RowReader
from data.shards.row_targets import Targets, targets_of
from data.splits import Indices, Splits
from data.splitting import split

STATISTICS_GROUPS = 16
STATISTICS_ROWS = 20_000
Numbers = tuple[tuple[float, ...], tuple[float, ...]]
logger = logging.getLogger(__name__)


def row_splits(
    shards: Shards,
    *,
    target: str | Sequence[str] | None,
    features: Sequence[str] | None,
    ignore: Sequence[str],
    problem: str | None,
    group: str | None,
    time: str | None,
    split_column: str | None,
    buffer: int,
    on_error: OnError,
    max_bad: int,
    options: dict[str, Any],
) -> Splits[RowsInfo]:
    """Return the splits of the rows of Parquet files; `options` are those of `split`."""
    from data.shards.rows import RowNames, StreamedRows

    groups = row_groups(shards)
    apart = {"groups": group, "times": time, "given": split_column}
    columns = chosen_columns(
        groups,
        target=target,
        features=features,
        ignore=ignore,
        apart=[name for name in apart.values() if name is not None],
    )
    for line in columns.about:
        logger.warning("%s", line)
    targets = targets_of(groups, columns.targets, problem)
    rows = np.flatnonzero(targets.known)
    bad = _without_target(groups, np.flatnonzero(~targets.known), columns, on_error, max_bad)
    labels = None if targets.labels is None else targets.labels[rows]
    names = RowNames(groups, rows)
    by_file = [shards.splits[file] for file in groups.file[groups.group_of(rows)].tolist()]
    given: dict[str, Any] = {
        role: _column(groups, name, role)[rows] for role, name in apart.items() if name is not None
    }
    if any(by_file) and "given" not in given:
        given["given"] = by_file
    parts = split(
        count=len(rows),
        labels=labels,
        names=names,
        classes=targets.classes or None,
        **given,
        **_method(options, given),
    )
    scales = _statistics(groups, columns.features, rows[parts[0]])
    goal = _target_scales(groups, columns, targets, rows[parts[0]])
    info = _info(groups, shards, columns, targets, parts, labels, scales, goal)
    datasets = [
        StreamedRows(
            groups,
            rows[part],
            features=columns.features,
            mean=info.mean,
            std=info.std,
            labels=None if labels is None else labels[part],
            num_classes=info.num_classes,
            targets=info.targets,
            target_mean=info.target_mean,
            target_std=info.target_std,
            buffer=buffer,
        )
        if len(part)
        else None
        for part in parts
    ]
    return Splits(datasets[0], datasets[1], datasets[2], info, bad)


def _method(options: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a split; without a column for it, rows go by the hash of their name."""
    return options if options["method"] or given else options | {"method": "hash"}


def _without_target(
    groups: RowGroups, rows: Indices, columns: Columns, on_error: OnError, max_bad: int
) -> tuple[BadFile, ...]:
    """Return the rows that are left out, or raise DataError that counts them."""
    what = " and ".join(columns.targets)
    shown = rows[: max(max_bad, 5) + 1].tolist()
    reasons = {groups.name(row): f"{groups.name(row)} has no value in {what}" for row in shown}
    if len(rows) and on_error == "stop":
        raise DataError(
            f"{len(rows)} of {groups.count} rows have no value in {what} "
            f"({', '.join(list(reasons)[:5])}{', ...' if len(rows) > 5 else ''}); fill them in, "
            "remove them, or set loader.on_error=skip"
        )
    return judged(reasons, len(rows), "rows", on_error, max_bad)


def _column(groups: RowGroups, name: str, role: str) -> Any:
    """Return one column of all rows: a group, a time or the name of a split of each."""
    if role == "times":
        return np.concatenate([table[name].to_numpy() for table in groups.values([name])])
    values = [value for table in groups.values([name]) for value in table[name].to_pylist()]
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def _statistics(groups: RowGroups, features: Sequence[str], rows: Indices) -> Numbers:
    """Return mean and standard deviation over a fixed sample of rows, in few row groups."""
    of = groups.group_of(rows)
    present = np.unique(of)
    stream = keyed.key(0, keyed.CHOICE)
    chosen = present[keyed.permutation(stream, len(present))[:STATISTICS_GROUPS]]
    each = -(-STATISTICS_ROWS // len(chosen))
    parts = []
    for group in np.sort(chosen).tolist():
        own = rows[of == group] - int(groups.start[group])
        own = own[np.sort(keyed.permutation(keyed.key(stream, group), len(own))[:each])]
        parts.append(groups.numbers(group, features)[own])
    values = np.concatenate(parts)
    values[~np.isfinite(values)] = np.nan
    known = (~np.isnan(values)).sum(axis=0)
    missing = int((known < len(values)).sum())
    if missing:
        logger.warning("values are missing in %d columns; the column's mean stands in", missing)
    mean = np.nansum(values, axis=0) / np.maximum(known, 1)
    std = np.sqrt(np.nansum((values - mean) ** 2, axis=0) / np.maximum(known, 1))
    std[std == 0] = 1.0
    return tuple(mean.tolist()), tuple(std.tolist())


def _target_scales(groups: RowGroups, columns: Columns, targets: Targets, rows: Indices) -> Numbers:
    """Return mean and standard deviation of each target over all rows of training."""
    if targets.problem == "classification":
        return (), ()
    of = groups.group_of(rows)
    bounds = np.searchsorted(of, np.arange(len(groups.number) + 1))
    sums = np.zeros((2, len(columns.targets)))
    shift: Any = None
    for group in np.unique(of).tolist():
        own = rows[bounds[group] : bounds[group + 1]] - int(groups.start[group])
        values = groups.numbers(group, columns.targets)[own]
        # From a value in their midst: far from zero, squares would lose what differs.
        shift = values.mean(axis=0) if shift is None else shift
        sums += np.stack([(values - shift).sum(axis=0), ((values - shift) ** 2).sum(axis=0)])
    mean = sums[0] / len(rows)
    std = np.sqrt(np.maximum(sums[1] / len(rows) - mean**2, 0))
    std[std == 0] = 1.0
    return tuple((mean + shift).tolist()), tuple(std.tolist())


def _info(
    groups: RowGroups,
    shards: Shards,
    columns: Columns,
    targets: Targets,
    parts: tuple[Indices, Indices, Indices],
    labels: Indices | None,
    scales: Numbers,
    goal: Numbers,
) -> RowsInfo:
    classes = targets.classes
    names = columns.targets if targets.problem == "regression" else ()
    sized = [f"{n} {p.stat().st_size}" for n, p in zip(shards.names, shards.paths, strict=True)]
    content = "\n".join([*columns.features, *columns.targets, *sized]).encode("utf-8", "replace")
    stored = np.empty(0, np.int64) if labels is None else labels
    width = len(columns.features)
    what = f"{columns.targets[0]} in {len(classes)} classes" if classes else ", ".join(names)
    answer = ClassAnswer(classes) if classes else NumbersAnswer(names, *goal)
    counts: Any = ()
    if labels is not None:
        counts = np.bincount(labels[parts[0]], minlength=len(classes))
    return RowsInfo(
        problem=targets.problem,
        about=f"{width} columns of numbers, {what}",
        features=columns.features,
        mean=scales[0],
        std=scales[1],
        classes=classes,
        num_classes=len(classes),
        class_counts=tuple(int(count) for count in counts),
        targets=names,
        target_mean=goal[0],
        target_std=goal[1],
        num_outputs=len(classes) or len(names),
        input_shape=(width,),
        num_train=len(parts[0]),
        num_validation=len(parts[1]),
        num_test=len(parts[2]),
        fingerprint=fingerprint(content, stored, parts),
        reader=RowReader(columns.features, *scales).node,
        answer=answer.node,
    )
