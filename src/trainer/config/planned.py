"""From the checked words of a sweep to what is run: its folder and its plan."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from trainer.config.catalogue import defaults
from trainer.config.compose import raw
from trainer.config.drift import FREE
from trainer.config.swept import OWN, Asked, at
from trainer.errors import Refused
from trainer.evaluation.selection import direction_of
from trainer.options import SweepOptions
from trainer.pasting import nearest
from trainer.sweep.axes import key_of
from trainer.sweep.folder import SweepFolder
from trainer.sweep.machine import gpus, share_of_threads
from trainer.sweep.plan import Plan
from trainer.sweep.request import Request, differences, stored_space
from trainer.sweep.sweep import Sweep

UNCOMPARED = ("sweep", "run", "resume")


def folder_of(asked: Asked, options: SweepOptions) -> tuple[SweepFolder, bool]:
    """The locked folder of a sweep, and whether it is a new one."""
    exact = at(asked.judged.plain, "run.dir")
    place = None if exact is None else Path(str(exact)).expanduser()
    if options.resume is not None:
        path = Path(options.resume).expanduser()
        if place is not None and place.absolute() != path.absolute():
            raise Refused(f"run.dir={place} and sweep.resume={path} are two folders; keep one")
        return SweepFolder.open(path), False
    if place is not None:
        return SweepFolder.claim(place), True
    choices = asked.judged.loaded.choices
    fixed = [choices[name] for name in ("data", "model") if name not in asked.space]
    name = at(asked.judged.plain, "run.name") or "-".join(fixed) or "sweep"
    return SweepFolder.create(Path("runs"), str(name)), True


def plan(
    asked: Asked,
    options: SweepOptions,
    folder: SweepFolder,
    *,
    fresh: bool,
    command: Sequence[str],
    config_dirs: Sequence[Path],
    trusted: Sequence[str],
) -> Sweep:
    """The sweep as it is to be run; one that goes on is compared with what it was begun with.

    Raises Refused for one that is no longer the same.
    """
    config = asked.judged.plain
    select = str(at(config, "evaluation.select") or "accuracy").removeprefix("validation/")
    request = Request(
        command=tuple(command),
        method=options.method,
        space=asked.space,
        select=select,
        direction=direction_of(at(config, "evaluation.direction"), select),
        trials=options.trials,
        prune=options.prune,
        seed=options.seed,
        threads=threads(asked, options),
        # Interpolations as they are written: what is swept over would show in what refers to it.
        config={k: v for k, v in raw(asked.judged.loaded.config).items() if k not in UNCOMPARED},
    )
    if not fresh:
        stored = folder.read()
        if found := differences(stored, request, FREE):
            raise Refused(*(f"{nearest(folder.path)} can't go on: {line}" for line in found))
        # As it was begun: the numbers of the trials and the bits of their results depend on it.
        threads_then = stored.get("threads")
        threads_then = threads_then if isinstance(threads_then, int) else None
        request = replace(request, space=stored_space(stored), threads=threads_then)
    flags = [word for path in config_dirs for word in ("--config-dir", str(path.absolute()))]
    flags += [word for name in trusted for word in ("--trust", name)]
    words = [word for word in asked.fixed if not OWN.match(word)]
    exports = exported(asked, config_dirs)
    every = at(config, "evaluation.every")
    spread = options.jobs > 1 and free(asked, "trainer.device", "auto", "cuda")
    return Sweep(
        Plan(
            folder=folder.path,
            words=(*flags, *words, *([] if exports else ["export=none"])),
            select=select,
            direction=request.direction,
            every=every if isinstance(every, int) else 1,
            jobs=options.jobs,
            threads=request.threads,
            gpus=gpus() if spread else (),
            unexported=not exports,
        ),
        request,
    )


def threads(asked: Asked, options: SweepOptions) -> int | None:
    """The share of each trial, unless the user has chosen one."""
    return share_of_threads(options.jobs) if free(asked, "trainer.threads", "auto") else None


def free(asked: Asked, path: str, *values: str) -> bool:
    """Whether a key is left to us: not swept over, and one of some values."""
    return path not in asked.space and at(asked.judged.plain, path) in values


def exported(asked: Asked, config_dirs: Sequence[Path]) -> bool:
    """Whether trials are exported: only where somebody has chosen how, since one of them is used.

    What single runs are exported to by default, `fivestep export` makes of the best one later.
    """
    default, _ = defaults(config_dirs).get("export", (None, ""))
    chosen = asked.judged.loaded.choices.get("export")
    known = asked.judged.known.groups.get("export")
    touched = any(key_of(word).startswith("export") for word in (*asked.fixed, *asked.space))
    off = known is None or "none" not in known.choices or chosen == "none"
    return touched or chosen != default or off
