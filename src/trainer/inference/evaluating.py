"""A trained model measured again: on its own splits, on other data, or as an artefact."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.batches import batches
from trainer.errors import Refused
from trainer.facts import problem_of
from trainer.inference.in_order import InOrder, Joined
from trainer.inference.stream import Outputs
from trainer.measuring import count, sample_indices
from trainer.protocols import Loader, Measured
from trainer.task import Prediction
from trainer.trained import Trained

PARTS = ("train", "validation", "test")
OWN = ("test", "validation")  # what a run measures itself


@dataclass(frozen=True)
class Measurement:
    """What was measured, and the samples that it was measured on, in their order."""

    split: str
    measured: Measured
    dataset: Any
    indices: list[int]


def measure(
    trained: Trained, split: str, *, other: bool = False, artefact: Outputs | None = None
) -> Measurement:
    """Count one split, or all of them as one ("all"), without augmentation.

    `trained` has its data; `other` says that these are not the ones it was trained on: then they
    are normalised as its own were, and their classes are matched by name. Test and validation of
    its own data give exactly the numbers of the end of training, on the same device. With
    `artefact`, that computes the outputs. Raises Refused for a split that isn't there, for classes
    and inputs that the model doesn't know, and where it fails on what it gets.
    """
    assert trained.splits is not None and trained.loaders is not None
    datasets = chosen(trained.splits, split)
    loader: Loader
    if other or split not in OWN:
        numbers = None
        if all(hasattr(dataset, "seen_as") for dataset in datasets):
            classes = getattr(trained.splits.info, "classes", ())
            datasets = [dataset.seen_as(trained.info, classes) for dataset in datasets]
        elif other and problem_of(trained.info) == "classification":
            numbers = class_numbers(trained.splits.info.classes, trained.info.classes)
            refuse_other_shape(trained)
        loader = InOrder(Joined(datasets), trained, numbers)
    else:
        loader = getattr(trained.loaders, split)
    if artefact is not None:
        judged: Any = Judged(trained.task, artefact)
        trained = replace(trained, task=judged)
    try:
        with explained(trained, loader):
            measured = count(
                trained.task,
                trained.modules,
                loader,
                evaluation=trained.evaluation,
                info=trained.info,
                device=trained.device,
                context=trained.precision.context,
                keep=True,
            )
    finally:
        loader.close()
    dataset = datasets[0] if len(datasets) == 1 else Joined(datasets)
    return Measurement(split, measured, dataset, list(sample_indices(loader)))


def chosen(splits: Any, split: str) -> list[Any]:
    """The datasets of a split, or of all; raises Refused where there is none."""
    there = {name: found for name in PARTS if (found := getattr(splits, name)) is not None}
    if split == "all":
        return list(there.values())
    if split not in there:
        raise Refused(f"the data has no {split} split; it has {', '.join(there)}: split=...")
    return [there[split]]


def class_numbers(names: Sequence[str], known: Sequence[str]) -> list[int]:
    """For each class of the data, its number in the model; raises Refused for unknown ones."""
    numbers = {str(name): number for number, name in enumerate(known)}
    strange = [repr(name) for name in map(str, names) if name not in numbers]
    if strange:
        more = ", ..." if len(strange) > 5 else ""
        raise Refused(
            f"the data has {len(names)} classes, of which the model doesn't know "
            f"{', '.join(strange[:5])}{more}; it knows {', '.join(numbers)[:200]}: give them the "
            "same names, or leave the others out"
        )
    return [numbers[str(name)] for name in names]


def refuse_other_shape(trained: Trained) -> None:
    """Raise Refused where other data says that its inputs have another shape."""
    assert trained.splits is not None
    shapes = [getattr(i, "input_shape", None) for i in (trained.splits.info, trained.info)]
    here, known = ("x".join(map(str, shape or ())) for shape in shapes)
    if here and known and here != known:
        raise Refused(
            f"the inputs of the data are {here}, the model was trained on {known}; give data of "
            "that shape"
        )


class Judged:
    """A task whose outputs an artefact computes; all else is the task's own.

    Where the model computes its loss itself, which no artefact has, the loss has no weight.
    """

    def __init__(self, task: Any, artefact: Outputs) -> None:
        if not hasattr(task, "example"):
            raise Refused(
                f"the task {type(task).__name__} doesn't say what its model's inputs are (by a "
                "method `example`); evaluate it without --artefact"
            )
        self.task, self.artefact = task, artefact

    def predict(self, modules: Mapping[str, Any], batch: Any) -> Prediction:
        """What the task makes of a batch and the artefact's outputs for it."""
        _, inputs, named = self.task.example(batch)
        arrays = [array(value) for value in inputs]
        found = self.artefact(*arrays, **{name: array(value) for name, value in named.items()})
        target: Tensor = batch[self.task.target]
        outputs = torch.from_numpy(np.asarray(found)).to(target.device)
        if getattr(self.task, "whole_output", False):
            nothing = outputs.new_zeros(())
            return Prediction(outputs, target, nothing, nothing)
        task = copy.copy(self.task)
        task.output = None  # an artefact gives nothing but what was picked
        computed = {**modules, "model": lambda *_, **__: outputs}
        prediction: Prediction = task.predict(computed, batch)
        return prediction


def array(value: Tensor) -> NDArray[Any]:
    """A tensor as an artefact takes it."""
    found: NDArray[Any] = value.detach().cpu().numpy()
    return found


@contextmanager
def explained(trained: Trained, loader: Loader) -> Iterator[None]:
    """Raise Refused with one line where the model fails on what the data gives."""
    try:
        yield
    except Exception as error:
        if hasattr(error, "exit_code"):
            raise
        from trainer.explanation import first_line, shapes

        batch = next(batches(loader))
        known = getattr(trained.info, "input_shape", None)
        before = f" (it was trained on inputs of {list(known)})" if known else ""
        raise Refused(
            f"the model fails on a batch of {shapes(batch)}{before}: {first_line(error)}; give "
            "data of the kind that it was trained on"
        ) from error
