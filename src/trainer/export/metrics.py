"""The metrics, measured again on each artefact, batch by batch beside the model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from trainer.batches import batches
from trainer.evaluation.classification import METRICS
from trainer.export.parity import Parity
from trainer.export.plain import on_cpu
from trainer.export.proof import Case, refuse_all, unfit

if TYPE_CHECKING:
    from trainer.export.subject import Subject
    from trainer.protocols import Loader
    from trainer.trained import Trained


def measure(
    cases: Sequence[Case], subject: Subject, trained: Trained, split: str, loader: Loader, most: int
) -> dict[str, float]:
    """Compare batch after batch, and count the metrics on the model and on each artefact.

    Of more than `most` samples only each second, third ... batch is taken. Returns the model's
    metrics, by `split/name`; none where no artefact is left to compare them with.
    """
    own = trained.evaluation.start(trained.info, "cpu")
    for case in cases:
        case.measured = trained.evaluation.start(trained.info, "cpu")
    for batch in taken(loader, most):
        if all(case.refusal is not None for case in cases):
            return {}
        expected = subject.expected(batch)
        if told := unfit(expected.outputs):
            refuse_all(cases, told)
            return {}
        own.update(expected.outputs, expected.target, expected.loss, expected.weight)
        inputs = subject.arrays(batch)
        for case in cases:
            found = case.compare(inputs, expected.outputs.numpy())
            if found is not None and case.measured is not None:
                outputs = torch.from_numpy(found).float()
                judged = subject.judged(outputs, batch, expected)
                case.measured.update(judged.outputs, judged.target, judged.loss, judged.weight)
    values = own.values()
    for case in cases:
        if case.refusal is None and case.measured is not None:
            found_values = case.measured.values()
            case.metrics = finite(found_values, split)
            # Outputs that differ too much say more than the metrics that follow from them.
            told = case.parity.failure() or other_metrics(values, found_values, case.parity)
            if told:
                case.refuse(told)
    return finite(values, split)


def taken(loader: Loader, most: int) -> Iterator[Any]:
    """The batches that are measured, on the CPU."""
    stride = max(1, math.ceil(loader.num_samples / most))
    for number, batch in enumerate(batches(loader)):
        if number % stride == 0:
            yield on_cpu(batch)


def other_metrics(
    expected: Mapping[str, float], found: Mapping[str, float], parity: Parity
) -> str | None:
    """What is said where the metrics are not those of the model, near ties apart."""
    for name in expected:
        if name == "loss" or parity.differing:
            continue
        # Counts are the same; means of what is no count may differ in their last digits.
        room = 0.0 if name in METRICS else 1e-4 + 1e-3 * abs(expected[name])
        if abs(found[name] - expected[name]) > room:
            return f"its {name} is {found[name]:.6f} and the model's {expected[name]:.6f}"
    loss, own = found["loss"], expected["loss"]
    # Twice: log-softmax moves by up to two differences of the outputs.
    room = 2 * parity.bound + 1e-5 * abs(own)
    if math.isfinite(loss) and math.isfinite(own) and abs(loss - own) > room:
        return f"its loss is {loss:.6f} and the model's {own:.6f}"
    return None


def finite(values: Mapping[str, float], split: str) -> dict[str, float]:
    """The metrics that were measured, by `split/name`."""
    return {f"{split}/{name}": v for name, v in values.items() if math.isfinite(v)}
