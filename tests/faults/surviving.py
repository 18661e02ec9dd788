"""A run that is killed and started again, and what has to hold each time."""

import random
import re
import shutil
import time
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from comparing import State, differences, order_of, state_of
from forkserver import Ended, ForkServer, Process
from reference_tasks import KEEP, ReferenceTask
from watching import STEPS, Begun, steps_begun, steps_repeated

from trainer.storage.manifest import verify

KILLED = -9
SAVED = re.compile(r"step_(\d+)(\.new)?")


@dataclass(frozen=True)
class Whole:
    """A run that was left alone."""

    state: State
    seconds: float  # from its start to its end
    training: float  # from its first step to its end


def left_alone(server: ForkServer, task: ReferenceTask, folder: Path) -> Whole:
    """Run a task from beginning to end in a new folder; all that it came to."""
    task.prepare(folder)
    process = server.start(task.argv(), folder, patch=task.patch)
    until_first_step(process, folder, 0)
    started = time.monotonic()
    ended = process.wait()
    assert ended.code == 0, ended.err
    begun = steps_begun(folder)
    assert steps_repeated(begun) == 0
    state = state_of(folder / "run") | order_of(begun)
    return Whole(state, ended.seconds, time.monotonic() - started)


def until_first_step(process: Process, folder: Path, before: int) -> None:
    """Wait until more than `before` bytes of steps are noted, or the process has ended."""
    file = folder / STEPS
    while process.poll(0) is None and not (file.exists() and file.stat().st_size > before):
        time.sleep(0.001)


def saved_steps(run: Path) -> list[int]:
    """The steps of all checkpoints; each of them has to be whole, whatever has been killed."""
    found = [(path, SAVED.fullmatch(path.name)) for path in run.glob("checkpoints/step_*")]
    return sorted(verify(path, int(match[1])).step for path, match in found if match)


@dataclass
class Survivor:
    """A run in `folder`/run that is killed and started again until it ends by itself."""

    server: ForkServer
    task: ReferenceTask
    folder: Path
    kills: int = 0
    runs: int = 0
    again: int = 0  # most steps that had to be taken again after one kill
    story: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.begin(self.folder)

    def begin(self, folder: Path) -> None:
        """Begin a run in a new folder, or go on with the one that is there."""
        if not folder.exists():
            self.task.prepare(folder)
        self.folder, self.run = folder, folder / "run"
        self.runs += 1

    def copy(self, folder: Path) -> "Survivor":
        """The same run once more, as it is now."""
        shutil.copytree(self.folder, folder)
        return replace(self, folder=folder, story=[*self.story])

    def live(
        self,
        patch: str | None = None,
        *arguments: Any,
        kill_after: float | None = None,
        training: bool = False,
        resume: bool = False,
    ) -> Ended:
        """Start it by the same command, or by `train resume=` where it has a checkpoint; wait.

        `patch` may make it kill itself; after `kill_after` seconds, with `training` counted from
        its first step, its whole group is killed.
        """
        file = self.folder / STEPS
        size = file.stat().st_size if file.exists() else 0
        saved, before = max(saved_steps(self.run), default=0), steps_begun(self.folder)
        argv = ["train", "resume=run"] if resume and saved else self.task.argv()
        patch = self.task.patch if patch is None else patch
        process = self.server.start(argv, self.folder, patch=patch, arguments=arguments)
        if kill_after is not None:
            if training:
                until_first_step(process, self.folder, size)
            if process.poll(kill_after) is None:
                process.kill()
        return self.ended(process, saved, before)

    def ended(self, process: Process, saved: int, before: list[Begun]) -> Ended:
        """Wait for the end of a start, and look at what it did."""
        ended = process.wait()
        self.kills += ended.code == KILLED
        steps = [begun.step for begun in steps_begun(self.folder)[len(before) :]]
        again = max(0, max((begun.step for begun in before), default=0) - saved)
        span = f"steps {steps[0]} to {steps[-1]}" if steps else "no step"
        self.story.append(f"code {ended.code}, {span} after a checkpoint of {saved}")
        assert ended.code in (0, KILLED), f"{self.told()}\n{ended.err}"
        if steps:
            assert steps == [*range(saved + 1, saved + 1 + len(steps))], self.told()
            assert (f"Continuing from step {saved}," in ended.out) == (saved > 0), ended.out
            self.again = max(self.again, again)
            assert again <= self.task.bound, f"{again} steps were lost\n{self.told()}"
        assert max(saved_steps(self.run), default=0) >= saved, self.told()
        return ended

    def differences(self, whole: Whole) -> list[str]:
        """What is not as in the run that was left alone, once this one has ended."""
        begun = steps_begun(self.folder)
        assert steps_repeated(begun) <= self.kills * self.task.bound, self.told()
        kept = saved_steps(self.run)
        assert len(kept) <= KEEP + 2, f"more than the newest, the best and the source: {kept}"
        given = order_of(begun)
        twice = [
            f"step {one.step} was not given the same twice"
            for one in begun
            if one.batches != given[f"step {one.step} was given"]
        ]
        return twice + differences(state_of(self.run) | given, whole.state)

    def told(self) -> str:
        """What happened, start by start."""
        return "\n".join(f"{self.task.name}: {line}" for line in self.story)


@dataclass(frozen=True)
class Outcome:
    """What many kills of one task came to."""

    task: ReferenceTask
    kills: int
    runs: int
    seconds: float
    again: int
    wrong: list[str]
    story: str


def killed_at_random(
    server: ForkServer, task: ReferenceTask, whole: Whole, folder: Path, kills: int, seed: int
) -> Outcome:
    """Kill a task at random instants, `kills` times, over as many runs as that takes.

    A third of the instants are counted from its start, so that many lie before the first step;
    the others from its first step on. Early ones are the most frequent: then a run takes many.
    """
    chance = random.Random(f"{seed} {task.name}")
    begun, survivor, wrong = time.monotonic(), Survivor(server, task, folder / "1"), list[str]()
    for run in count(2):
        code = KILLED
        while code == KILLED:
            resume, training = chance.random() < 0.6, chance.random() < 2 / 3
            instant = chance.expovariate(3 / (whole.training if training else whole.seconds))
            seconds = instant if survivor.kills < kills else None
            code = survivor.live(kill_after=seconds, training=training, resume=resume).code
        wrong += survivor.differences(whole)
        if survivor.kills >= kills:
            break
        survivor.begin(folder / str(run))
    seconds = time.monotonic() - begun
    return Outcome(
        task, survivor.kills, survivor.runs, seconds, survivor.again, wrong, survivor.told()
    )
