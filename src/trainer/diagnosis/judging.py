"""Which of the things that were seen in a step is the one that made it not finite."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from trainer.diagnosis.batch import of_batch
from trainer.diagnosis.finding import Evidence, Finding
from trainer.diagnosis.operations import Event, facts_of
from trainer.diagnosis.state import cause_of_state, of_state
from trainer.diagnosis.watching import Seen
from trainer.run import Run


def judge(evidence: Evidence) -> Finding | None:
    """The finding of a step, None where all of it is finite."""
    for seen in evidence.watch.turns:
        if not all(map(math.isfinite, seen.losses)):
            return cause_of_loss(evidence, seen)
        bad = [name for name, found in seen.gradients.items() if name in seen.own and found.value]
        if bad:
            return cause_of_gradient(evidence, seen, bad)
    changed = evidence.after - evidence.before
    return cause_of_state(evidence, changed) if changed else None


def cause_of_loss(evidence: Evidence, seen: Seen) -> Finding:
    """Of a loss that isn't finite: batch, state, a module, or the loss itself."""
    operations = evidence.watch.operations
    modules = evidence.new(seen.modules)
    strong = evidence.new(e for e in operations.events if e.turn == seen.turn)
    guilty = modules[0] if modules else None
    if guilty and (inner := within(guilty, strong)):
        return of_forward(evidence, guilty, inner)
    # An operation on finite numbers outside of such a module may be harmless; these are not.
    if found := of_batch(evidence, seen) or of_state(evidence, seen):
        return found
    if guilty:
        return of_forward(evidence, guilty, within(guilty, evidence.new(operations.weaker)))
    if strong:
        return of_forward(evidence, strong[0], strong[0])
    values = [value for value in seen.losses if not math.isfinite(value)]
    facts: dict[str, Any] = {"outputs": str(seen.outputs[-1])} if seen.outputs else {}
    return Finding(
        "loss",
        f"{values[0]} arises in the loss of {seen.turn}",
        loss_name(evidence.run),
        seen.turn,
        str(values[0]),
        facts,
    )


def within(module: Event, events: Iterable[Event]) -> Event | None:
    """The first event inside a module that was called."""
    same = (e for e in events if (e.turn, e.batch, e.phase) == module[:3])
    return next((e for e in same if module.where in e.modules), None)


def of_forward(evidence: Evidence, module: Event, operation: Event | None) -> Finding:
    """A module of the model or the loss, or code of theirs outside of any module."""
    told = operation or module
    lost = told.phase == "loss"
    name = loss_name(evidence.run) if lost else module.where or "the task"
    kind = f" ({module.kind})" if module.kind and not lost else ""
    place = f"in the loss, {name}" if lost else f"in the forward of {name}{kind}"
    facts = facts_of(told)
    return Finding(
        "loss" if lost else "forward",
        f"{told.output.value} arises {place}",
        name if lost else module.where,
        module.turn,
        told.output.value,
        facts | common(evidence, module),
        told.operation,
        told.largest,
    )


def cause_of_gradient(evidence: Evidence, seen: Seen, bad: Sequence[str]) -> Finding:
    """Of gradients that aren't finite where the loss is."""
    if found := of_batch(evidence, seen):
        return found
    events = evidence.new(seen.backward)
    if not events:
        first = seen.gradients[bad[0]]
        return of_state(evidence, seen) or Finding(
            "backward",
            f"the loss is finite; gradients add up to {first.value} at {bad[0]}",
            bad[0],
            seen.turn,
            first.value,
            {"gradient": str(first)},
        )
    event = events[0]
    kind = f" ({event.kind})" if event.kind else ""
    name = f"the backward pass of {event.where}{kind}" if event.where else "the loss's backward"
    facts = facts_of(event)
    facts["gradient"], facts["becomes"] = facts.pop("inputs"), facts.pop("result")
    return Finding(
        "backward",
        f"the loss is finite; {event.output.value} arises in {name}",
        event.where or loss_name(evidence.run),
        seen.turn,
        event.output.value,
        facts | common(evidence, event),
        event.operation,
        event.largest,
    )


def common(evidence: Evidence, event: Event) -> dict[str, Any]:
    """Precision, and which of several batches of a step it was."""
    facts: dict[str, Any] = {}
    if evidence.run.trainer.precision.name != "fp32":
        facts["autocast"] = evidence.run.trainer.precision.name
    number = max(len(seen.batches) for seen in evidence.watch.turns)
    if number > 1:
        facts["micro-batch"] = f"{event.batch} of {number}"
    return facts


def loss_name(run: Run) -> str:
    """What the loss is called: its class, or its function."""
    loss = getattr(run.task, "objective", None)
    if loss is None:
        return type(run.task).__name__
    function = getattr(loss, "func", loss)  # of a partial
    return getattr(function, "__name__", type(loss).__name__)
