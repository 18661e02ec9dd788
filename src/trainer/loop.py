"""The training loop. `Trainer.step` is all of it: forward, loss, backward, step, zero_grad."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from trainer.averaging import MovingAverage
from trainer.errors import Failed
from trainer.precision import Precision
from trainer.protocols import Loader
from trainer.schedule import Schedule
from trainer.splitting import COUPLED, Splitting
from trainer.task import Task, Turn


class Trainer:
    """Trains a task, and yields after each step; the caller records, evaluates and saves.

    `optimizers` and `schedules` are keyed by the names of the task's turns. `accumulate`
    micro-batches make a step. `ema` is the decay of the weights' moving average. `norm_every` is
    the number of steps between two measurements of the gradient norm (0: only where clipping
    takes it anyway). `split` lets a step that runs out of memory go on with smaller micro-batches.
    `undo` puts buffers back after a step that was not taken, for those who go on after it.

    Its counters (`steps`, `epoch`, `batch`) say where it stands: the next batch to be taken is
    number `batch` of `epoch`, the first one of the last step was `place`. `skipped` is the number
    of steps in a row, up to the last one, that were not taken since something was not finite.
    `whole` is False while a step is being taken: what it leaves half done must not be saved.
    """

    def __init__(
        self,
        task: Task,
        optimizers: dict[str, Optimizer],
        precision: Precision,
        *,
        schedules: dict[str, Schedule] | None = None,
        accumulate: int = 1,
        ema: float | None = None,
        channels_last: bool = False,
        norm_every: int = 0,
        split: bool = False,
        undo: bool = False,
    ) -> None:
        assert isinstance(task, nn.Module)
        self.task, self.optimizers, self.precision = task, optimizers, precision
        self.schedules = schedules or {}
        self.accumulate, self.channels_last, self.norm_every = accumulate, channels_last, norm_every
        self.modules = dict(task.named_children())
        self.turns = [(turn, *self.trained_by(turn)) for turn in task.turns()]
        self.trained = {turn.optimizer: self.modules[turn.optimizer] for turn, _, _ in self.turns}
        self.ema = None if ema is None else MovingAverage(self.trained, ema)
        self.moving = [s for s in self.schedules.values() if s.moves_by_step]
        self.splitting = Splitting(self.modules, split)
        # A forward of values that aren't finite spoils running statistics, too.
        buffers = [b for module in self.modules.values() for b in module.buffers()] if undo else []
        self.buffers, self.kept = buffers, [torch.empty_like(buffer) for buffer in buffers]
        self.steps = self.epoch = self.batch = self.skipped = 0
        self.place = (0, 0)
        self.whole = True

    def trained_by(self, turn: Turn) -> tuple[Optimizer, list[nn.Parameter]]:
        """The optimizer of a turn and the parameters that it moves."""
        optimizer = self.optimizers[turn.optimizer]
        return optimizer, [p for group in optimizer.param_groups for p in group["params"]]

    def fit(self, loader: Loader, epochs: int | None = None) -> Iterator[dict[str, Tensor]]:
        """Go on from where the counters stand, one yield a step, until `epochs` are complete.

        Yields device scalars, valid until the next step: `loss` (of each turn: `loss/<name>` when
        there are several), `grad_norm` on the steps that measure it, and `nonfinite` where it isn't
        known that all was finite. After the last step of an epoch, `batch` is 0 and `epoch` is the
        next one. A batch that the loader gives as None has no sample left; where no other makes up
        the step, none is taken and the report is empty.
        """
        self.splitting.begin()
        while epochs is None or self.epoch < epochs:
            batches = loader.epoch(self.epoch, start=self.batch)
            length = len(loader)
            while micro := list(islice(batches, self.accumulate)):
                self.place = self.epoch, self.batch
                self.batch += len(micro)
                if self.batch >= length:
                    self.epoch, self.batch = self.epoch + 1, 0
                if None in micro:
                    micro = [batch for batch in micro if batch is not None]
                yield self.step(micro) if micro else {}

    def step(self, micro: list[Any]) -> dict[str, Tensor]:
        """One step over the micro-batches: for each turn of the task, the five actions."""
        self.steps += 1
        self.whole = False
        measure = self.norm_every > 0 and self.steps % self.norm_every == 0
        if self.channels_last:
            micro = [to_channels_last(batch) for batch in micro]
        if self.buffers:
            torch._foreach_copy_(self.kept, self.buffers)
        report: dict[str, Tensor] = {}
        loss: Any
        for turn, optimizer, parameters in self.turns:
            if self.steps % turn.every:
                continue
            while True:  # again, in smaller pieces, where memory ran out
                pieces = self.splitting.cut(micro) if self.splitting.pieces > 1 else micro
                score = Whole(turn) if len(pieces) == 1 else Share(turn, len(pieces))
                try:
                    for batch in pieces:
                        with self.precision.context:
                            outputs = turn.forward(self.modules, batch)  # 1 forward
                            loss = score.loss(outputs, batch)  # 2 loss
                        self.precision.backward(loss)  # 3 backward
                    break
                except RuntimeError as error:
                    outputs = loss = None
                    self.splitting.retry(error, micro, self.optimizers)
            score.settle(parameters)
            total = score.total
            norm, found = self.precision.step(optimizer, parameters, total, measure)  # 4 step
            for every_optimizer in self.optimizers.values():
                every_optimizer.zero_grad(set_to_none=True)  # 5 zero_grad, of what others left too
            name = f"/{turn.optimizer}" if len(self.turns) > 1 else ""
            report["loss" + name] = total
            if norm is not None:
                report["grad_norm" + name] = norm
            if found is not None:
                report["nonfinite" + name] = found.view(())
        self.finish()
        return report

    def finish(self) -> None:
        """After every turn of a step: averages and schedules, unless the step was not taken."""
        if self.precision.end_step():
            self.skipped = 0
            if self.ema is not None:
                self.ema.update()
            for schedule in self.moving:
                schedule.step()
        else:
            self.skipped += 1
            if self.buffers:
                torch._foreach_copy_(self.buffers, self.kept)
        self.whole = True

    def state_dict(self) -> dict[str, Any]:
        """Everything but the weights: optimizers, schedules, scale and counters."""
        return {
            "optimizers": {name: o.state_dict() for name, o in self.optimizers.items()},
            "schedules": {name: s.state_dict() for name, s in self.schedules.items()},
            "precision": self.precision.state_dict(),
            "ema_updates": self.ema.updates if self.ema else 0,
            "steps": self.steps,
            "epoch": self.epoch,
            "batch": self.batch,
            "skipped": self.skipped,
            "pieces": self.splitting.pieces,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Stand where the state was taken; the weights are loaded apart."""
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        for name, schedule in self.schedules.items():
            schedule.load_state_dict(state["schedules"][name])
        self.precision.load_state_dict(state["precision"])
        if self.ema:
            self.ema.updates = state["ema_updates"]
        self.steps, self.epoch, self.batch = (int(state[n]) for n in ("steps", "epoch", "batch"))
        self.skipped, self.splitting.pieces = state["skipped"], state["pieces"]


class Whole:
    """The loss of a step with one micro-batch: what the user's loss says, untouched."""

    total: Tensor

    def __init__(self, turn: Turn) -> None:
        self.of = turn.loss

    def loss(self, outputs: Any, batch: Any) -> Tensor:
        """The scalar that backward starts from."""
        found = self.of(outputs, batch)
        loss: Tensor = found[0] / found[1] if isinstance(found, tuple) else found
        self.total = loss.detach()
        return loss

    def settle(self, parameters: list[nn.Parameter]) -> None:
        """Nothing: the gradients are those of the whole batch."""


class Share:
    """The loss of a step with several micro-batches: sums over sums, exact for ragged ones.

    The weights are known only once all have been seen. So each sum is divided by a guess, the
    first one's weight times the number of micro-batches, and `settle` corrects the gradients by
    guess / truth: exactly 1 for equal micro-batches, and never a wait for the device.
    """

    def __init__(self, turn: Turn, number: int) -> None:
        self.of = turn.parts or turn.loss
        self.number = number
        self.sum: Tensor | None = None

    def loss(self, outputs: Any, batch: Any) -> Tensor:
        """The scalar that backward starts from."""
        found = self.of(outputs, batch)
        if not isinstance(found, tuple):
            raise Failed(f"memory ran out, and {COUPLED}")
        part, weight = found
        if self.sum is None:
            self.guess = weight.clamp(min=1) * self.number
            self.sum, self.weight = part.detach(), weight
        else:
            self.sum, self.weight = self.sum + part.detach(), self.weight + weight
        share: Tensor = part / self.guess
        return share

    def settle(self, parameters: list[nn.Parameter]) -> None:
        """Make the gradients those of the whole; nothing counted means no gradient."""
        factor = torch.where(self.weight > 0, self.guess / self.weight, 0.0)
        torch._foreach_mul_([p.grad for p in parameters if p.grad is not None], factor)

    @property
    def total(self) -> Tensor:
        """The mean over the whole batch; 0 where nothing counted."""
        assert self.sum is not None
        return torch.where(self.weight > 0, self.sum / self.weight, 0.0)


def to_channels_last(batch: Any) -> Any:
    """The batch with its images in the layout that convolutions prefer."""
    if isinstance(batch, Tensor):
        last = torch.channels_last
        return batch.contiguous(memory_format=last) if batch.dim() == 4 else batch
    if isinstance(batch, dict):
        return {name: to_channels_last(value) for name, value in batch.items()}
    return type(batch)(to_channels_last(value) for value in batch)
