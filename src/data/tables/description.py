"""What the splits of a table say about themselves, and their fingerprint."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.answers import ClassAnswer, LabelsAnswer, NumbersAnswer
from data.tables.columns import Floats
from data.tables.division import Parts
from data.tables.encoding import Encoding
from data.tables.features import Feature
from data.tables.frame import Frame
from data.tables.info import TableInfo
from data.tables.reader import TableReader
from data.tables.remarks import about
from data.tables.target import Target

Scale = tuple[tuple[float, ...], tuple[float, ...]]


def info_of(
    frame: Frame, target: Target, encoding: Encoding, scale: Scale, parts: Parts, mark: str
) -> TableInfo:
    """Return the facts that models, evaluation, export and predict need."""
    train = target.values[parts[0]]
    counts: NDArray[Any] = np.empty(0)
    answer: Any
    if target.problem == "classification":
        counts = np.bincount(train.astype(np.int64), minlength=len(target.classes))
        answer = ClassAnswer(target.classes)
    elif target.problem == "multilabel":
        counts = train.sum(axis=0)
        answer = LabelsAnswer(target.classes)
    else:
        answer = NumbersAnswer(target.columns, *scale)
    targets = target.columns if target.problem == "regression" else ()
    return TableInfo(
        problem=target.problem,
        about=about(encoding, target),
        columns=encoding.columns,
        num_numeric=encoding.num_numeric,
        cardinalities=encoding.cardinalities,
        input_shape=(len(encoding.columns),),
        num_outputs=len(target.classes) or len(targets),
        classes=target.classes,
        num_classes=len(target.classes),
        class_counts=tuple(counts.astype(np.int64).tolist()),
        targets=targets,
        target_mean=scale[0],
        target_std=scale[1],
        target=target.columns,
        num_train=len(parts[0]),
        num_validation=len(parts[1]),
        num_test=len(parts[2]),
        fingerprint=mark,
        reader=TableReader.of(encoding, frame).node,
        answer=answer.node,
    )


def content_digest(
    frame: Frame, shapes: Sequence[Feature], values: Mapping[str, Floats], target: Target
) -> Any:
    """Return the digest of all that is learned from and of the targets."""
    kinds = [[each.name, each.kind] for each in shapes]
    named = json.dumps([kinds, target.problem, target.columns, target.classes])
    digest = hashlib.sha256(named.encode())
    for shape in shapes:
        column = frame.columns[shape.name]
        array = values[shape.name] if shape.name in values else column.as_texts().codes
        _add(digest, array)
        digest.update(json.dumps(list(column.texts)).encode())
    _add(digest, target.values)
    return digest


def fingerprint(digest: Any, parts: Parts) -> str:
    """Return the SHA-256 over the content and the split."""
    for part in parts:
        _add(digest, part)
    return str(digest.hexdigest())


def _add(digest: Any, array: Any) -> None:
    digest.update(f"{array.dtype.str} {array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)
