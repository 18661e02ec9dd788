"""A trained model with all that is known about it: what export, predict and evaluate work on."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from trainer.errors import Refused
from trainer.precision import Precision
from trainer.protocols import Evaluation, Loaders, Reader, Splits
from trainer.task import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from trainer.recording import Console


@dataclass(frozen=True)
class Trained:
    """The outcome of a run, ready to be used.

    `task` holds the weights that were evaluated (the averaged ones where there are any), in eval
    mode, on `device`; `modules` are its parts by name, as `task.predict` takes them.
    """

    folder: Path
    config: Mapping[str, Any]  # as stored, plain
    info: Any  # what the data said of itself: classes, num_classes, input_shape, reader ...
    task: Task
    modules: Mapping[str, nn.Module]
    evaluation: Evaluation
    precision: Precision
    reader: Reader | None  # None where the data doesn't say how a file becomes an input
    device: torch.device
    step: int  # of the weights
    metrics: Mapping[str, float] = field(default_factory=dict)  # as measured: test/accuracy ...
    splits: Splits | None = None  # where the data was asked for
    loaders: Loaders | None = None  # likewise

    def outputs(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """The model's outputs (logits [B, C] of a classifier) for one batch of model input.

        `inputs` is what `Reader.batch` gives. Raises Refused for a task that takes several inputs.
        """
        batch = torch.from_numpy(inputs).to(self.device)
        with torch.inference_mode(), self.precision.context:
            found = outputs_of(self.task, self.modules, batch)
        result: NDArray[np.float32] = found.float().cpu().numpy()
        return result


@runtime_checkable
class Export(Protocol):
    """Turns a trained model into something that others can use."""

    def write(self, trained: Trained, folder: Path, console: Console) -> None:
        """Write the artefacts into the run's `export/`."""
        ...


def outputs_of(task: Any, modules: Mapping[str, nn.Module], inputs: Tensor) -> Tensor:
    """What a task's model gives for its one input, as it is compared with the target."""
    fields = getattr(task, "inputs", None)
    fields = list(fields.values() if isinstance(fields, Mapping) else fields or ())
    if len(fields) != 1:
        what = f"{len(fields)} inputs" if fields else "inputs of its own"
        raise Refused(
            f"the task {type(task).__name__} takes {what}, and predict has one for each sample; "
            "use its model from Python"
        )
    batch = {fields[0]: inputs} if isinstance(fields[0], str) else [inputs] * (fields[0] + 1)
    picked: Tensor = task.pick(task.forward_model(modules, batch))
    return picked


def with_modules(task: Task, modules: Mapping[str, nn.Module]) -> Task:
    """The same task around other modules, which are shared and not copied; in eval mode."""
    assert isinstance(task, nn.Module)
    changed = copy.copy(task)
    # A shallow copy shares the table of submodules: the task that is trained keeps its own.
    changed._modules = {**task._modules, **modules}
    changed.training = False
    for module in modules.values():
        module.eval()
    return changed
