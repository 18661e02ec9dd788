"""What is exported: the evaluated model as a function of named inputs, and what it has to give."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.export.capture import capture
from trainer.export.formats import NotPossible
from trainer.export.inputs import Dynamic, described, identifiers, positional_names
from trainer.export.plain import fingerprint, num_samples, on_cpu, plain_copy, resized
from trainer.export.reasons import place, reason, told_by
from trainer.export.silence import silence
from trainer.facts import problem_of
from trainer.task import Prediction, kind_of, not_a_tensor
from trainer.trained import Trained

# Not 1, which torch.export takes for a constant.
EXAMPLE = 2


class Subject:
    """A trained model as it is exported, and as its artefacts are compared with it.

    `batches` are a few real ones, of which the first is the example. Dimensions in which they
    differ are dynamic, as the batch size is; `dynamic` has further ones: {input: {number: name}}.
    All of it is a plain copy on the CPU, in fp32, in eval mode. Raises NotPossible for a model that
    can't be exported in any form.
    """

    def __init__(
        self, trained: Trained, batches: Sequence[Any], dynamic: Dynamic | None = None
    ) -> None:
        self.task: Any = plain_copy(trained)
        self.decides = problem_of(trained.info) == "classification"
        self.modules = {name: getattr(self.task, name) for name in trained.modules}
        if not hasattr(self.task, "example"):
            raise NotPossible(
                f"the task {type(self.task).__name__} doesn't say what is exported; give it a "
                "method `example` as trainer.Supervised has, or use export=none"
            )
        self.batches = [on_cpu(batch) for batch in batches]
        small = self.resized(self.batches[0], EXAMPLE)
        self.model, args, named = self.task.example(small)
        self.keywords = tuple(named)
        self.names = identifiers([*positional_names(self.model, len(args)), *named])
        self.example: tuple[Any, ...] = (*args, *named.values())
        for name, value in zip(self.names, self.example, strict=True):
            if not isinstance(value, Tensor):
                raise NotPossible(
                    f"the input {name} is {kind_of(value)}, and an artefact takes tensors; let the "
                    "dataset give one, or use export=none"
                )
        self.wrapper = self.wrapped()
        seen = list(map(self.tensors, self.batches))
        numbers = list(map(self.number, self.batches))
        self.inputs = described(self.names, self.example, seen, numbers, dynamic or {})
        self.output = next(n for n in ("logits", "output", "outputs_") if n not in self.names)
        self.output_shape = self.tried(small)
        self._program: Any = None

    @property
    def is_plain(self) -> bool:
        """Whether the model itself takes the inputs by position and gives what is evaluated."""
        return not self.keywords and getattr(self.task, "output", None) is None

    @cached_property
    def num_bytes(self) -> int:
        """About how much an artefact takes."""
        state = [*self.model.parameters(), *self.model.buffers()]
        return 1_000_000 + sum(int(tensor.nbytes) for tensor in state)

    @cached_property
    def weights(self) -> str:
        """SHA-256 of the weights: artefacts of the same ones can stand side by side."""
        return fingerprint(self.model)

    def number(self, batch: Any) -> int:
        """How many samples a batch holds."""
        return num_samples(self.task, batch)

    def resized(self, batch: Any, size: int) -> Any:
        """A batch of that size, of a batch's own samples."""
        return resized(batch, self.number(batch), size)

    def tensors(self, batch: Any) -> list[Tensor]:
        """The inputs of a batch, in their order."""
        _, args, named = self.task.example(batch)
        return [*args, *named.values()]

    def arrays(self, batch: Any) -> list[NDArray[Any]]:
        """The inputs of a batch, in their order, as an artefact takes them."""
        return [tensor.contiguous().numpy() for tensor in self.tensors(batch)]

    def expected(self, batch: Any) -> Prediction:
        """What the evaluation gets for a batch; raises NotPossible where that is no tensor."""
        with torch.no_grad():
            found: Prediction = self.task.predict(self.modules, batch)
        if not isinstance(found.outputs, Tensor):
            raise NotPossible(not_a_tensor(found.outputs))
        return found._replace(outputs=found.outputs.float())

    def tried(self, batch: Any) -> list[int]:
        """The shape of the outputs; raises NotPossible where the copy can't be run."""
        try:
            return list(self.expected(batch).outputs.shape)
        except NotPossible:
            raise
        except Exception as error:  # a model is foreign code
            raise NotPossible(
                f"the model can't be run on the CPU with a batch of {EXAMPLE}: {told_by(error)}"
                f"{place(error)}; keep tensors as parameters or buffers, or use export=none"
            ) from error

    def outputs(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """What a model of one input gives for it."""
        with torch.no_grad():
            found: NDArray[Any] = self.wrapper(torch.from_numpy(inputs)).float().numpy()
        return found

    def judged(self, outputs: Tensor, batch: Any, expected: Prediction) -> Prediction:
        """What the evaluation makes of an artefact's outputs.

        Where the model computes its loss itself, which no artefact has, its weight is 0.
        """
        if getattr(self.task, "whole_output", False) or not hasattr(self.task, "output"):
            nothing = outputs.new_zeros(())
            return Prediction(outputs, expected.target, nothing, nothing)
        task = copy.copy(self.task)
        task.output = None
        modules = {
            name: (lambda *_, **__: outputs) if module is self.model else module
            for name, module in self.modules.items()
        }
        with torch.no_grad():
            found: Prediction = task.predict(modules, batch)
        return found

    def program(self) -> Any:
        """The model as torch.export has it, made once for all forms; raises NotPossible."""
        if self._program is None:
            try:
                with silence(), torch.no_grad():
                    self._program = capture(self.wrapper, self.example, self.dynamic_shapes())
            except Exception as error:  # an exporter meets foreign models, and raises anything
                self._program = NotPossible(reason(error, "torch_export"))
        if isinstance(self._program, NotPossible):
            raise self._program
        return self._program

    def dynamic_shapes(self) -> dict[str, dict[int, Any]]:
        """What torch.export is told of the sizes that may vary."""
        labels = {label for each in self.inputs for label in each.dynamic.values()}
        made = {label: torch.export.Dim(label, min=1) for label in labels}
        return {
            each.name: {dim: made[label] for dim, label in each.dynamic.items()}
            for each in self.inputs
        }

    def wrapped(self) -> nn.Module:
        """A module that takes every input by position and gives what is evaluated."""
        pick = getattr(self.task, "pick", lambda outputs: outputs)
        keywords = self.keywords
        count = len(self.names) - len(keywords)

        def forward(self: Any, *inputs: Tensor) -> Any:
            named = dict(zip(keywords, inputs[count:], strict=True))
            return pick(self.model(*inputs[:count], **named))

        # The artefact's arguments are named after it.
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        parameters = [inspect.Parameter(name, kind) for name in ("self", *self.names)]
        signed: Any = forward
        signed.__signature__ = inspect.Signature(parameters)
        made: Any = type("Exported", (nn.Module,), {"forward": forward})()
        made.model = self.model
        return made.eval()  # type: ignore[no-any-return]
