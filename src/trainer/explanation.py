"""One line, in the user's terms, for what fails inside their model, their loss or their data."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from trainer.errors import Failed, Refused
from trainer.facts import derived, problem_of
from trainer.run import Run
from trainer.samples import allowed, in_range, late_label
from trainer.task import not_a_tensor

# What BatchNorm says to a training batch of one sample (torch/nn/functional.py).
LONE = "Expected more than 1 value per channel"
# A kernel that indexes out of range: at once on the cpu, some steps later on cuda.
OUT_OF_RANGE = ("out of bounds", "device-side assert")
# What a model's last layer has one output for, by problem.
WIDTHS = {"classification": "classes", "multilabel": "labels", "regression": "targets"}
# What a loss for classes says to labels that are no whole numbers.
NOT_WHOLE = ("expected target dtype", "expected scalar type Long")


def model_problems(run: Run, error: Exception, batch: Any) -> list[str]:
    """Why the model's forward failed on a batch."""
    if told := told_already(run, error):
        return [told]
    odd = [describe(v) for v in fields(batch) if dtype_of(v) in (torch.float64, torch.uint8)]
    if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        remedy = "set trainer.compile=false, or install what torch.compile needs (a C++ compiler)"
    elif LONE in str(error):
        remedy = "BatchNorm needs more than one sample: raise loader.batch_size"
    elif "dtype" in str(error) and odd:
        remedy = f"models take float32, but the data gives {odd[0]}: convert it in the dataset"
    else:
        remedy = (
            "check that the model fits info.input_shape and that task.inputs binds the batch to "
            "forward"
        )
    return [f"the model fails on a batch of {shapes(batch)}: {first_line(error)}; {remedy}"]


def loss_problems(run: Run, error: Exception, outputs: Any, batch: Any) -> list[str]:
    """Why the loss failed, looking at what it was given."""
    if told := told_already(run, error):
        return [told]
    found = [*output_problems(run, outputs), *target_problems(run, batch)]
    return found or [
        f"the loss fails on outputs {describe(outputs)} for a batch of {shapes(batch)}: "
        f"{first_line(error)}; check that the model's output and the target are what it wants"
    ]


def judging_problems(run: Run, error: Exception, batch: Any) -> list[str]:
    """Why the evaluation failed on a batch of validation or test."""
    if told := told_already(run, error):
        return [told]
    return target_problems(run, batch) or [
        f"evaluation fails on a batch of {shapes(batch)}: {first_line(error)}; check that the "
        "model works after eval(), and that the target is what the evaluation wants"
    ]


def told_already(run: Run, error: Exception) -> str:
    """The line of an error that needs no look at the batch: one of ours, or memory."""
    return str(error) if isinstance(error, Refused) else memory_problem(run, error)


def memory_problem(run: Run, error: Exception) -> str:
    """The line for memory that ran out, "" for any other error."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate" in str(error):
        return (
            f"memory ran out on {run.device} ({first_line(error)}); try half the "
            "loader.batch_size with trainer.accumulate=2, or trainer.precision=bf16"
        )
    return ""


def output_problems(run: Run, outputs: Any) -> list[str]:
    """What is wrong with a model's outputs for a classification."""
    pick = getattr(run.task, "pick", None)
    try:
        picked = outputs if pick is None else pick(outputs)
    except Refused as error:
        return list(error.problems)
    return column_problems(run, picked) if isinstance(picked, Tensor) else [not_a_tensor(picked)]


def column_problems(run: Run, logits: Tensor) -> list[str]:
    """Outputs need a column for each class, label or target."""
    info = run.splits.info
    if (problem := problem_of(info)) not in WIDTHS or logits.dim() != 2:
        return []
    wanted = derived(info)["num_outputs"] if problem == "regression" else info.num_classes
    if logits.shape[1] != wanted:
        return [
            f"the model gives {logits.shape[1]} outputs, but the data has {wanted} "
            f"{WIDTHS[problem]}; give it their number in its config, as conf/model does: "
            "num_classes: ${info.num_outputs}"
        ]
    return []


def target_problems(run: Run, batch: Any) -> list[str]:
    """What is wrong with the target of a batch for a classification."""
    field = getattr(run.task, "target", None)
    if field is None or problem_of(run.splits.info) != "classification":
        return []
    target, whole = batch[field], "give each sample a whole number (int)"
    if not isinstance(target, Tensor):
        return [f"labels come as a {type(target).__name__}, not as numbers; {whole}"]
    if target.dim() == 1 and (target.is_floating_point() or target.dtype == torch.bool):
        return [f"labels are {describe(target)}; {whole}"]
    if target.dim() == 2 and target.shape[1] == 1:
        return [f"labels are {describe(target)}, one dimension too many; {whole}"]
    if target.dim() != 1:
        return []
    bad = [label for label in target.tolist() if not in_range(run, label)]
    return [f"label {bad[0]} is out of range; {allowed(run)}"] if bad else []


def first_line(error: Exception) -> str:
    """Kind and first line of an error, cut where it is long."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {text if len(text) <= 300 else text[:297] + '...'}"


def shapes(batch: Any) -> str:
    """Type and shape of each part of a batch."""
    return ", ".join(describe(value) for value in fields(batch))


def fields(batch: Any) -> Iterable[Any]:
    """The parts of a batch."""
    return batch.values() if isinstance(batch, dict) else batch


def describe(value: Any) -> str:
    """Type and shape of a part of a batch."""
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
    return type(value).__name__


def dtype_of(value: Any) -> torch.dtype | None:
    """The type of a tensor's numbers; None for anything else."""
    return value.dtype if isinstance(value, Tensor) else None


@contextmanager
def explained(run: Run) -> Iterator[None]:
    """Raise Failed for what fails within where memory or the labels can be found to be the cause.

    Anything else passes as it is: a fault in the user's own code is theirs to debug.
    """
    try:
        yield
    except Exception as error:
        if isinstance(getattr(error, "exit_code", None), int):
            raise
        cause = cause_of(run, error)
        if not cause:
            raise
        raise Failed(f"{cause} (in step {run.trainer.steps} or its evaluation)") from error


def cause_of(run: Run, error: Exception) -> str:
    """Why a run failed, "" where nothing is known but the error itself."""
    if problem := memory_problem(run, error):
        return problem
    if LONE in str(error):
        return (
            "a batch of one sample met BatchNorm, which can't normalise it (where others of it "
            "could not be read?); set another loader.batch_size, or loader.drop_last=true"
        )
    if isinstance(error, IndexError) or any(
        text in str(error) for text in (*OUT_OF_RANGE, *NOT_WHOLE)
    ):
        # On cuda the error shows itself where the losses are read.
        return late_label(run, 1 if run.device.type == "cpu" else run.options.record_every + 1)
    return ""
