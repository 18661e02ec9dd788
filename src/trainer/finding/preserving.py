"""Trials that leave no trace in a run: all that a step changes is put back, bit for bit."""

import copy
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from trainer.loop import Trainer
from trainer.run import Run
from trainer.seeding import random_state, restore_random_state


@contextmanager
def preserved(run: Run) -> Iterator[Trainer]:
    """Give a trainer for trials within the block; afterwards the run is as it was before it.

    The trainer is the run's own loop over its task, optimizers and precision, without schedules
    and averaged weights (which so stay untouched) and with counters of its own, in training mode.
    Put back are parameters, buffers, gradients, modes, optimizers, the gradient scale and every
    generator of random numbers; a loader's order is a pure function of its position. The copies
    lie in CPU memory. What a model keeps outside of its parameters and buffers is its own affair.
    """
    assert isinstance(run.task, nn.Module)
    trainer = run.trainer
    puts_back = [
        *tensors(run.task),
        modes(run.task),
        *(optimizer_state(optimizer) for optimizer in trainer.optimizers.values()),
        scale(trainer),
    ]
    numbers = random_state()
    trial = Trainer(
        run.task,
        trainer.optimizers,
        trainer.precision,
        accumulate=trainer.accumulate,
        channels_last=trainer.channels_last,
    )
    try:
        for module in trial.modules.values():
            module.train()
        yield trial
    finally:
        for put_back in puts_back:
            put_back()
        restore_random_state(numbers)


def tensors(task: nn.Module) -> Iterator[Callable[[], None]]:
    """What puts the parameters and buffers of each module back."""
    for module in task.modules():
        for table in (module._parameters, module._buffers):
            yield table_of(table)


def table_of(table: dict[str, Any]) -> Callable[[], None]:
    """What puts parameters or buffers back into their memory, with their gradients.

    Also those that a module replaces by others, or makes at its first batch.
    """
    originals = dict(table)
    held = [
        # A copy keeps the strides of another layout (channels_last), too.
        (t, t.detach().to("cpu", copy=True), None if t.grad is None else t.grad.detach().clone())
        for t in originals.values()
        if t is not None
    ]

    def put_back() -> None:
        table.clear()
        table.update(originals)
        for tensor, values, gradient in held:
            tensor.data.copy_(values)
            tensor.grad = gradient

    return put_back


def modes(task: nn.Module) -> Callable[[], None]:
    """What puts every module back into training or evaluation."""
    kept = [(module, module.training) for module in task.modules()]

    def put_back() -> None:
        for module, training in kept:
            module.training = training

    return put_back


def optimizer_state(optimizer: Optimizer) -> Callable[[], None]:
    """What puts an optimizer back; schedules and the loop keep their references to its groups.

    Not by `load_state_dict`, which casts, nor by another optimizer, which they don't know.
    """
    state = {parameter: copied(values) for parameter, values in optimizer.state.items()}
    groups = [
        {name: copied(value) for name, value in group.items() if name != "params"}
        for group in optimizer.param_groups
    ]
    # In its place among the keys, since checkpoints are compared byte for byte.
    orders = [list(group) for group in optimizer.param_groups]

    def put_back() -> None:
        optimizer.state = defaultdict(dict, state)
        for group, kept, order in zip(optimizer.param_groups, groups, orders, strict=True):
            members = group["params"]
            group.clear()
            group.update({name: kept.get(name, members) for name in order})

    return put_back


def copied(value: Any) -> Any:
    """A copy of an optimizer's values; tensors stay on their device."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, Mapping):
        return {name: copied(part) for name, part in value.items()}
    return copy.deepcopy(value)


def scale(trainer: Trainer) -> Callable[[], None]:
    """What puts the gradient scale back, where there is one."""
    kept = dict(trainer.precision.state_dict())
    return lambda: trainer.precision.load_state_dict(kept)
