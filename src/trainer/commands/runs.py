"""`fivestep runs`: which runs there are, how they ended, what came out."""

import json
import math
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from trainer.commands import tables
from trainer.commands.arguments import Parser
from trainer.config.catalogue import did_you_mean
from trainer.errors import Refused
from trainer.pasting import nearest, pasteable
from trainer.recording.layout import duration, number
from trainer.storage.listing import SHOWN_STATES, Record, records

ABOUT = """\
List the runs at and below a folder: how they ended, what was measured, what
was changed.

Shown is the metric that chose the weights, on the validation and on the test
split. A run that says it is running while no process holds its folder is shown
as died. In a narrow terminal the date in a folder's name is shortened to *,
which a shell completes again."""
KEYS: dict[str, tuple[Callable[[Record], Any], bool]] = {  # what is sorted on, whether downwards
    "started": (lambda run: run.started, True),
    "name": (lambda run: str(run.folder), False),
    "state": (lambda run: run.state, False),
    "seconds": (lambda run: run.seconds, True),
    "epoch": (lambda run: run.epoch, True),
    "step": (lambda run: run.step, True),
}
STYLES = {"finished": "green", "running": "cyan", "preempted": "yellow"}
BESIDE = 24  # places that the overrides need to stand in the run's own line
DATED = re.compile(r"\d{4}-\d{2}-\d{2}_\d{2}-\d{2}-\d{2}_(?=.)")
UNTOLD = ("run.", "resume=")  # overrides that say where a run is, not what it is


def main(words: Sequence[str]) -> int:
    """List runs; raises Refused for a folder that isn't there, an unknown state or sort key."""
    arguments = arguments_of(words)
    top: Path = arguments.folder
    found = list(records(existing(top)))
    chosen = [run for run in found if arguments.state in (None, run.state)]
    chosen = ordered(chosen, arguments.sort, arguments.reverse)
    shown = chosen[: arguments.limit]
    if arguments.json:
        print(json.dumps([run.plain() for run in shown], indent=2))
    elif not shown:
        print(nothing(top, len(found), arguments.state))
    else:
        width = tables.width_of(sys.stdout)
        tables.show(sys.stdout, listed(shown, arguments.sort, width))
        print("\n" + summary(top, shown, len(chosen), arguments.sort))
    return 0


def arguments_of(words: Sequence[str]) -> Any:
    """What was asked for; raises Refused for what can't be."""
    parser = Parser("fivestep runs", ABOUT)
    add = parser.add_argument
    add("folder", nargs="?", type=Path, default=Path("runs"), help="where to look (default runs)")
    add(
        "--sort",
        default="started",
        metavar="KEY",
        help=f"{', '.join(KEYS)}, or a metric such as accuracy or test/loss: the latest, the "
        "longest, the best come first (default started)",
    )
    add("--reverse", action="store_true", help="the other way round")
    add("--state", metavar="STATE", help=f"only these: {', '.join(SHOWN_STATES)}")
    add("--limit", type=int, metavar="N", help="at most so many")
    add("--json", action="store_true", help="all that is known of each, for a program")
    found = parser.read(words)
    problems = []
    if found.state is not None and found.state not in SHOWN_STATES:
        near = did_you_mean(found.state, SHOWN_STATES)
        states = ", ".join(SHOWN_STATES)
        problems.append(f"--state {found.state} is none{near or f'; states: {states}'}")
    if found.limit is not None and found.limit < 1:
        problems.append(f"--limit {found.limit}: give a number of runs, 1 or more")
    if problems:
        raise Refused(*problems)
    return found


def existing(folder: Path) -> Path:
    """The folder; raises Refused with the nearest one where it isn't there."""
    if folder.is_dir():
        return folder
    if folder.exists():
        raise Refused(f"{folder} is a file; give a folder that has runs below it")
    above = next(parent for parent in folder.absolute().parents if parent.is_dir())
    missing = folder.absolute().relative_to(above).parts[0]
    names = [path.name for path in above.glob("*/") if not path.name.startswith(".")]
    near = did_you_mean(missing, names)
    command = pasteable("train")
    raise Refused(f"{folder} does not exist{near or f'; a run makes it: {command}'}")


def ordered(runs: Sequence[Record], key: str, reverse: bool) -> list[Record]:
    """The runs, sorted; those that lack what is sorted on come last, either way.

    The best comes first: the lowest loss, of all other metrics the highest. Raises Refused for a
    key that no run has.
    """
    known = sorted({name for run in runs for name in run.metrics})
    if key in KEYS:
        value, downwards = KEYS[key]
    else:
        full = key if key.startswith(("validation/", "test/")) else f"validation/{key}"
        if runs and full not in known:
            bare = [name.removeprefix("validation/") for name in known]
            near = did_you_mean(key, [*KEYS, *bare])
            there = f"; there are: {', '.join([*KEYS, *bare])}"
            raise Refused(f"--sort {key}: no run has such a metric{near or there}")
        value, downwards = (lambda run: run.metric(key)), not key.endswith("loss")
    by_name = sorted(runs, key=lambda run: str(run.folder))
    known_value = [run for run in by_name if not missing(value(run))]
    known_value.sort(key=value, reverse=downwards != reverse)
    return [*known_value, *(run for run in by_name if missing(value(run)))]


def missing(value: Any) -> bool:
    """Whether there is nothing to sort on."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def listed(runs: Sequence[Record], sort: str, width: int) -> list[tables.Styled]:
    """The table; what was overridden stands in the line where there is room, else below it."""
    metric = None if sort in KEYS else sort.removeprefix("validation/").removeprefix("test/")
    overrides = [tables.printable(overridden(run)) for run in runs]
    words = tables.Column("overrides", overrides, style="dim", least=BESIDE)
    full = [tables.printable(nearest(run.folder)) for run in runs]
    long = columns_of(runs, full, metric)
    short = columns_of(runs, list(map(undated, full)), metric)
    beside = True
    if tables.natural([*long, words]) <= width:
        columns = [*long, words]
    elif tables.natural(short) + tables.GAP + BESIDE <= width:
        columns = [*short, words]
    else:
        beside = False
        columns = long if tables.natural(long) <= width else short
    if tables.natural([column for column in columns if not column.rank]) <= width or beside:
        # A path that is cut can't be copied: the other columns go first.
        columns = [replace(columns[0], least=None), *columns[1:]]
    title, *rows = tables.table(columns, width)
    lines = [title]
    for run, row, text in zip(runs, rows, overrides, strict=True):
        lines.append(row)
        if text and not beside:
            lines.append([("  ", ""), (tables.shortened(text, width - 2, "end"), "dim")])
        if told := why(run):
            lines.append([("  ", ""), (tables.shortened(told, width - 2, "end"), "red")])
    return lines


def columns_of(
    runs: Sequence[Record], names: Sequence[str], metric: str | None
) -> list[tables.Column]:
    """All columns but the overrides."""
    mixed = metric is None and len({run.select for run in runs}) > 1
    styles = [STYLES.get(run.state, "red") for run in runs]

    def measured(split: str) -> list[str]:
        return [value_of(run, split, metric or run.select, mixed) for run in runs]

    return [
        tables.Column("run", names, least=16, cut="start"),
        tables.Column("state", [run.state for run in runs], style=styles),
        tables.Column("epoch", [epochs(run) for run in runs], right=True, style="dim", rank=1),
        tables.Column("val", measured("validation"), right=True),
        tables.Column("test", measured("test"), right=True),
        tables.Column("time", [lasted(run) for run in runs], right=True, style="dim", rank=2),
        tables.Column("started", [moment(run.started) for run in runs], style="dim", rank=3),
    ]


def value_of(run: Record, split: str, metric: str, named: bool) -> str:
    """A metric as it is shown, with its name where runs were chosen by different ones."""
    value = run.metric(f"{split}/{metric}")
    if value is None:
        return "-"
    return f"{metric} {number(value)}" if named else number(value)


def epochs(run: Record) -> str:
    """`3/40`."""
    if run.epoch is None:
        return "-"
    return f"{run.epoch}/{run.epochs}" if run.epochs else str(run.epoch)


def lasted(run: Record) -> str:
    """How long a run took, or takes already."""
    return "-" if run.seconds is None else duration(run.seconds)


def moment(when: datetime | None) -> str:
    """`21 Nov 10:11`, and with the year where it was another one."""
    if when is None:
        return "-"
    this_year = when.year == datetime.now().year
    return f"{when.day:2} {when:%b %H:%M}" if this_year else f"{when.day:2} {when:%b %Y}"


def overridden(run: Record) -> str:
    """What the command line changed about the run, in its order."""
    return " ".join(word for word in run.overrides if not word.startswith(UNTOLD))


def undated(name: str) -> str:
    """A path in which the date of a folder is a `*`."""
    return DATED.sub("*", name)


def why(run: Record) -> str:
    """What is to be said about a run that isn't as it should be."""
    told = [f"damaged: {', '.join(run.damaged)}"] if run.damaged else []
    if run.state == "failed" and run.reason:
        told.append(tables.printable(run.reason.splitlines()[0]))
    return "; ".join(told)


def summary(top: Path, shown: Sequence[Record], total: int, sort: str) -> str:
    """The line below the table: how many, and what `val` and `test` are."""
    count = f"{len(shown)} of {total}" if len(shown) < total else f"{total}"
    names = {run.select for run in shown} if sort in KEYS else {sort.rpartition("/")[2]}
    metric = names.pop() if len(names) == 1 else "the metric that chose the weights"
    return f"{count} {'run' if total == 1 else 'runs'} in {nearest(top)}; val, test: {metric}"


def nothing(top: Path, others: int, state: str | None) -> str:
    """The line where there is nothing to be listed."""
    if others:
        return f"no run in {nearest(top)} is {state} ({others} are not)"
    return f"no runs in {nearest(top)} yet; start one with: {pasteable('train')}"
