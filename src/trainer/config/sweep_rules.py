"""What goes together in a sweep, beyond each of its words being right."""

import re
from dataclasses import replace

from omegaconf import DictConfig

from trainer.config.swept import Asked
from trainer.options import SweepOptions
from trainer.sweep.axes import REPEATS, Choices, Interval, key_of
from trainer.sweep.space import problems as space_problems

EXAMPLE = "train -m optimizer.lr=0.1,0.01 'seed=range(3)'"
# What the trials of one leaderboard have in common.
SHARED = re.compile(r"(run\..+|resume|sweep(\..+)?|data\.folds|evaluation\.(select|direction))")


def folds_of(config: DictConfig) -> int | None:
    """How many folds a config asks for without saying which of them is meant; None for none."""
    data = config.get("data")
    folds = data.get("folds") if isinstance(data, DictConfig) else None
    return folds if isinstance(folds, int) and data.get("fold") is None else None


def with_folds(asked: Asked) -> Asked:
    """The folds as one more key that is swept over, where there are some."""
    folds = folds_of(asked.judged.loaded.config)
    if folds is None or folds < 2 or "data.fold" in asked.space:
        return asked
    return replace(
        asked, space={**asked.space, "data.fold": Choices(tuple(map(str, range(folds))))}
    )


def problems(asked: Asked, sweeper: str | None) -> list[str]:
    """What is wrong with a sweep whose words are right each by itself.

    `sweeper` is the Hydra sweeper that takes the place of ours, if any.
    """
    found = []
    for key in asked.space:
        if SHARED.fullmatch(key_of(key)):
            found.append(f"{key} can't be swept over: the trials of a sweep have it in common")
    folds = folds_of(asked.judged.loaded.config)
    if folds is not None and folds < 2:
        return [*found, f"data.folds is {folds}; there have to be 2 or more"]
    if any(problem.startswith("sweep") for problem in asked.problems):
        return found
    options = SweepOptions(**asked.judged.plain["sweep"])
    if not asked.space and sweeper is None:
        found.append(f"nothing is swept over; give a key several values, such as {EXAMPLE}")
    elif asked.space:
        found += space_problems(asked.space)
    if sweeper is None:
        return found + search_problems(asked, options)
    if options.method != "grid":
        found.append(f"sweep={options.method} and hydra/sweeper={sweeper} both search; keep one")
    if options.resume is not None:
        found.append(f"sweep.resume works with fivestep's own sweeper; hydra/sweeper={sweeper}")
    return found


def search_problems(asked: Asked, options: SweepOptions) -> list[str]:
    """What doesn't go together with the method of the search."""
    found = []
    searched = {key: axis for key, axis in asked.space.items() if key not in REPEATS}
    if options.method == "grid":
        for key, axis in asked.space.items():
            if isinstance(axis, Interval):
                found.append(
                    f"{key} is an interval, of which a grid can't try every value; write "
                    f"sweep=random or sweep=bayes, or list values: {key}={axis.low:g},{axis.high:g}"
                )
        if options.trials is not None:
            found.append(
                f"sweep.trials is {options.trials}, but a grid tries every combination; leave it "
                "out, or write sweep=random or sweep=bayes"
            )
        if options.prune != "none":
            found.append(
                f"sweep.prune is {options.prune}, but a grid ends no trial early; write "
                "sweep=random or sweep=bayes"
            )
        return found
    if options.trials is None:
        found.append(f"sweep.trials is null; sweep={options.method} needs their number")
    for key in REPEATS:
        if isinstance(asked.space.get(key), Interval):
            found.append(f"{key} repeats each point; list its values: {key}=range(3)")
    if asked.space and not searched:
        found.append(f"only {', '.join(asked.space)} has several values; leave sweep= out")
    if options.prune != "none" and len(searched) < len(asked.space):
        found.append(
            f"sweep.prune is {options.prune}, but each point is tried on several seeds or folds, "
            "of which one says little; use sweep.prune=none"
        )
    return found
