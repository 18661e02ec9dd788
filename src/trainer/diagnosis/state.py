"""Parameters and buffers that are not finite: before a step, or made so by it."""

from typing import Any

from torch import Tensor, nn

from trainer.diagnosis.extent import extent, one
from trainer.diagnosis.finding import Evidence, Finding
from trainer.diagnosis.operations import facts_of
from trainer.diagnosis.watching import Seen
from trainer.run import Run


def of_state(evidence: Evidence, seen: Seen) -> Finding | None:
    """A parameter or buffer that was not finite before the step."""
    if not evidence.before:
        return None
    name, tensor = first_of(evidence.run, evidence.before)
    what = "parameter" if isinstance(tensor, nn.Parameter) else "buffer"
    found = one(tensor.detach().reshape(-1))
    return Finding(
        "state",
        f"the {what} {name} was not finite any more when the step began",
        name,
        seen.turn,
        found.value,
        {"values": str(found), "in all": f"{len(evidence.before)} parameters and buffers"},
    )


def first_of(run: Run, names: set[str]) -> tuple[str, Tensor]:
    """The first of some parameters and buffers, in the order of the model."""
    assert isinstance(run.task, nn.Module)
    everything = (*run.task.named_parameters(), *run.task.named_buffers())
    return next((name, tensor) for name, tensor in everything if name in names)


def cause_of_state(evidence: Evidence, changed: set[str]) -> Finding:
    """Of parameters or buffers that a step with finite loss and gradients made not finite."""
    run = evidence.run
    name, tensor = first_of(run, changed)
    value = one(tensor.detach().reshape(-1)).value
    if not isinstance(tensor, nn.Parameter):
        made = [each for seen in evidence.watch.turns for each in seen.buffers]
        name, kind = next((each for each in made if each[0] in changed), (name, ""))
        module = name.rpartition(".")[0]
        event = next((e for e in evidence.watch.operations.events if e.where == module), None)
        return Finding(
            "buffer",
            f"loss and gradients are finite; the forward of {module} ({kind}) makes its buffer "
            f"{name} {value}",
            name,
            evidence.watch.turns[0].turn,
            value,
            facts_of(event) if event else {},
            event.operation if event else "",
        )
    seen = next((s for s in evidence.watch.turns if name in s.own), evidence.watch.turns[0])
    optimizer = run.trainer.optimizers[seen.turn]
    groups = optimizer.param_groups
    group = next((g for g in groups if any(p is tensor for p in g["params"])), groups[0])
    facts: dict[str, Any] = {"lr": float(group["lr"]), "gradient": str(seen.gradients.get(name))}
    for key, kept in optimizer.state.get(tensor, {}).items():
        if (found := extent(kept)) is not None:
            facts[str(key)] = str(found)
    gradient = seen.gradients.get(name)
    return Finding(
        "update",
        f"loss and gradients are finite; the step of {type(optimizer).__name__} makes {name} "
        f"{value}",
        name,
        seen.turn,
        value,
        facts,
        type(optimizer).__name__,
        gradient.largest if gradient else 0.0,
    )
