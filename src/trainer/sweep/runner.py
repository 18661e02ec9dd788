"""Runs the trials of a sweep: so many at once, each as soon as a place is free."""

import time
from contextlib import suppress
from dataclasses import replace
from types import TracebackType

from trainer.errors import CannotWrite, FolderInUse, Interrupted
from trainer.preemption import Interruption
from trainer.storage.lock import Lock
from trainer.sweep.asking import remaining, tell
from trainer.sweep.axes import Space
from trainer.sweep.display import Display
from trainer.sweep.plan import Plan
from trainer.sweep.process import Process, adopt
from trainer.sweep.search import Candidate, Search
from trainer.sweep.trials import Book, Trial

POLL = 0.05  # seconds between two looks at whether a trial has ended
LOOK = 0.5  # seconds between two looks at what the trials have measured
GRACE = 90.0  # seconds in which trials that a killed sweep has left behind have to be gone


class Runner:
    """Carries out what a search asks for within `space`, and keeps the book.

    A trial that fails leaves the others alone. On Ctrl-C or SIGTERM nothing more is started, the
    running trials are asked to save and go, and Interrupted is raised; a second Ctrl-C kills them.
    """

    def __init__(
        self, plan: Plan, book: Book, display: Display, space: Space | None = None
    ) -> None:
        self.plan, self.book, self.display, self.space = plan, book, display, space
        self.running: dict[int, Process] = {}  # by slot
        self._looked = 0.0

    def run(self, search: Search) -> None:
        """Run everything that the search has to offer."""
        with self:
            self.take_over()
            self.display.count(sum(trial.ended for trial in self.book.trials.values()))
            with Interruption() as interruption:
                self.work(search, interruption)

    def work(self, search: Search, interruption: Interruption) -> None:
        """Start trials and see them end, until there are no more or the user has had enough."""
        waiting = remaining(search, self.book, self.plan.metric, self.space)
        more = True
        while more or self.running:
            while more and not interruption.requested and len(self.running) < self.plan.jobs:
                candidate = next(waiting, None)
                if candidate is None:
                    more = False
                else:
                    self.start(candidate, search)
            if interruption.requested:
                more = False
                self.stop_all()
            if self.running:
                time.sleep(POLL)
            self.look(search)
        if interruption.requested:
            raise Interrupted("the sweep was stopped", interruption.exit_code)

    def __enter__(self) -> "Runner":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave no process behind, whatever happened; a second Ctrl-C doesn't let them save."""
        processes = list(self.running.values())
        self.running.clear()
        for process in processes:
            process.stop("preempted", "the sweep was stopped")
        deadline = time.monotonic() + (0 if kind is KeyboardInterrupt else GRACE)
        while any(not each.done() for each in processes) and time.monotonic() < deadline:
            time.sleep(POLL)
        for process in processes:
            process.kill()
            trial = process.outcome()
            # The disk that has no room for this is why we are here.
            with suppress(CannotWrite):
                self.book.put(trial)
        self.display.close()

    def take_over(self) -> None:
        """Find out what became of trials whose sweep was killed; those that still save are awaited.

        Raises FolderInUse when one of them doesn't go.
        """
        for trial in [t for t in self.book.trials.values() if t.state == "running"]:
            folder = self.plan.trial_folder(trial.name)
            if folder.is_dir():
                self.wait_for(trial)
            self.book.put(adopt(trial, self.plan))

    def wait_for(self, trial: Trial) -> None:
        """Wait until no process holds the folder of a trial."""
        folder = self.plan.trial_folder(trial.name)
        deadline, said = time.monotonic() + GRACE, False
        while True:
            try:
                Lock(folder).release()
                return
            except FolderInUse as error:
                if time.monotonic() > deadline:
                    raise FolderInUse(f"a trial of the killed sweep still runs: {error}") from None
            if not said:
                self.display.say(f"trial {trial.number} of the killed sweep is still saving")
                said = True
            time.sleep(POLL)

    def start(self, candidate: Candidate, search: Search) -> None:
        """Start a trial in the first free slot, going on where an earlier start of it ended."""
        slot = next(place for place in range(self.plan.jobs) if place not in self.running)
        former = self.book.trials.get(candidate.number)
        trial = Trial(candidate.number, candidate.overrides)
        if former is not None:
            trial = replace(trial, seconds=former.seconds)
        self.book.put(trial)
        try:
            self.running[slot] = Process(self.plan, trial, slot)
        except OSError as error:
            failed = replace(trial, state="failed", reason=f"it can't be started: {error}")
            self.book.put(failed)
            self.display.ended(failed)
            tell(search, failed, self.plan.metric)
            return
        self.display.started(trial)

    def look(self, search: Search) -> None:
        """See which trials have ended, and what the others have measured."""
        for slot, process in list(self.running.items()):
            if process.done():
                del self.running[slot]
                trial = process.outcome()
                self.book.put(trial)
                self.display.ended(trial)
                tell(search, trial, self.plan.metric)
        if time.monotonic() - self._looked < LOOK:
            return
        self._looked = time.monotonic()
        for process in self.running.values():
            for epochs, value in process.tail.read():
                self.display.measured(process.trial, epochs, value)
                if search.report(process.trial.number, epochs, value):
                    process.stop(
                        "pruned",
                        f"{self.plan.select} {value:.4g} after {epochs} epochs, behind the others",
                    )
        self.display.draw()

    def stop_all(self) -> None:
        """Ask every trial to save and go."""
        waiting = [process for process in self.running.values() if process.asked_to is None]
        if waiting:
            names = ", ".join(process.trial.name for process in waiting)
            self.display.say(f"stopping: {names} save and go (Ctrl-C again kills them)")
        for process in waiting:
            process.stop("preempted", "stopped with the sweep")
