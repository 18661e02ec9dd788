"""`fivestep lr-find`: a learning rate from one short run in which it grows with every step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.commands.arguments import Parser
from trainer.errors import Refused
from trainer.pasting import nearest

if TYPE_CHECKING:
    from trainer.finding.learning_rate import RangeTest

ABOUT = """\
Find a learning rate: train a few steps while the rate grows from very small to
very large, and look where the loss falls.

Overrides are those of train; the line to be used is printed at the end. No run
is made; the picture and the numbers go to runs/<name>/lr-find_<date>_<time>_*."""


def main(words: Sequence[str]) -> int:
    """Search and print; raises Refused for what train would refuse, Diverged, CannotWrite."""
    arguments = arguments_of(words)
    overrides, folders = arguments.overrides, arguments.config_dir
    from trainer.commands.rehearsal import paste, rehearsal

    with rehearsal("lr-find", overrides, folders, arguments.output) as trial:
        from trainer.finding.learning_rate import find
        from trainer.preflight import preflight

        refuse_other_peak(trial.run.config)
        preflight(trial.run)
        samples = trial.run.loaders.train.batch_size * trial.run.options.accumulate
        what = f"{trial.title}, {samples} samples a step"
        trial.run.console.say(what)
        test = find(
            trial.run,
            low=arguments.low,
            high=arguments.high,
            steps=arguments.steps,
            optimizer=arguments.optimizer,
        )
        found = overrides_for(test, trial.run.config)
        line = paste("train", overrides, folders, found) if found else None
        keep(trial.folder, test, what, found, line)
    conclude(test, trial.folder, line)
    return 0


def arguments_of(words: Sequence[str]) -> Any:
    """What was asked for; raises Refused for what can't be read."""
    parser = Parser("fivestep lr-find", ABOUT)
    add = parser.add_argument
    add("overrides", nargs="*", metavar="OVERRIDE", help="as for train: model=mlp optimizer=sgd")
    add("--steps", type=int, default=100, metavar="N", help="steps of the test (default 100)")
    add("--low", type=float, default=1e-7, metavar="RATE", help="first rate (default 1e-7)")
    add("--high", type=float, default=10.0, metavar="RATE", help="last rate (default 10)")
    add("--optimizer", metavar="NAME", help="of several optimizers, the one to search for")
    add("--output", type=Path, metavar="FOLDER", help="where the results go")
    add("--config-dir", type=Path, action="append", default=[], metavar="DIR", help="as for train")
    found = parser.read(words)
    from trainer.finding.suggestion import range_problems

    if problems := range_problems(found.low, found.high, found.steps):
        raise Refused(*problems)
    return found


def refuse_other_peak(config: Mapping[str, Any]) -> None:
    """Raise Refused where the schedule has a peak of its own, which optimizer.lr doesn't move."""
    peak = ((config.get("scheduler") or {}).get("schedule") or {}).get("max_lr")
    rate = config["optimizer"].get("lr")
    if peak is not None and rate is not None and peak != rate:
        raise Refused(
            f"scheduler.schedule.max_lr is {peak}, so optimizer.lr ({rate}) decides nothing; leave "
            "max_lr out, which makes it ${optimizer.lr}, or search with scheduler=none"
        )


def overrides_for(test: RangeTest, config: Mapping[str, Any]) -> list[str]:
    """The overrides that set what was found; nothing where nothing was."""
    if test.chosen is None:
        return []
    if "_target_" in config["optimizer"]:
        return [f"optimizer.lr={test.chosen:g}"]
    return [
        f"optimizer.{name}.lr={test.chosen * factor:.3g}" for name, factor in test.factors.items()
    ]


def keep(folder: Path, test: RangeTest, what: str, found: Sequence[str], line: str | None) -> None:
    """Write the picture and the numbers."""
    from trainer.finding.rate_figure import draw
    from trainer.finding.results import write
    from trainer.finding.suggestion import METHOD

    curves = zip(test.rates, test.losses, map(float, test.suggestion.smooth), strict=True)
    rows = [
        {"step": step, "rate": rate, "loss": loss, "smoothed": smooth}
        for step, (rate, loss, smooth) in enumerate(curves, 1)
    ]
    values = {
        "chosen": test.chosen,
        "method": METHOD,
        "suggestions": test.suggestion.rates,
        "overrides": found,
        "command": line,
        "ended": test.ended,
        "what": what,
        "values": rows,
    }
    write(folder, "lr_find", draw(test, what), values, rows)


def conclude(test: RangeTest, folder: Path, line: str | None) -> None:
    """Say what came out and what to do with it."""
    picture = nearest(folder / "lr_find.png")
    if line is None:
        print(
            "no suggestion: the loss never fell by more than chance; look at the picture, try "
            "more --steps or\nanother range, and see whether the model can learn at all: "
            "train debug=overfit"
        )
        print(f"picture {picture}")
        return
    for name, rate in test.suggestion.rates.items():
        star = "  <- chosen" if name == "halfway" else ""
        print(f"  {name:<11} {rate:.2g}{star}")
    print(f"picture {picture}")
    print(f"use it  {line}")
