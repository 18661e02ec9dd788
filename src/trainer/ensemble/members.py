"""Which finished trials are put together: the best of a sweep, or of the runs that are named."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from trainer.errors import Refused
from trainer.evaluation.selection import direction_of
from trainer.pasting import nearest
from trainer.storage.folder import RunFolder
from trainer.storage.listing import Record, record, records
from trainer.storage.runs import find
from trainer.sweep.folder import read_request
from trainer.sweep.request import FILE
from trainer.sweep.trials import briefly, read_trials

Direction = Literal["max", "min"]


@dataclass(frozen=True)
class Member:
    """A finished run, with what was chosen for it and the metric that it is ranked by."""

    folder: Path
    told: str  # of a trial what was swept over, of a run all its overrides
    value: float | None
    config: Mapping[str, Any]  # as stored, plain

    @property
    def name(self) -> str:
        """What it is called: 007 of a sweep."""
        return self.folder.name


@dataclass(frozen=True)
class Choice:
    """The runs that were chosen, best first, of how many, and by which metric."""

    members: Sequence[Member]
    available: int
    metric: str  # "validation/accuracy"
    direction: Direction


def choose(paths: Sequence[Path], best: int | None, default: int = 5) -> Choice:
    """The `best` finished runs of the sweeps and runs in `paths`, by their validation metric.

    Without a number: the best `default` where there is a sweep, else all runs that are named.
    Equal ones stay in the order of their numbers. Raises Refused for no sweep or run, none that is
    finished, more than there are, and runs that were judged by different metrics.
    """
    judged: dict[tuple[str, Direction], Path] = {}
    found: dict[Path, tuple[Record, str]] = {}
    for path in paths:
        sweep = (path / FILE).is_file()
        metric, direction, runs = trials_of(path) if sweep else single(path)
        judged.setdefault((metric, direction), path)
        found |= {run.folder.resolve(): (run, told) for run, told in runs}
    if len(judged) > 1:
        raise Refused(
            "; ".join(f"{nearest(p)} was judged by {m} ({d})" for (m, d), p in judged.items())
            + ": they can't be ranked together; name runs of one kind"
        )
    (metric, direction), first = next(iter(judged.items()))
    ranked = sorted(
        found.values(), key=lambda pair: rank(pair[0].metric(metric), direction == "max")
    )
    if best is not None and best > len(ranked):
        are = "is 1 finished run" if len(ranked) == 1 else f"are {len(ranked)} finished runs"
        raise Refused(f"--best {best}: there {are} in {nearest(first)}; give --best {len(ranked)}")
    limit = default if best is None and any((p / FILE).is_file() for p in paths) else best
    members = [
        Member(
            run.folder,
            told,
            run.metric(metric),
            RunFolder.open(run.folder).read_config().config,
        )
        for run, told in ranked[:limit]
    ]
    return Choice(members, len(ranked), f"validation/{metric}", direction)


def rank(value: float | None, more_is_better: bool) -> tuple[bool, float]:
    """What a value is sorted by: the best first, those without one last."""
    if value is None or not math.isfinite(value):
        return True, 0.0
    return False, -value if more_is_better else value


def trials_of(sweep: Path) -> tuple[str, Direction, list[tuple[Record, str]]]:
    """Metric, direction and the finished trials of a sweep; Refused where there are none.

    What a trial's own folder says counts: the sweep itself may have been killed.
    """
    stored = read_request(sweep)
    known = {trial.name: trial for trial in read_trials(sweep)}
    runs = [run for run in records(sweep, depth=1) if run.folder.parent == sweep]
    finished = [
        (run, known[name].told if (name := run.folder.name) in known else briefly(run.overrides))
        for run in runs
        if run.state == "finished"
    ]
    if not finished:
        what = f"none of its {len(runs)} trials" if runs else "no trial of it"
        raise Refused(
            f"{nearest(sweep)} has nothing to average: {what} is finished; go on with it: "
            f"sweep.resume={nearest(sweep)}"
        )
    direction: Direction = "min" if stored.get("direction") == "min" else "max"
    return str(stored.get("select", "accuracy")), direction, finished


def single(path: Path) -> tuple[str, Direction, list[tuple[Record, str]]]:
    """Metric, direction and record of one run; Refused where it is none, or not finished."""
    run = record(path)
    if run is None:
        raise Refused(neither(path))
    if run.state != "finished":
        raise Refused(
            f"{nearest(path)} is not finished ({run.state}); go on with it (train "
            f"resume={nearest(path)}), or leave it out"
        )
    evaluation = RunFolder.open(path).read_config().config.get("evaluation", {})
    chosen = evaluation.get("direction", "auto")
    words = [word for word in run.overrides if not word.startswith("run.")]
    return run.select, direction_of(chosen, run.select), [(run, briefly(words))]


def neither(path: Path) -> str:
    """Say that a folder is no sweep and no run, and what may have been meant."""
    what = "is neither a sweep nor a run" if path.exists() else "does not exist"
    places = {path, path.parent, Path.cwd() / "runs"}
    sweeps = {f.parent for p in places for depth in ("*", "*/*") for f in p.glob(f"{depth}/{FILE}")}
    found = sweeps or {run for place in places if place.is_dir() for run in find(place)}
    names = sorted(nearest(each) for each in found)
    near = get_close_matches(str(path), names, 3, 0.3) or names[-3:]
    hint = f"did you mean {' or '.join(near)}?" if near else "make a sweep with train -m"
    return f"{nearest(path)} {what}; {hint}"
