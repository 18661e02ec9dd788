"""A sweep: the plan of its trials, and the ways to run them. Plain data that can travel."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from trainer.storage.atomic import read_regular, write_json
from trainer.sweep.asking import remaining, tell
from trainer.sweep.axes import REPEATS, Choices, Space
from trainer.sweep.display import Display
from trainer.sweep.grid import Grid, Listed
from trainer.sweep.plan import Plan
from trainer.sweep.process import Process, adopt
from trainer.sweep.request import Request
from trainer.sweep.runner import Runner
from trainer.sweep.search import Candidate, Search
from trainer.sweep.trials import Book, Trial, of_json

# Runs trials elsewhere, by their overrides; what comes of them is in their records.
Launch = Callable[[Sequence[Sequence[str]]], None]


@dataclass(frozen=True)
class Sweep:
    """What is to be run, and how; the folder's lock is held by whoever made it."""

    plan: Plan
    request: Request

    def search(self, book: Book) -> Search:
        """What is tried, in which order; raises Refused for a space that can't be searched."""
        request = self.request
        if request.method == "grid":
            return Grid(request.space)
        from trainer.sweep.repeated import Repeated
        from trainer.sweep.study import Study

        assert request.method in ("random", "bayes") and request.trials is not None
        points = {key: axis for key, axis in request.space.items() if key not in REPEATS}
        repeats = {key: axis for key, axis in request.space.items() if key in REPEATS}
        study = Study(
            self.plan.folder,
            points,
            method="bayes" if request.method == "bayes" else "random",
            trials=request.trials,
            direction=request.direction,
            prune=request.prune,
            seed=request.seed,
        )
        return Repeated(study, repeats, book.trials, self.plan.metric) if repeats else study

    def run(self) -> None:
        """Run all of it, each trial in a process of its own."""
        book = Book(self.plan.folder)
        search = self.search(book)
        display = Display(self.plan, number_of_trials(self.request))
        display.introduce()
        Runner(self.plan, book, display, self.request.space).run(search)

    def launch(self, points: Sequence[Sequence[str]], first: int) -> list[Trial]:
        """Run the trials that another sweeper asks for, numbered from `first`."""
        book = Book(self.plan.folder)
        Runner(self.plan, book, Display(self.plan)).run(Listed(points, first))
        return [book.trials[first + place] for place in range(len(points))]

    def run_elsewhere(self, launch: Launch) -> None:
        """Run all of it by another launcher: a grid at once, a search `sweep.jobs` at a time."""
        book = Book(self.plan.folder)
        settle(book, self.plan)
        search = self.search(book)
        waiting = remaining(search, book, self.plan.metric, self.request.space)
        size = None if self.request.method == "grid" else self.plan.jobs
        more = True
        while more:
            batch: list[Candidate] = []
            while more and (size is None or len(batch) < size):
                candidate = next(waiting, None)
                more = candidate is not None
                if candidate is not None:
                    batch.append(candidate)
                    book.put(Trial(candidate.number, candidate.overrides))
            if batch:
                folders = [self.plan.trial_folder(f"{each.number:03d}") for each in batch]
                launch(
                    [
                        [*each.overrides, f"run.dir={folder}"]
                        for each, folder in zip(batch, folders, strict=True)
                    ]
                )
                settle(book, self.plan)
                for each in batch:
                    tell(search, book.trials[each.number], self.plan.metric)

    def trial(self, number: int, overrides: Sequence[str]) -> Trial:
        """Run one trial, in whichever process another launcher has put us; leaves a record of it.

        The trial has a process of its own there too, so that a crash stays in it.
        """
        process = Process(self.plan, Trial(number, tuple(overrides)), 0)
        try:
            process.wait()
        except BaseException:
            process.stop("preempted", "stopped with the sweep")
            process.wait()
            raise
        finally:
            trial = process.outcome()
            write_json(record(self.plan.folder, number), asdict(trial))
        return trial


def record(folder: Path, number: int) -> Path:
    """Where a trial that was run elsewhere leaves what came of it."""
    return folder / "logs" / f"{number:03d}.json"


def settle(book: Book, plan: Plan) -> None:
    """Put into the book what became of trials elsewhere, also of those that left no record.

    For when no trial runs any more.
    """
    for path in sorted((book.folder / "logs").glob("*.json")):
        book.put(of_json(json.loads(read_regular(path, 10_000_000))))
        path.unlink()
    for trial in [each for each in book.trials.values() if each.state == "running"]:
        book.put(adopt(trial, plan))


def number_of_trials(request: Request) -> int | None:
    """How many trials there will be; None where another sweeper decides."""
    repeats = {key: axis for key, axis in request.space.items() if key in REPEATS}
    if request.method == "grid":
        return points(request.space)
    return None if request.trials is None else request.trials * points(repeats)


def points(space: Space) -> int:
    """How many combinations of values there are."""
    return math.prod(len(axis.values) for axis in space.values() if isinstance(axis, Choices))
