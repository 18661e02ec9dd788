"""What is said of a run that was run again, on the console and in reproduction.json."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.errors import Refused
from trainer.pasting import nearest
from trainer.reproduction.compared import Compared
from trainer.reproduction.metrics import compare_final, compare_recorded, recorded
from trainer.reproduction.weights import compare_checkpoints
from trainer.storage.atomic import write_json
from trainer.storage.checkpoint import Checkpoints
from trainer.storage.comparison import Difference, between, lines, other_packages, shown
from trainer.storage.folder import RunFolder
from trainer.storage.stored_environment import as_json, later_starts, read_environment

NAME = "reproduction.json"


@dataclass(frozen=True)
class Report:
    """Two runs of one config held against each other, and what else differs between them."""

    was: Path
    now: Path
    compared: Sequence[Compared]
    environment: Sequence[Difference]
    packages: Sequence[Difference]
    starts: Mapping[str, Sequence[Mapping[str, Any]]]  # later ones, by the folder of the run
    unknown: Sequence[str]  # folders without a readable environment.json

    @property
    def identical(self) -> bool:
        """Whether all that was compared is the same, bit for bit."""
        return all(each.identical for each in self.compared)

    @property
    def first(self) -> str:
        """What differs first."""
        return next(
            (f"{each.what} {each.told}" for each in self.compared if not each.identical), ""
        )

    def write(self) -> None:
        """Write all of it into the folder of the second run; raises CannotWrite."""
        content = {
            "run": str(self.was),
            "identical": self.identical,
            "compared": {each.what: each.plain() for each in self.compared},
            "environment": as_json(self.environment),
            "other_packages": as_json(self.packages),
            "resumed": self.starts,
            "environment_unknown": self.unknown,
        }
        write_json(self.now / NAME, content)

    def told(self) -> list[str]:
        """The lines for the console."""
        was, now = nearest(self.was), nearest(self.now)
        width = max(len(each.what) for each in self.compared)
        verdict = f"is {was} again, bit for bit" if self.identical else f"is not {was} again"
        table = [f"  {each.what:{width}}  {each.told}" for each in self.compared]
        return [f"{now} {verdict}:", *table, *([] if self.identical else self.reasons())]

    def reasons(self) -> list[str]:
        """What may have made the difference."""
        was, now = nearest(self.was), nearest(self.now)
        found = [f"{run} has no readable environment.json to compare" for run in self.unknown]
        if self.environment:
            found += ["What they ran on differs:", *lines(self.environment, was, now)]
        if self.packages:
            number = len(self.packages)
            found.append(
                f"{number} other package{'s differ' if number > 1 else ' differs'}: {NAME}"
            )
        for run, starts in self.starts.items():
            for start in starts:
                found.append(f"{run} went on at step {shown(start.get('step'))} with")
                found += lines(changes_of(start))
        return found or ["What they ran on is the same, as far as it is recorded."]


def changes_of(start: Mapping[str, Any]) -> list[Difference]:
    """What a later start has changed, from what is written down of it."""
    pairs = [*start["settings"].items(), *start["differences"].items()]
    return [
        Difference(shown(name), *(shown(pair.get(key)) for key in ("was", "is")))
        for name, pair in pairs
        if isinstance(pair, Mapping)
    ]


def compare(was: Path, now: Path) -> Report:
    """Hold a run against another, both finished; nothing in their folders changes.

    Raises Refused for what can't be read, NoUsableCheckpoint.
    """
    runs = [RunFolder.open(path) for path in (was, now)]
    metrics = [run.read_status().get("metrics") or {} for run in runs]
    saved = [Checkpoints(run.checkpoints) for run in runs]
    newest = [each.newest() for each in saved]
    best = [each.best() for each in saved]
    known, unknown = list[dict[str, Any]](), list[str]()
    for path in (was, now):
        try:
            known.append(read_environment(path))
        except ValueError:
            known.append({})
            unknown.append(nearest(path))
    return Report(
        was=was,
        now=now,
        compared=[
            compare_recorded(runs[0].metrics, runs[1].metrics),
            compare_final(metrics[0], metrics[1]),
            compare_checkpoints("last checkpoint", newest[0], newest[1]),
            compare_checkpoints("best checkpoint", best[0], best[1]),
        ],
        environment=between(known[0], known[1]),
        packages=other_packages(known[0], known[1]),
        starts={
            nearest(path): later_starts(each)
            for path, each in zip((was, now), known, strict=True)
            if later_starts(each)
        },
        unknown=unknown,
    )


def refuse_incomparable(path: Path) -> None:
    """Read what a run will be compared by, before anything is trained.

    Raises Refused for no run and for metrics that can't be read; where no weights are left, Refused
    or NoUsableCheckpoint.
    """
    run = RunFolder.open(path)
    if run.state != "finished":
        return  # that is told by who builds it
    for _ in recorded(run.metrics):
        pass
    if Checkpoints(run.checkpoints).newest() is None:
        raise Refused(
            f"{nearest(path)} has no checkpoint left to compare with; restore one from a copy, or "
            "choose another run"
        )
