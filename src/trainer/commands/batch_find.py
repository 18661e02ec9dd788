"""`fivestep batch-find`: the smallest batch size that is fast, or the largest that fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.commands.arguments import Parser
from trainer.errors import Refused
from trainer.pasting import nearest

if TYPE_CHECKING:
    from trainer.commands.rehearsal import Rehearsal
    from trainer.finding.batch_size import Search
    from trainer.run import Run

ABOUT = """\
Find a batch size: train a few steps with batches of 1, 2, 4 ... samples, and
measure speed and memory of each.

Chosen is the smallest size within 5 % of the best throughput that leaves 16
steps an epoch. Overrides are those of train; the line to be used is printed at
the end. No run is made; the picture and the numbers go to
runs/<name>/batch-find_<date>_<time>_*."""


def main(words: Sequence[str]) -> int:
    """Search and print; raises Refused for what train would refuse, Failed, CannotWrite."""
    arguments = arguments_of(words)
    overrides, folders = arguments.overrides, arguments.config_dir
    from trainer.commands.rehearsal import paste, rehearsal

    with rehearsal("batch-find", overrides, folders, arguments.output) as trial:
        from trainer.finding.batch_size import find

        refuse_without_size(trial.run.config)
        run = checked(trial)
        run.console.say(trial.title)
        search = find(
            run,
            trial.loader,
            largest=arguments.largest,
            fastest=not arguments.largest_that_fits,
        )
        found = overrides_for(search, run)
        line = paste("train", overrides, folders, found)
        keep(trial, search, found, line)
    conclude(search, trial.folder, line)
    print(f"rate    {paste('fivestep lr-find', overrides, folders, found)}")
    return 0


def arguments_of(words: Sequence[str]) -> Any:
    """What was asked for; raises Refused for what can't be."""
    parser = Parser("fivestep batch-find", ABOUT)
    add = parser.add_argument
    add("overrides", nargs="*", metavar="OVERRIDE", help="as for train: model=mlp optimizer=sgd")
    add("--largest", type=int, metavar="N", help="try sizes up to this one, and no larger")
    add("--largest-that-fits", action="store_true", help="choose the largest, not the fastest")
    add("--output", type=Path, metavar="FOLDER", help="where the results go")
    add("--config-dir", type=Path, action="append", default=[], metavar="DIR", help="as for train")
    found = parser.read(words)
    if found.largest is not None and found.largest < 1:
        raise Refused(f"--largest {found.largest}: give a number of samples, 1 or more")
    return found


def refuse_without_size(config: Mapping[str, Any]) -> None:
    """Raise Refused for a loader of the user's own that takes no batch size."""
    if "batch_size" not in config["loader"]:
        raise Refused("loader has no batch_size that could be searched; give its loader one")


def checked(trial: Rehearsal) -> Run:
    """The run after preflight, with smaller batches where those of the config don't fit."""
    from trainer.commands.rehearsal import close
    from trainer.preflight import preflight
    from trainer.run import make_loaders

    run = trial.run
    samples = run.loaders.train.batch_size
    while True:
        try:
            preflight(run)
            return run
        except Refused as error:
            # That the size doesn't fit is no mistake here: finding one that does is the task.
            if samples == 1 or not all(
                line.startswith("memory ran out") for line in error.problems
            ):
                raise
        samples //= 2
        close(run.loaders)
        whole = {"drop_last": True} if "drop_last" in run.config["loader"] else {}
        smaller = partial(trial.loader, batch_size=samples, **whole)
        run = replace(run, loaders=make_loaders(run.splits, smaller, run.seed, run.device))


def overrides_for(search: Search, run: Run) -> list[str]:
    """The overrides that set what was found.

    Where the model refuses a batch of one sample, an epoch must not end with one.
    """
    found = [f"loader.batch_size={search.chosen}"]
    refuses_one = any(trial.state == "refused" for trial in search.trials)
    if refuses_one and len(run.splits.train) % search.chosen == 1:
        found.append("loader.drop_last=true")
    return found


def keep(trial: Rehearsal, search: Search, found: Sequence[str], line: str) -> None:
    """Write the picture and the numbers."""
    from trainer.finding.batch_figure import draw
    from trainer.finding.results import write

    rows = [asdict(trial) for trial in search.trials]
    values = {
        "chosen": search.chosen,
        "method": search.method,
        "bound": search.bound,
        "overrides": found,
        "command": line,
        "what": trial.title,
        "values": rows,
    }
    write(trial.folder, "batch_find", draw(search, trial.title), values, rows)


def conclude(search: Search, folder: Path, line: str) -> None:
    """Say what came out and what to do with it."""
    print(f"upper end: {search.bound}")
    print(f"chosen  {search.chosen}: {search.method}")
    print(f"picture {nearest(folder / 'batch_find.png')}")
    print(f"use it  {line}")
