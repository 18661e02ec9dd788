"""The proof: each artefact, loaded in a fresh process, against the model on real batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from trainer.errors import Failed
from trainer.export.fresh import Broken, Fresh
from trainer.export.parity import Parity
from trainer.export.reasons import told_by

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from trainer.export.subject import Subject
    from trainer.protocols import Loader, Measured
    from trainer.trained import Trained


@dataclass
class Case:
    """One artefact on trial."""

    form: str
    process: Fresh
    parity: Parity
    measured: Measured | None = None
    refusal: str | None = None  # why it is none, once that is known
    metrics: dict[str, float] = field(default_factory=dict)
    latency: dict[str, float] = field(default_factory=dict)  # milliseconds by batch size

    def refuse(self, why: str) -> None:
        """Note why it is none; the first reason stays."""
        self.refusal = self.refusal or why

    def figures(self) -> dict[str, Any]:
        """What the manifest says of its proof; milliseconds, with so many threads."""
        return {
            "parity": self.parity.figures(),
            "metrics": self.metrics,
            "latency_ms": self.latency,
            "threads": self.process.threads,
        }

    def compare(self, inputs: Sequence[NDArray[Any]], expected: NDArray[Any]) -> Any:
        """Run it on a batch; its outputs, or None where it is refused."""
        if self.refusal is not None:
            return None
        try:
            found = self.process.run(inputs)
        except Broken as error:
            self.refuse(f"it fails on {shapes(inputs)}: {error}")
            return None
        if not self.parity.add(expected, found):
            self.refuse(f"{self.parity.failure()} (on {shapes(inputs)})")
            return None
        return found


def split_of(trained: Trained, order: Sequence[str]) -> tuple[str, Loader]:
    """The first of these splits that there is, with its loader."""
    assert trained.loaders is not None
    for split in order:
        loader: Loader | None = getattr(trained.loaders, split)
        if loader is not None:
            return split, loader
    raise AssertionError("a run has training data")


def compare_sizes(
    cases: Sequence[Case], subject: Subject, batch: Any, sizes: Sequence[int]
) -> None:
    """Compare batches of several sizes, all out of one real batch."""
    for size in sizes:
        part = subject.resized(batch, size)
        try:
            expected = subject.expected(part).outputs
        except Exception as error:
            if size == 1:
                continue  # what the model can't take, its artefact needn't
            told = f"the model itself can't take a batch of {size}: {told_by(error)}"
            return refuse_all(cases, told)
        if not same_twice(expected, subject.expected(part).outputs):
            return refuse_all(
                cases,
                "the model gives other outputs each time, though it is in eval mode; take what is "
                "random out of its evaluation",
            )
        if wrong := unfit(expected):
            return refuse_all(cases, wrong)
        for case in cases:
            case.compare(subject.arrays(part), expected.numpy())
    return None


def compare_shapes(cases: Sequence[Case], subject: Subject, batch: Any) -> None:
    """Compare inputs that are cut in the dimensions that `export.dynamic` names."""
    tensors = subject.tensors(batch)
    pairs = zip(tensors, subject.inputs, strict=True)
    shorter = [cut(tensor, each.dynamic) for tensor, each in pairs]
    if all(a.shape == b.shape for a, b in zip(tensors, shorter, strict=True)):
        return None
    inputs = [tensor.contiguous().numpy() for tensor in shorter]
    try:
        with torch.no_grad():
            expected = subject.wrapper(*shorter).float()
    except Exception as error:
        told = f"the model itself can't take {shapes(inputs)}: {told_by(error)}"
        return refuse_all(cases, f"{told}; leave that out of export.dynamic")
    for case in cases:
        case.compare(inputs, expected.numpy())
    return None


def cut(tensor: Tensor, dynamic: Mapping[int, str]) -> Tensor:
    """About three quarters of each dimension that may vary, but for the batch."""
    for dim in dynamic:
        if dim > 0:
            tensor = tensor.narrow(dim, 0, max(1, (3 * tensor.shape[dim] + 3) // 4))
    return tensor


def measure_latency(case: Case, subject: Subject, batch: Any, sizes: Sequence[int]) -> None:
    """Median milliseconds of a call at each batch size."""
    for size in sizes:
        if case.refusal is None:
            try:
                inputs = subject.arrays(subject.resized(batch, size))
                case.latency[str(size)] = round(case.process.time(inputs), 4)
            except Broken as error:
                case.refuse(f"it fails on batches of {size}: {error}")


def conclude(cases: Sequence[Case]) -> None:
    """Refuse what is beyond the tolerance, over all that was compared."""
    for case in cases:
        if told := case.parity.failure():
            case.refusal = told if case.refusal is None else case.refusal
        elif not case.parity.samples:
            case.refuse("there was no batch to compare it on")


def refuse_all(cases: Sequence[Case], why: str) -> None:
    """One reason for every artefact."""
    for case in cases:
        case.refuse(why)


def unfit(outputs: Tensor) -> str | None:
    """What is said of outputs that nothing can be compared with."""
    if outputs.isnan().any():
        return (
            "the model itself gives NaN on real inputs; look for a division by 0 or a log of 0 in "
            "it, or train with a lower optimizer.lr"
        )
    return None


def same_twice(first: Tensor, second: Tensor) -> bool:
    """Whether two outputs for one batch are the same, NaN being equal to NaN."""
    return bool(torch.allclose(first, second, rtol=1e-5, atol=1e-6, equal_nan=True))


def shapes(inputs: Sequence[NDArray[Any]]) -> str:
    """`[7, 1, 8, 8]`, or several of them."""
    return ", ".join(str(list(array.shape)) for array in inputs)


def failed(refusals: Mapping[str, str]) -> Failed:
    """The error for artefacts that didn't hold, each reason once."""
    told = [
        f"{' and '.join(form for form in refusals if refusals[form] == why)}: {why}"
        for why in dict.fromkeys(refusals.values())
    ]
    return Failed(f"an export failed its proof, and nothing of it is kept: {'; '.join(told)}")
