"""Before step 0, in seconds: one batch through everything, so that mistakes cost nothing.

Weights, buffers, gradients and random numbers are afterwards as before.
"""

import copy
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn

from trainer.errors import Refused
from trainer.run import Run
from trainer.seeding import random_state, restore_random_state

# Room for the newest checkpoints and the best, plus logs and figures.
COPIES, SLACK = 4, 50_000_000


def preflight(run: Run) -> None:
    """Raise Refused with every problem found, or CannotWrite when the folder lacks room."""
    run.folder.check_room(COPIES * size_of_state(run) + SLACK)
    problems = list(metric_problems(run)) + list(label_problems(run))
    if not problems:  # with wrong labels the loss fails anyway, and says less
        with undisturbed(run):
            problems += trial_problems(run)
    if problems:
        raise Refused(*problems)


def size_of_state(run: Run) -> int:
    """Bytes of one checkpoint at most: weights, average, and two numbers a weight."""
    tensors = (t for m in run.trainer.trained.values() for t in (*m.parameters(), *m.buffers()))
    weights = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    return weights * (4 if run.trainer.ema else 3)


def metric_problems(run: Run) -> Iterator[str]:
    """The metric that chooses the best, and those that schedules watch, have to exist."""
    known = run.evaluation.names(run.splits.info.classes)
    watched = [("scheduler.metric", s.metric) for s in run.trainer.schedules.values() if s.metric]
    if run.evaluation.patience is not None:
        watched.append(("evaluation.patience", run.evaluation.select))
    for where, name in [("evaluation.select", run.evaluation.select), *watched]:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            shown = ", ".join(n for n in known if "/" not in n)
            yield f"{where} is {name!r}, which is no metric; {hint}there are {shown}"
        elif run.splits.validation is None and (where, name) in watched:
            yield (
                f"{where} needs {name!r}, but there is no validation split to measure it on; "
                "set data.validation to a share such as 0.1"
            )


def label_problems(run: Run) -> Iterator[str]:
    """Class labels lie between 0 and the number of classes; all of them where they are at hand."""
    classes = run.splits.info.num_classes
    for split in ("train", "validation", "test"):
        dataset = getattr(run.splits, split)
        labels = getattr(dataset, "labels", getattr(dataset, "targets", None))
        if dataset is None or labels is None:
            continue
        found = torch.as_tensor(labels)
        if found.is_floating_point() or found.dim() != 1:
            continue
        bad = ((found < 0) | (found >= classes)).nonzero().flatten().tolist()
        ignored = getattr(getattr(run.task, "objective", None), "ignore_index", None)
        bad = [i for i in bad if int(found[i]) != ignored]
        if bad:
            where = ", ".join(f"{int(found[i])} at row {i}" for i in bad[:5])
            yield (
                f"{len(bad)} labels of the {split} split are out of range ({where}); "
                f"they have to be 0 to {classes - 1} for {classes} classes"
            )


def trial_problems(run: Run) -> list[str]:
    """One batch of the training split through forward, loss and backward, then one evaluation."""
    trainer = run.trainer
    batches = run.loaders.train.epoch(0)
    batch = next(batches)
    problems: list[str] = []
    for turn, _, _ in trainer.turns:
        try:
            with trainer.precision.context:
                outputs = turn.forward(trainer.modules, batch)
        except Exception as error:
            return [explain("the model", "forward", error, batch)]
        try:
            with trainer.precision.context:
                loss = turn.loss(outputs, batch)
            total = loss[0] / loss[1] if isinstance(loss, tuple) else loss
            assert_scalar(total)
            total.backward()
        except Exception as error:
            return [*output_problems(run, outputs), explain("the loss", "loss", error, batch)]
        if not math.isfinite(total.item()):
            problems.append(
                f"the loss of the first batch is {total.item()}; look for missing or huge values "
                "in the data, or try trainer.precision=fp32"
            )
        module = trainer.trained[turn.optimizer]
        idle = [n for n, p in module.named_parameters() if p.requires_grad and p.grad is None]
        if idle:
            problems.append(
                f"{len(idle)} parameters of {turn.optimizer} get no gradient "
                f"({', '.join(idle[:3])}): they are not used in forward; remove them, or freeze "
                f"them with 'parameters.freeze=[\"{idle[0]}\"]'"
            )
        problems += list(split_problems(run, turn, outputs, batch))
    return problems + list(evaluation_problems(run)) + list(lone_sample_problems(run))


def assert_scalar(loss: Any) -> None:
    """The loss is one number that depends on the weights."""
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        shape = list(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
        raise TypeError(
            f"it returned {shape}, not one number; reduce it with mean or (sum, weight)"
        )
    if not loss.requires_grad:
        raise TypeError("it doesn't depend on the weights; are all parameters frozen?")


def explain(what: str, node: str, error: Exception, batch: Any) -> str:
    """One line for a failure inside the user's model or loss."""
    if isinstance(error, Refused):
        return str(error)
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    shapes = ", ".join(describe(value) for value in fields(batch))
    remedy = (
        "check that the model fits info.input_shape and that task.inputs binds the batch to forward"
        if node == "forward"
        else "check that the model's output and the target are what the loss wants"
    )
    return f"{what} fails on a batch of {shapes}: {type(error).__name__}: {first[:300]}; {remedy}"


def fields(batch: Any) -> Iterable[Any]:
    """The parts of a batch."""
    return batch.values() if isinstance(batch, dict) else batch


def describe(value: Any) -> str:
    """Type and shape of a part of a batch."""
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
    return type(value).__name__


def output_problems(run: Run, outputs: Any) -> list[str]:
    """Logits need a column for each class."""
    classes = run.splits.info.num_classes
    if isinstance(outputs, Tensor) and outputs.dim() == 2 and outputs.shape[1] != classes:
        return [
            f"the model gives {outputs.shape[1]} outputs, but the data has {classes} classes; "
            "set model.num_classes=${info.num_classes}"
        ]
    return []


def split_problems(run: Run, turn: Any, outputs: Any, batch: Any) -> Iterator[str]:
    """With accumulation, the loss of a batch has to equal that of its parts, 2 and the rest."""
    if run.options.accumulate == 1:
        return
    if turn.parts is None and not isinstance(turn.loss(outputs, batch), tuple):
        yield (
            "trainer.accumulate is "
            f"{run.options.accumulate}, but the loss doesn't say what its mean counts, so parts "
            "can't be put together; return (sum, weight) from it, or set task.weight=samples"
        )
        return
    if not isinstance(outputs, Tensor) or len(outputs) < 3 or not isinstance(batch, tuple):
        return
    of = turn.parts or turn.loss
    cuts = (slice(0, 2), slice(2, len(outputs)))
    parts = [of(outputs[cut], tuple(value[cut] for value in batch)) for cut in cuts]
    whole = turn.loss(outputs, batch)
    whole = whole[0] / whole[1] if isinstance(whole, tuple) else whole
    joined = sum(part for part, _ in parts) / sum(weight for _, weight in parts)
    if not torch.allclose(joined, whole, rtol=1e-3, atol=1e-5):
        yield (
            f"the loss of a batch is {whole.item():.6g}, but {joined.item():.6g} when it is put "
            "together from parts of 2 and the rest, so accumulation would change what is trained; "
            "return (sum, weight) from the loss, or set trainer.accumulate=1"
        )


def evaluation_problems(run: Run) -> Iterator[str]:
    """A validation or test batch goes through the model, and its metrics."""
    loader = run.loaders.validation or run.loaders.test
    if loader is None:
        return
    batch = next(loader.epoch(0))
    for module in run.trainer.modules.values():
        module.eval()
    try:
        with torch.no_grad(), run.trainer.precision.context:
            prediction = run.task.predict(run.trainer.modules, batch)
        wrong = output_problems(run, prediction.outputs)
        yield from wrong
        if not wrong:
            counts = run.evaluation.start(
                run.splits.info.num_classes, run.device, classes=run.splits.info.classes
            )
            counts.update(
                prediction.outputs.float(), prediction.target, prediction.loss, prediction.weight
            )
    except Exception as error:
        yield explain("evaluation", "loss", error, batch)


def lone_sample_problems(run: Run) -> Iterator[str]:
    """A last batch of one sample, which BatchNorm over vectors refuses in mid-epoch."""
    loader = run.loaders.train
    size = loader.num_samples % loader.batch_size
    if size != 1 or len(loader) * loader.batch_size < loader.num_samples:
        return  # drop_last leaves it out
    batch = next(loader.epoch(0))
    one = (
        {name: value[:1] for name, value in batch.items()}
        if isinstance(batch, dict)
        else tuple(value[:1] for value in batch)
    )
    for module in run.trainer.modules.values():
        module.train()
    try:
        with torch.no_grad(), run.trainer.precision.context:
            for turn, _, _ in run.trainer.turns:
                turn.forward(run.trainer.modules, one)
    except ValueError as error:
        yield (
            f"the last batch of an epoch has 1 sample ({loader.num_samples} samples, batches of "
            f"{loader.batch_size}), which BatchNorm can't normalise ({error}); "
            "set loader.drop_last=true or another loader.batch_size"
        )


@contextmanager
def undisturbed(run: Run) -> Iterator[None]:
    """Put buffers, gradients, modes and random numbers back afterwards."""
    modules: list[nn.Module] = list(run.trainer.modules.values())
    buffers = [{n: b.detach().clone() for n, b in m.named_buffers()} for m in modules]
    modes = [copy.copy([part.training for part in m.modules()]) for m in modules]
    random_numbers = random_state()
    try:
        yield
    finally:
        restore_random_state(random_numbers)
        for module, kept, mode in zip(modules, buffers, modes, strict=True):
            module.zero_grad(set_to_none=True)
            for name, buffer in module.named_buffers():
                buffer.data.copy_(kept[name])
            for part, training in zip(module.modules(), mode, strict=True):
                part.training = training
