"""`fivestep diagnose`: the step in which a run diverged, taken again to see where that arises."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from trainer.commands import tables
from trainer.commands.arguments import Parser
from trainer.diagnosis.incident import Incident, incidents
from trainer.errors import Refused
from trainer.pasting import nearest

if TYPE_CHECKING:
    from trainer.diagnosis.replaying import Look
    from trainer.run import Run
    from trainer.storage.comparison import Difference

ABOUT = """\
Say where a run's numbers stopped being finite: the samples, the layer, the
line.

The run is gone through again from a checkpoint, bit for bit, up to the step
that ended it (or the one that --step names), and that step is looked at with
torch's anomaly detection. Nothing in the run's folder changes."""
SAMPLES = 8  # that are shown


def main(words: Sequence[str]) -> int:
    """Look and print; raises Refused for a run that hasn't diverged or can't be built again."""
    arguments = arguments_of(words)
    run: Path = arguments.run.expanduser()
    incident, step = what_to_look_at(run, arguments.step)
    from trainer.diagnosis.remedies import remedies

    looks, config, differences = look_at_all(run, step, arguments.trust)
    advice = remedies(looks[-1], config, run)
    if arguments.json:
        content = plain(run, looks, incident, advice, differences)
        print(json.dumps(content, indent=2, allow_nan=False))
    else:
        told(run, looks, incident, advice, differences)
    return 0


def arguments_of(words: Sequence[str]) -> Any:
    """What was asked for; raises Refused for what can't be read."""
    parser = Parser("fivestep diagnose", ABOUT)
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="the folder of a run")
    add("--step", type=int, metavar="N", help="the step to look at (default: the last that failed)")
    add("--json", action="store_true", help="print all that was found, for a program")
    add("--trust", action="append", default=[], metavar="NAME", help="let a stranger's run use it")
    found = parser.read(words)
    if found.step is not None and found.step < 1:
        raise Refused(f"--step is {found.step}; steps are counted from 1")
    return found


def what_to_look_at(run: Path, step: int | None) -> tuple[Incident | None, int]:
    """What the run has written of the step, if anything, and which it is.

    Raises Refused for no run, none that has diverged, and a step that it never made.
    """
    from trainer.storage.folder import RunFolder

    folder = RunFolder.open(run)
    found = incidents(folder.path) if step is None else None
    if step is None:
        if not found:
            raise Refused(f"{nearest(run)} has not diverged; give --step N to look at a step of it")
        return found[-1], found[-1].step
    try:
        found = incidents(folder.path)
    except Refused:
        found = []  # the step is known without it
    made = max([int(folder.read_status().get("step") or 0), *(each.step for each in found)])
    saved = [int(p.name[5:]) for p in folder.checkpoints.glob("step_" + "[0-9]" * 8)]
    if step > max([made, *saved]):
        raise Refused(f"{nearest(run)} has made {max([made, *saved])} steps; there is no {step}")
    return next((each for each in found if each.step == step), None), step


def look_at_all(
    run: Path, step: int, trusted: Sequence[str]
) -> tuple[list[Look], Mapping[str, Any], list[Difference]]:
    """The looks at a step and, where its weights were spoilt before, at the one that did so.

    Beside them come the run's config, and what is otherwise now than where it ran.
    """
    from trainer.commands.progress import Progress
    from trainer.config.replay import rebuilt
    from trainer.diagnosis.replaying import look_at

    config: dict[str, Any] = {}
    differences: list[Difference] = []

    def make() -> Run:
        built, differences[:] = rebuilt(run, trusted)
        config.update(built.config)
        return built

    looks: list[Look] = []
    with Progress(sys.stderr, None) as progress:

        def advance(left: int) -> None:
            progress.total = progress.number + left
            progress.advance()

        looks.append(look_at(make, step, advance))
        since = looks[0].since
        if since is not None and looks[0].finding and looks[0].finding.kind == "state":
            looks.append(look_at(make, since, advance))
    return looks, config, differences


def told(
    run: Path,
    looks: Sequence[Look],
    incident: Incident | None,
    advice: Sequence[str],
    differences: Sequence[Difference],
) -> None:
    """Print what was found, the step that was asked for first."""
    for number, look in enumerate(looks):
        if number:
            print()
        for line in (*head(run, look), *found(look)):
            print(tables.printable(line))
    look = looks[-1]
    if look.finding is None:
        for line in no_finding(look, incident, differences):
            print(tables.printable(line))
    print()
    tables.show(sys.stdout, tables.table(columns(look), tables.width_of(sys.stdout)))
    if advice:
        print()
    for text in advice:
        print(tables.printable(f"-> {text}"))


def head(run: Path, look: Look) -> list[str]:
    """Which step it is, of which samples, and from where it was gone through again."""
    shown = [named(look, number) for number in range(min(SAMPLES, len(look.samples)))]
    more = f" and {len(look.samples) - SAMPLES} more" if len(look.samples) > SAMPLES else ""
    begun = f"{look.checkpoint}" if look.checkpoint else "the start of the run"
    return [
        f"step {look.step} of {nearest(run)}: epoch {look.epoch}, batch {look.batch}",
        f"samples   {', '.join(shown)}{more}",
        f"replayed  from {begun}",
        *(f"note      {warning}" for warning in look.warnings),
        "",
    ]


def named(look: Look, number: int) -> str:
    """A sample by its name, else by its index."""
    return str(look.samples[number]) if look.names is None else look.names[number]


def found(look: Look) -> list[str]:
    """The finding, and what is known about it."""
    finding = look.finding
    if finding is None:
        return []
    facts = {name: value for name, value in finding.facts.items() if name != "samples"}
    lines = [finding.headline, *(f"  {name:<11} {value}" for name, value in facts.items())]
    for each in finding.facts.get("samples", [])[:SAMPLES]:
        name = f" ({each['name']})" if "name" in each else ""
        which = f"sample {each['sample']}{name}" if "sample" in each else "a sample"
        lines.append(f"  {each['field']:<11} {each['value']} in {which}")
    if look.in_fp32 is not None:
        lines.append(f"  {'in fp32':<11} {'finite' if look.in_fp32 else 'not finite either'}")
    if finding.kind == "state" and look.since is not None:
        lines.append(f"  {'since':<11} step {look.since}")
    return lines


def no_finding(
    look: Look, incident: Incident | None, differences: Sequence[Difference]
) -> list[str]:
    """That all is finite; and where it wasn't when the run made the step, why that may be."""
    if incident is None:
        return [f"all numbers of step {look.step} are finite"]
    lines = [
        f"all numbers of step {look.step} are finite this time, though the {incident.name} of the "
        f"run was {incident.value}; possible reasons:"
    ]
    lines += [f"  {each.name} was {each.was} and is {each.now}" for each in differences]
    return [
        *lines,
        "  code or data that have changed since, or that draw random numbers of their own",
        "  a device, or a number of threads, that adds in another order",
        "  a compiled model: the step is looked at uncompiled",
    ]


def columns(look: Look) -> list[tables.Column]:
    """The losses, norms and rates of the last steps."""
    names = dict.fromkeys(name for row in look.rows for name in row)
    return [
        tables.Column(
            name,
            [
                "-" if name not in row else str(row[name]) if name == "step" else number(row[name])
                for row in look.rows
            ],
            right=True,
        )
        for name in names
    ]


def number(value: float) -> str:
    """A loss, a norm or a rate."""
    return f"{value:.4g}"


def plain(
    run: Path,
    looks: Sequence[Look],
    incident: Incident | None,
    advice: Sequence[str],
    differences: Sequence[Difference],
) -> dict[str, Any]:
    """All that was found, as strict JSON has it: what isn't finite is a text."""
    content = {
        "run": str(run),
        "recorded": None if incident is None else incident._asdict(),
        "looks": [asdict(look) for look in looks],
        "remedies": advice,
        "differences": [each._asdict() for each in differences],
    }
    return cast("dict[str, Any]", finite(content))


def finite(value: Any) -> Any:
    """A value with texts in place of NaN and infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {name: finite(part) for name, part in value.items()}
    return [finite(part) for part in value] if isinstance(value, list | tuple) else value
