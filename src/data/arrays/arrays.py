"""`arrays`: samples in .npy, .npz, .pt or .safetensors files, or tensors from Python."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.answers import ClassAnswer, LabelsAnswer, NumbersAnswer
from data.arrays.files import Pair, as_array, open_arrays, pairs_in
from data.arrays.info import ArraysInfo
from data.arrays.layout import LAYOUTS, PICTURES, Layout, input_shape, layout_of
from data.arrays.look import look_arrays
from data.arrays.reader import ArrayReader
from data.arrays.stack import RowNames, Stack
from data.arrays.statistics import Passed, passed_over
from data.arrays.targets import PROBLEMS, Problem, Targets, targets_of
from data.errors import DataError
from data.splits import Indices, Splits
from data.splitting import split as divided

__all__ = ["arrays", "look_arrays"]


def arrays(
    path: str | Path | None = None,
    *,
    inputs: Any = None,
    targets: Any = None,
    problem: Problem | None = None,
    classes: Sequence[str] | None = None,
    layout: Layout | None = None,
    normalise: bool = True,
    split: str | None = None,
    validation: float = 0.1,
    test: float = 0.2,
    split_seed: int = 0,
    folds: int | None = None,
    fold: int | None = None,
    splits: str | None = None,
) -> Splits[ArraysInfo]:
    """Return the rows of arrays as samples, split into training, validation and test.

    From files: x.npy beside y.npy, or arrays of such names in one .npz, .pt or .safetensors file;
    x_train, y_train, x_test ... are splits that are given. From Python: `inputs` and `targets` are
    tensors or arrays. .npy files are mapped: they may be larger than memory.

    Args:
        path: a file, or the folder that holds them.
        inputs: name of the inputs in it, where it isn't a usual one; or the inputs themselves.
        targets: likewise of the targets.
        problem: "classification", "multilabel" or "regression"; None: text and whole numbers [N]
            are classes, 0 and 1 [N, L] are labels, other numbers are numbers.
        classes: names of the classes, labels or numbers.
        layout: what the axes of a sample mean: "flat" (features), "hw", "chw", "hwc" (pictures),
            "sequence" (steps x channels), "any"; None to find out.
        normalise: subtract the mean and divide by the standard deviation of each feature or
            channel, over the training split.
        split: "stratified", "random", "hash" or "column" (the given splits); None for what fits.
        validation: fraction of the samples, where no such split is given; 0 for none.
        test: likewise.
        split_seed: which split; independent of the run's seed.
        folds: divide all but the test into so many parts, see `data.folds`.
        fold: which of them, from 0, is the validation; `validation` then has no effect.
        splits: path of a splits.csv to follow.

    Raises:
        DataError: all that is wrong with the arguments, or with the arrays.
    """
    from data.arrays.dataset import Arrays, PictureArrays

    _refuse_arguments(problem, layout)
    pairs = _pairs(path, inputs, targets)
    _refuse_misfits(pairs)
    name = pairs[0].name if len(pairs) == 1 else "samples"
    whole = Stack([pair.inputs for pair in pairs])
    found = np.concatenate([p.targets for p in pairs if p.targets is not None])
    said = tuple(map(str, classes)) if classes else None
    target_name = pairs[0].target_name or "target"
    aims = targets_of(found, problem, target_name, said)
    kind = layout_of(whole.sample_shape, whole.dtype.kind, layout, name)
    parts = divided(
        count=len(whole),
        method=split,
        validation=validation,
        test=test,
        seed=split_seed,
        labels=aims.values if aims.problem == "classification" else None,
        given=[p.split for p in pairs for _ in range(len(p.inputs))] if pairs[0].split else None,
        names=RowNames(name, np.arange(len(whole))),
        classes=aims.classes or None,
        folds=folds,
        fold=fold,
        splits=splits,
    )
    seen = passed_over(whole, parts[0], kind, name, normalise=normalise)
    info = _info(whole, aims, parts, kind, seen, inputs if isinstance(inputs, str) else None)
    make = PictureArrays if kind in PICTURES else Arrays
    options: dict[str, Any] = {
        "layout": kind,
        "name": name,
        "mean": info.mean,
        "std": info.std,
        "target_mean": info.target_mean,
        "target_std": info.target_std,
    }
    train, val, last = (make(whole, p, aims, **options) if len(p) else None for p in parts)
    return Splits(train, val, last, info)


def _refuse_arguments(problem: Any, layout: Any) -> None:
    problems = []
    if problem not in (None, *PROBLEMS):
        problems.append(f"problem ({problem!r}) in data.problem; choose {', '.join(PROBLEMS)}")
    if layout not in (None, *LAYOUTS):
        problems.append(f"layout ({layout!r}) in data.layout; choose {', '.join(LAYOUTS)}")
    if problems:
        raise DataError(*problems)


def _pairs(path: str | Path | None, inputs: Any, targets: Any) -> list[Pair]:
    """Return the arrays: those that are given, or those of the files."""
    given = [each for each in (inputs, targets) if each is not None and not isinstance(each, str)]
    if not given:
        return pairs_in(open_arrays(path), inputs, targets)
    if len(given) == 1 or path is not None:
        raise DataError("give inputs and targets as tensors, both of them, or data.path alone")
    return [Pair("", as_array(inputs), as_array(targets), "inputs", "target")]


def _refuse_misfits(pairs: Sequence[Pair]) -> None:
    """Raise DataError, with all problems, unless each input has a target and all are alike."""
    problems = []
    for pair in pairs:
        where = f"{pair.name} ({list(pair.inputs.shape)})"
        if not pair.inputs.ndim:
            problems.append(f"{where} is a single number; give [N, ...], a row for each sample")
            continue
        if pair.targets is None:
            problems.append(
                f"{where} has no targets beside it; call them y (or y_train ...), or name them: "
                "data.targets=..."
            )
        elif not pair.targets.ndim or len(pair.targets) != len(pair.inputs):
            problems.append(
                f"{where} has {len(pair.inputs)} samples and {pair.target_name} "
                f"({list(pair.targets.shape)}) as many targets as "
                f"{len(pair.targets) if pair.targets.ndim else 0}; give one for each sample"
            )
        if pair.inputs.dtype.kind not in "biuf":
            problems.append(f"{pair.name} holds {pair.inputs.dtype}; give numbers")
        if not pair.inputs.size:
            problems.append(f"{where} is empty; give samples")
    shapes = {pair.inputs.shape[1:] for pair in pairs if pair.inputs.ndim}
    if len(shapes) > 1:
        told = ", ".join(f"{pair.name} {list(pair.inputs.shape)}" for pair in pairs)
        problems.append(f"samples of different shapes ({told}); make them alike")
    if problems:
        raise DataError(*problems)


def _info(
    whole: Stack,
    aims: Targets,
    parts: tuple[Indices, Indices, Indices],
    layout: Layout,
    seen: Passed,
    inputs: str | None,
) -> ArraysInfo:
    shape = input_shape(whole.sample_shape, layout)
    train = aims.values[parts[0]]
    target_mean: tuple[float, ...] = ()
    target_std: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    if aims.problem == "regression":
        std = train.std(axis=0)
        std[std == 0] = 1.0
        target_mean, target_std = tuple(train.mean(axis=0).tolist()), tuple(std.tolist())
        answer: Any = NumbersAnswer(aims.names, target_mean, target_std)
    elif aims.problem == "multilabel":
        counts = tuple(train.sum(axis=0).astype(int).tolist())
        answer = LabelsAnswer(aims.classes)
    else:
        counts = tuple(np.bincount(train, minlength=len(aims.classes)).tolist())
        answer = ClassAnswer(aims.classes)
    pixels = layout in PICTURES and whole.dtype == np.uint8
    reader = ArrayReader(
        shape=whole.sample_shape,
        layout=layout,
        mean=seen.mean,
        std=seen.std,
        pixels=pixels,
        inputs=inputs,
    )
    digest = hashlib.sha256(seen.digest)
    for array in (aims.values, *parts):
        digest.update(np.int64(len(array)).tobytes())
        digest.update(np.ascontiguousarray(array).tobytes())
    picture = layout in PICTURES
    return ArraysInfo(
        problem=aims.problem,
        about=_about(shape, whole.dtype, layout, aims),
        num_outputs=len(aims.classes) or len(aims.names),
        layout=layout,
        input_shape=shape,
        channels=shape[0] if picture else shape[1] if layout == "sequence" else 0,
        height=shape[1] if picture else 0,
        width=shape[2] if picture else 0,
        mean=seen.mean,
        std=seen.std,
        num_train=len(parts[0]),
        num_validation=len(parts[1]),
        num_test=len(parts[2]),
        fingerprint=digest.hexdigest(),
        reader=reader.node,
        answer=answer.node,
        classes=aims.classes,
        num_classes=len(aims.classes),
        class_counts=counts,
        targets=aims.names,
        target_mean=target_mean,
        target_std=target_std,
    )


def _about(shape: tuple[int, ...], dtype: np.dtype[Any], layout: Layout, aims: Targets) -> str:
    kind = "pictures" if layout in PICTURES else "arrays"
    ends = {
        "classification": f"{len(aims.classes)} classes",
        "multilabel": f"{len(aims.classes)} labels",
        "regression": f"to predict {', '.join(aims.names[:3])}",
    }
    return f"{kind} {'x'.join(map(str, shape))} ({dtype}), {ends[aims.problem]}"
