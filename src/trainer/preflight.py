"""Before step 0, in seconds: one batch through everything, so that mistakes cost nothing.

Weights, buffers, gradients and random numbers are afterwards as before.
"""

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from trainer.batches import batches
from trainer.errors import Refused, nothing_started
from trainer.explanation import (
    LONE,
    column_problems,
    judging_problems,
    loss_problems,
    model_problems,
)
from trainer.facts import problem_of
from trainer.protocols import Loader
from trainer.run import Run
from trainer.samples import label_problems, label_warnings
from trainer.seeding import random_state, restore_random_state

# Room for the newest checkpoints and the best, plus logs and figures.
COPIES, SLACK = 4, 50_000_000
# Weights, and the running statistics of a BatchNorm, need about so many steps.
FEW_STEPS = 100


def preflight(run: Run) -> None:
    """Raise Refused with every problem found, or CannotWrite when the folder lacks room."""
    run.folder.check_room(COPIES * size_of_state(run) + SLACK)
    problems = [*metric_problems(run), *label_problems(run), *loss_for_classes(run)]
    if not problems:  # with wrong labels the loss fails anyway, and says less
        with nothing_started(), undisturbed(run):
            problems += trial_problems(run)
    if problems:
        raise Refused(*problems)
    for text in (*label_warnings(run), *lone_step(run), *brief_audit(run)):
        run.console.warn(text)


def loss_for_classes(run: Run) -> Iterator[str]:
    """A loss for classes on numbers trains without a word: softmax over one output is always 1."""
    loss = getattr(run.task, "objective", None)
    if problem_of(run.splits.info) == "regression" and (
        isinstance(loss, nn.CrossEntropyLoss | nn.NLLLoss)
        or type(loss).__name__ in ("FocalLoss", "BalancedCrossEntropy")
    ):
        yield (
            f"the loss is {type(loss).__name__}, which is for classes, and the data is for "
            "regression; write loss=mse, or leave it out (auto)"
        )


def lone_step(run: Run) -> Iterator[str]:
    """Few samples that make one batch are hardly learnt: an epoch is a single step."""
    samples, epochs = len(run.splits.train), run.options.epochs
    if run.loaders.train.batch_size >= samples > 1 and epochs is not None and epochs < FEW_STEPS:
        smaller = max(1, samples // 8)
        yield (
            f"all {samples} training samples are in one step, so that {epochs} epochs are {epochs} "
            f"steps: loader.batch_size={smaller}, or more trainer.epochs, would let them be learnt"
        )


def brief_audit(run: Run) -> Sequence[str]:
    """What is odd about data that is trained on for the first time, as far as that is quickly had.

    `fivestep audit` takes the time for all of it.
    """
    if run.resumed:
        return ()
    # The packages meet by name: whoever knows the data is asked.
    found: Sequence[str] = import_module("data.audit").brief(run.splits)
    return found


def size_of_state(run: Run) -> int:
    """Bytes of one checkpoint at most: weights, average, and two numbers a weight."""
    tensors = (t for m in run.trainer.trained.values() for t in (*m.parameters(), *m.buffers()))
    weights = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    return weights * (4 if run.trainer.ema else 3)


def metric_problems(run: Run) -> Iterator[str]:
    """The metric that chooses the best, and those that schedules watch, have to exist."""
    known = run.evaluation.names(run.splits.info)
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


def trial_problems(run: Run) -> list[str]:
    """One batch of the training split through forward, loss and backward, then one evaluation."""
    trainer = run.trainer
    batch = next(batches(run.loaders.train), None)
    if batch is None:
        return [f"no sample of the train split can be read; {reasons_of(run.loaders.train)}"]
    if hasattr(run.task, "unbound") and (unbound := run.task.unbound(batch)):
        return list(unbound)
    problems: list[str] = []
    for turn, _, _ in trainer.turns:
        try:
            with trainer.precision.context:
                outputs = turn.forward(trainer.modules, batch)
        except Exception as error:
            return model_problems(run, error, batch)
        try:
            with trainer.precision.context:
                total = scalar(turn.loss(outputs, batch))
            total.backward()
        except Exception as error:
            return loss_problems(run, error, outputs, batch)
        if not math.isfinite(total.item()):
            problems.append(
                f"the loss of the first batch is {total.item()}; look for missing or huge values "
                "in the data, or try trainer.precision=fp32"
            )
        problems += idle_problems(turn.optimizer, trainer.trained[turn.optimizer])
        problems += list(split_problems(run, turn, outputs, batch))
    return problems + list(evaluation_problems(run)) + list(lone_sample_problems(run))


def scalar(loss: Any) -> Tensor:
    """The one number that a loss stands for; raises Refused for a loss that can't be trained."""
    pair = isinstance(loss, tuple) and len(loss) == 2
    if not all(isinstance(part, Tensor) for part in (loss if pair else [loss])):
        kinds = " and ".join(type(part).__name__ for part in (loss if pair else [loss]))
        raise Refused(
            f"the loss returns {kinds}; it has to return a tensor of one number, or two, (sum, "
            "weight)"
        )
    total: Tensor = loss[0] / loss[1] if pair else loss
    if total.numel() != 1:
        raise Refused(
            f"the loss returns {list(total.shape)}, not one number; take its mean, or return "
            "(sum, weight)"
        )
    if not total.requires_grad:
        raise Refused(
            "the loss doesn't depend on the weights; look for detach, item, numpy or no_grad in "
            "the model and the loss"
        )
    return total


def idle_problems(name: str, module: nn.Module) -> list[str]:
    """What is wrong when parameters are to be trained, but no gradient reaches them."""
    names = [n for n, p in module.named_parameters() if p.requires_grad and p.grad is None]
    if not names:
        return []
    others = [n for n, _ in module.named_parameters() if n not in names]
    patterns = ", ".join(f'"{pattern}"' for pattern in covering(names, others))
    many = "1 parameter" if len(names) == 1 else f"{len(names)} parameters"
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return [
        f"{many} of {name} without a gradient ({shown}): not used in forward; remove them, or "
        f"freeze them: 'parameters.freeze=[{patterns}]'"
    ]


def covering(names: list[str], others: list[str]) -> list[str]:
    """Few patterns that match all of the names and none of the others."""
    found: dict[str, None] = {}
    for name in names:
        parts = name.split(".")
        starts = [".".join(parts[:count]) + "." for count in range(1, len(parts))]
        free = [s for s in starts if not any(other.startswith(s) for other in others)]
        found[f"{free[0]}*" if free else name] = None
    return list(found)


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
    batch = next(batches(loader), None)
    if batch is None:
        split = "validation" if loader is run.loaders.validation else "test"
        yield f"no sample of the {split} split can be read; {reasons_of(loader)}"
        return
    for module in run.trainer.modules.values():
        module.eval()
    try:
        with torch.no_grad(), run.trainer.precision.context:
            prediction = run.task.predict(run.trainer.modules, batch)
        wrong = column_problems(run, prediction.outputs)
        if not wrong:
            measured = run.evaluation.start(run.splits.info, run.device)
            measured.update(
                prediction.outputs.float(), prediction.target, prediction.loss, prediction.weight
            )
    except Exception as error:
        wrong = judging_problems(run, error, batch)
    yield from wrong


def reasons_of(loader: Loader) -> str:
    """The first samples that could not be read, and why."""
    first = "; ".join(f"{bad.name}: {bad.reason}" for bad in loader.bad[:3])
    return f"mend them ({first})"


def lone_sample_problems(run: Run) -> Iterator[str]:
    """A last batch of one sample, which BatchNorm over vectors refuses in mid-epoch."""
    loader = run.loaders.train
    size = loader.num_samples % loader.batch_size
    if size != 1 or len(loader) * loader.batch_size < loader.num_samples:
        return  # drop_last leaves it out
    batch = next(batches(loader))
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
        if LONE not in str(error):
            raise
        yield (
            f"the last batch of an epoch has 1 sample ({loader.num_samples} samples, batches of "
            f"{loader.batch_size}), which BatchNorm can't normalise; set loader.drop_last=true or "
            "another loader.batch_size"
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
