"""What a batch means: the turns that a step takes, and what is measured."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from torch import Tensor, nn

from trainer.errors import Refused
from trainer.reduction import Parts, by_sample, in_parts

Modules = Mapping[str, nn.Module]


@dataclass(frozen=True)
class Turn:
    """One optimizer's move within a step.

    `optimizer` is the attribute of the task that is trained, and the key of its optimizer.
    `forward(modules, batch)` gets its modules by name, so that no wrapper (compile, averaged
    weights, several devices) is bypassed. `loss(outputs, batch)` is a scalar or (sum, weight);
    `parts` gives (sum, weight) where `loss` doesn't, and None says that a batch can't be split.
    The turn is taken on every `every`-th step. A classifier has one turn, a GAN has two.
    """

    optimizer: str
    forward: Callable[[Modules, Any], Any]
    loss: Callable[[Any, Any], Any]
    parts: Parts | None = None
    every: int = 1


class Prediction(NamedTuple):
    """What a task says of an evaluation batch: outputs, targets, and its loss in parts."""

    outputs: Tensor
    target: Tensor
    loss: Tensor
    weight: Tensor


@runtime_checkable
class Task(Protocol):
    """What the loop needs of a paradigm; a task is also an `nn.Module`."""

    def turns(self) -> Sequence[Turn]:
        """The moves of a step, in order."""

    def predict(self, modules: Modules, batch: Any) -> Prediction:
        """Outputs and targets of an evaluation batch."""


class Supervised(nn.Module):
    """One model, one optimizer: loss(model(input), target).

    `model` is any module, `loss` any callable (outputs, target). A batch is a tuple or a dict;
    `inputs` binds its fields to the model's forward: None takes the first by position, a list of
    fields several by position, a mapping {argument: field} by name. `target` is the field of the
    target (by default the second). `output` picks what the loss gets when the model returns a
    tuple (a number) or an object (a name). `weight` is for accumulation: see `reduction.in_parts`.
    `sample_weight` is the field that says how much each sample counts in the loss (a mean over
    these weights); it needs one of torch's own losses.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[Any, Any], Any],
        *,
        inputs: Sequence[str | int] | Mapping[str, str | int] | None = None,
        target: str | int | None = None,
        output: str | int | None = None,
        weight: Literal["samples", "elements"] | None = None,
        sample_weight: str | int | None = None,
    ) -> None:
        super().__init__()
        refuse_misfits(model, loss)
        self.model = model
        self.objective = loss
        self.inputs: list[str | int] | dict[str, str | int]
        if isinstance(inputs, Mapping):
            self.inputs = dict(inputs)
        else:
            self.inputs = [0] if inputs is None else list(inputs)
        self.target = 1 if target is None else target
        self.output = output
        self.whole_output = getattr(loss, "whole_output", False)
        self.parts_of_loss = in_parts(loss, weight)
        self.sample_weight = sample_weight
        self.single = None if sample_weight is None else by_sample(loss)
        if sample_weight is not None and self.single is None:
            raise Refused(
                f"task.sample_weight={sample_weight} needs a loss of torch.nn with reduction=mean, "
                f"and the loss is {kind_of(loss)}; choose another, or leave the weights out"
            )

    def turns(self) -> list[Turn]:
        """The one turn: the model's."""
        divisible = self.parts_of_loss is not None or self.single is not None
        parts = self.parts if divisible else None
        return [Turn("model", self.forward_model, self.loss, parts)]

    def forward_model(self, modules: Modules, batch: Any) -> Any:
        """The model's whole output for a batch."""
        inputs = self.inputs
        if isinstance(inputs, dict):
            return modules["model"](**{name: batch[field] for name, field in inputs.items()})
        return modules["model"](*[batch[field] for field in inputs])

    def example(self, batch: Any) -> tuple[nn.Module, tuple[Any, ...], dict[str, Any]]:
        """The module that is used after training, with inputs by position and by name."""
        if isinstance(self.inputs, dict):
            return self.model, (), {a: batch[field] for a, field in self.inputs.items()}
        return self.model, tuple(batch[field] for field in self.inputs), {}

    def unbound(self, batch: Any) -> list[str]:
        """What is wrong where `inputs` or `target` name what a batch doesn't have."""
        named = list(self.inputs.values() if isinstance(self.inputs, dict) else self.inputs)
        if self.sample_weight is not None:
            named.append(self.sample_weight)
        if all(has_field(batch, field) for field in (*named, self.target)):
            return []
        bound = f"task.inputs={self.inputs} and task.target={self.target}"
        if isinstance(batch, Mapping):
            first, *_, last = [*batch] * 2
            remedy = f"write task.inputs=[{first}] task.target={last}, or which they are"
        elif isinstance(batch, tuple | list):
            remedy = f"write positions, 0 to {len(batch) - 1}"
        else:
            remedy = "let the dataset give (input, target), or a dict of tensors"
        return [f"{bound} don't fit a batch, which is {parts_of(batch)}; {remedy}"]

    def pick(self, outputs: Any) -> Any:
        """The part of the model's output that is compared with the target."""
        if self.output is None:
            return outputs
        try:
            if isinstance(self.output, int) or isinstance(outputs, dict):
                return outputs[self.output]
            return getattr(outputs, self.output)
        except (LookupError, TypeError, AttributeError) as error:
            raise Refused(
                f"task.output is {self.output!r}, but the model's output is {parts_of(outputs)}"
            ) from error

    def loss(self, outputs: Any, batch: Any) -> Any:
        """What the loss says, untouched; with weights of the samples (sum, weight)."""
        if self.single is not None:
            return self.parts(outputs, batch)
        compared = outputs if self.whole_output else self.pick(outputs)
        return self.objective(compared, batch[self.target])

    def parts(self, outputs: Any, batch: Any) -> tuple[Tensor, Tensor]:
        """The loss as (sum, weight)."""
        compared = outputs if self.whole_output else self.pick(outputs)
        if self.single is not None and self.sample_weight is not None:
            losses, weights = self.single(compared, batch[self.target]), batch[self.sample_weight]
            weights = weights.to(losses.dtype)
            return (losses * weights).sum(), weights.sum()
        if self.parts_of_loss is None:
            raise AssertionError("turns() offers no parts for this loss")
        return self.parts_of_loss(compared, batch[self.target])

    def predict(self, modules: Modules, batch: Any) -> Prediction:
        """Outputs, targets, and the loss in parts; a mean of unknown weight counts by sample."""
        outputs = self.forward_model(modules, batch)
        target = batch[self.target]
        picked = self.pick(outputs)
        if not isinstance(picked, Tensor):
            raise Refused(not_a_tensor(picked))
        if self.parts_of_loss is not None or self.single is not None:
            total, weight = self.parts(outputs, batch)
        else:
            loss = self.loss(outputs, batch)
            if isinstance(loss, tuple):
                total, weight = loss
            else:
                total, weight = loss * len(target), loss.new_full((), float(len(target)))
        return Prediction(picked, target, total, weight)


def refuse_misfits(model: object, loss: object) -> None:
    """Raise Refused unless they are a module and something to be called."""
    if not isinstance(model, nn.Module):
        what = f"the class {model.__name__}" if isinstance(model, type) else kind_of(model)
        raise Refused(f"the model is {what}, not an object of a torch.nn.Module; mend its target")
    if not callable(loss):
        raise Refused(
            f"the loss is {kind_of(loss)}, which can't be called with (outputs, target); name a "
            "loss class, or a function with +loss._partial_=true"
        )


def has_field(batch: Any, field: str | int) -> bool:
    """Whether a batch has a field of that name or position."""
    if isinstance(batch, Mapping):
        return field in batch
    return isinstance(batch, tuple | list) and isinstance(field, int) and -1 < field < len(batch)


def not_a_tensor(output: object) -> str:
    """The line about a model's output that is no tensor, with the part that is probably meant."""
    if output is None:
        return "the model's forward returns nothing (None); let it return its output"
    names = list(output) if isinstance(output, Mapping) else dir(output)
    likely = [name for name in ("logits", "output", "out") if name in names]
    field: str | int | None = next(iter(likely), None)
    if field is None and isinstance(output, tuple | list):
        field = 0
    told = f"the model's output is {parts_of(output)}, not a tensor; "
    if field is None:
        return told + "let its forward return one, or say which part it is: task.output=NAME"
    return f"{told}say which part of it is compared with the target: task.output={field}"


def parts_of(value: object) -> str:
    """What a batch or an output is, and what it is made of."""
    kind = kind_of(value)
    if isinstance(value, Mapping):
        return f"{kind} with {', '.join(map(str, value))}"
    if isinstance(value, tuple | list):
        return f"{kind} of {len(value)}"
    if isinstance(value, Tensor):
        return f"one tensor {list(value.shape)}"
    names = [name for name in getattr(value, "__dict__", ()) if not name.startswith("_")]
    return f"{kind} with {', '.join(names)}" if names else kind


def kind_of(value: object) -> str:
    """The type of a value with its article."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
