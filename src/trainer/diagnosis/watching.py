"""One step of the loop under observation. The step is the loop's own; no number in it changes."""

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from trainer.diagnosis.extent import Extent, broken, extent, extents, tensors
from trainer.diagnosis.operations import Event, Operations, Place, event, source_then
from trainer.run import Run
from trainer.task import Turn


@dataclass
class Seen:
    """What was seen of one turn of a step."""

    turn: str
    own: set[str]  # the parameters that it moves
    batches: list[Any] = field(default_factory=list)
    outputs: list[Extent | None] = field(default_factory=list)  # of each batch, for the loss
    losses: list[float] = field(default_factory=list)
    modules: list[Event] = field(default_factory=list)  # in the order in which they end
    backward: list[Event] = field(default_factory=list)  # in the order of the backward pass
    gradients: dict[str, Extent] = field(default_factory=dict)  # by parameter, complete
    squares: dict[str, float] = field(default_factory=dict)  # their squared norms
    buffers: list[tuple[str, str]] = field(default_factory=list)  # (buffer, type of its module)


class Watch:
    """Looks on while `Trainer.step` is taken within `entered`.

    Modules, operations, the nodes of the backward pass and the gradients of parameters tell what
    they make of finite numbers. A compiled module runs uncompiled: its parts would not be seen.
    """

    def __init__(self, run: Run, *, compiled: bool) -> None:
        assert isinstance(run.task, nn.Module)
        self.run, self.task, self.compiled = run, run.task, compiled
        self.place = Place()
        self.operations = Operations(self.place)
        self.turns: list[Seen] = []
        self.inputs: list[
            tuple[str, tuple[Extent, ...]]
        ] = []  # of the modules that are being called

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Look on within the block."""
        trainer, turns = self.run.trainer, self.run.trainer.turns
        with ExitStack() as stack:
            if self.compiled:
                stack.enter_context(torch.compiler.set_stance("force_eager"))
            # Keeps with each node the line of the forward that made it.
            stack.enter_context(torch.autograd.set_detect_anomaly(True, check_nan=False))
            for name, module in self.task.named_modules():
                if name:
                    enter, leave = partial(self.enter, name), partial(self.leave, name)
                    before = module.register_forward_pre_hook(enter, with_kwargs=True)
                    after = module.register_forward_hook(leave, with_kwargs=True, always_call=True)
                    stack.callback(before.remove)
                    stack.callback(after.remove)
            for name, parameter in self.task.named_parameters():
                if parameter.requires_grad:
                    hook = partial(self.accumulated, name)
                    stack.callback(parameter.register_post_accumulate_grad_hook(hook).remove)
            trainer.turns = [(self.observed(t, own), o, own) for t, o, own in turns]
            try:
                yield
            finally:
                trainer.turns = turns
                self.operations.made.clear()  # a graph that was not gone back holds its tensors

    @property
    def finite(self) -> bool:
        """Whether every loss was finite, and every gradient that moves something."""
        return all(
            all(map(math.isfinite, seen.losses))
            and not any(found.value for name, found in seen.gradients.items() if name in seen.own)
            for seen in self.turns
        )

    def observed(self, turn: Turn, parameters: list[nn.Parameter]) -> Turn:
        """A turn that does the same and is looked at."""
        moved = {id(parameter) for parameter in parameters}
        own = {name for name, p in self.task.named_parameters() if id(p) in moved}

        def forward(modules: Any, batch: Any) -> Any:
            self.begin(turn.optimizer, own, batch)
            with self.operations:
                return turn.forward(modules, batch)

        def within(of: Any, outputs: Any, batch: Any) -> Any:
            self.place.phase = "loss"
            with self.operations:
                found = of(outputs, batch)
            self.lost(outputs, found)
            return found

        parts = None if turn.parts is None else partial(within, turn.parts)
        return replace(turn, forward=forward, loss=partial(within, turn.loss), parts=parts)

    def begin(self, turn: str, own: set[str], batch: Any) -> None:
        """A batch is about to go forward."""
        if not self.turns or self.turns[-1].turn != turn:
            self.turns.append(Seen(turn, own))
        self.turns[-1].batches.append(batch)
        self.place.turn, self.place.phase = turn, "forward"
        self.place.batch = len(self.turns[-1].batches)

    def enter(self, name: str, module: nn.Module, args: Any, kwargs: Any) -> None:
        """A module is about to be called."""
        given = (args, kwargs)
        with self.operations.paused():
            self.inputs.append((broken(given), extents(given)))
        self.place.modules.append((name, module))

    def leave(self, name: str, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        """A module has returned."""
        before, given = self.inputs.pop()
        with self.operations.paused():
            if not before and broken(output):
                found = event(self.place, "", "", given, output)
                self.turns[-1].modules += [found] if found else []
            self.turns[-1].buffers += [
                (f"{name}.{buffer}", type(module).__name__)
                for buffer, tensor in module.named_buffers(recurse=False)
                if broken(tensor)
            ]
        self.operations.label(output)
        self.place.modules.pop()

    def lost(self, outputs: Any, found: Any) -> None:
        """The loss of a batch is known: look at it, and at every node on its way back."""
        loss: Tensor = found[0] / found[1] if isinstance(found, tuple) else found
        self.turns[-1].losses.append(float(loss.detach()))
        self.turns[-1].outputs.append(extent(outputs))
        self.place.phase = "backward"
        root = (found[0] if isinstance(found, tuple) else found).grad_fn
        waiting: list[tuple[Any, tuple[str, ...]]] = [] if root is None else [(root, ())]
        seen = {root}
        while waiting:
            node, inherited = waiting.pop()
            modules = self.operations.made.get(node, inherited)
            node.register_hook(partial(self.passed, modules, node.name(), node.metadata))
            for other, _ in node.next_functions:
                if other is not None and other not in seen:
                    seen.add(other)
                    waiting.append((other, modules))

    def passed(self, modules: tuple[str, ...], name: str, kept: Any, out: Any, given: Any) -> None:
        """The backward pass has gone through a node: `given` gradients became those `out`."""
        if broken(given) or not broken(out):
            return
        named = dict(self.task.named_modules())
        place = replace(self.place, modules=[(each, named[each]) for each in modules])
        line = source_then(kept.get("traceback_", ()))
        found = event(place, name, line, extents(given), out)
        self.turns[-1].backward += [found] if found else []

    def accumulated(self, name: str, parameter: Tensor) -> None:
        """A parameter has its gradient, so far."""
        found = extent(parameter.grad)
        if found is not None:
            self.turns[-1].gradients[name] = found
            parts = [part.double().norm() ** 2 for part in tensors(parameter.grad)]
            self.turns[-1].squares[name] = float(sum(parts))

    def norm(self, seen: Seen) -> float | None:
        """The norm of the gradients of a turn's own parameters, unscaled; None without any."""
        scaler = self.run.trainer.precision.scaler
        squares = [value for name, value in seen.squares.items() if name in seen.own]
        if not squares:
            return None
        return math.sqrt(sum(squares)) / (scaler.get_scale() if scaler else 1.0)
