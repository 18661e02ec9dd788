"""FI-02: a run that dies at any named point, or at any operation on a file, is lost nowhere."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest
from crash_points import EXPORTING, POINTS
from forkserver import ForkServer
from reference_runs import whole_run
from reference_tasks import (
    ACCUMULATED,
    PLATEAU,
    SUPERVISED,
    TIED,
    TWO_OPTIMIZERS,
    ReferenceTask,
)
from surviving import KILLED, Survivor, saved_steps
from watching import steps_begun

# Which call is fatal, where it isn't the first: most starts are to get somewhere.
CALLS = {
    "between backward and the optimizer's step": 2,
    "after the optimizer's step": 4,
    "before the average is moved": 2,
    "after the average was moved": 2,
    "after a schedule has moved": 4,
    "while a batch is read": 6,
    "half of a line of metrics is written": 2,
    "half of a record of TensorBoard is written": 4,
    "while a checkpoint is written": 2,
    "after the manifest is written": 2,
    "within validation": 2,
    "while a report is written": 2,
}
MISSING = {PLATEAU: "after a schedule has moved"}  # one by epochs moves at their end
# Long enough to die in many checkpoints, each after another one.
MANY_CHECKPOINTS = ReferenceTask("many checkpoints", (*TIED.words, "trainer.epochs=40"))
ONE_EPOCH = ReferenceTask("one epoch", (*SUPERVISED.words, "trainer.epochs=1"))
EXPORTED = ReferenceTask("exported", (*ONE_EPOCH.words, "export=torchscript"))
SAVE = "trainer.storage.checkpoint:Checkpoints.save"


class Dying(NamedTuple):
    """How often a run died, and what is not as if it had been left alone."""

    kills: int
    wrong: list[str]
    story: str


def at_named_points(server: ForkServer, task: ReferenceTask, folder: Path) -> Dying:
    """One run that dies at each point in turn."""
    whole, survivor = whole_run(server, task), Survivor(server, task, folder)
    for place, point in enumerate(POINTS):
        if point != MISSING.get(task):
            resume, call = place % 3 > 0, CALLS.get(point, 1)
            ended = survivor.live("crash_points:crash", point, call, resume=resume)
            survivor.story[-1] += f", dies {point}"
            assert ended.code == KILLED, f"it never came there\n{survivor.told()}"
    assert survivor.live().code == 0, survivor.told()
    return Dying(survivor.kills, survivor.differences(whole), survivor.told())


def while_exporting(server: ForkServer, folder: Path) -> Dying:
    """One run that dies at two points of its export."""
    whole, survivor = whole_run(server, EXPORTED), Survivor(server, EXPORTED, folder)
    for point in EXPORTING:
        survivor.live("crash_points:crash", point)
        survivor.story[-1] += f", dies {point}"
    survivor.live()
    return Dying(survivor.kills, survivor.differences(whole), survivor.told())


def in_checkpoints(server: ForkServer, folder: Path, every: int = 3) -> Dying:
    """One run that dies at operation after operation of a save: the second one of a start."""
    task = MANY_CHECKPOINTS
    whole, survivor = whole_run(server, task), Survivor(server, task, folder)
    crash, place = "crash_points:crash_at_operation", str(survivor.run / "checkpoints")
    for number in count(0, every):
        if survivor.live(crash, number, place, SAVE, 2, resume=True).code == 0:
            break
    return Dying(survivor.kills, survivor.differences(whole), survivor.told())


def in_the_last_checkpoint(server: ForkServer, folder: Path, every: int = 5) -> Dying:
    """A run that dies at any operation of its last save, with none to follow."""
    begun = Survivor(server, ONE_EPOCH, folder / "begun")
    begun.live("crash_points:crash", "before a checkpoint", 3)
    assert saved_steps(begun.run) == [3, 6], begun.told()
    return in_the_next_checkpoint(server, begun, every)


def in_a_replacement(server: ForkServer, folder: Path, every: int = 5) -> Dying:
    """A run that dies while a checkpoint takes the place of another one of the same step.

    What a signal within validation saves is saved again once the evaluation has been made.
    """
    begun = Survivor(server, ONE_EPOCH, folder / "begun")
    patch = "crash_points:interrupt_validation"
    assert server.run(ONE_EPOCH.argv(), begun.folder, patch=patch).code == 143
    assert saved_steps(begun.run)[-1] == 8
    return in_the_next_checkpoint(server, begun, every)


def in_the_next_checkpoint(server: ForkServer, begun: Survivor, every: int) -> Dying:
    """A run many times over, each dies at another operation of its next save."""
    whole, folder, wrong = whole_run(server, ONE_EPOCH), begun.folder.parent, list[str]()
    for number in count(0, every):
        survivor = begun.copy(folder / str(number))
        place = str(survivor.run / "checkpoints")
        code = survivor.live("crash_points:crash_at_operation", number, place, SAVE).code
        begun.kills += code == KILLED
        begun.story.append(f"a copy dies at operation {number}: {survivor.story[-1]}")
        if code == 0:
            return Dying(begun.kills, wrong, begun.told())
        assert survivor.live().code == 0, survivor.told()
        wrong += survivor.differences(whole)
    raise AssertionError("count ends")


def after_training(server: ForkServer, folder: Path, every: int = 4) -> Dying:
    """One run that dies at operations on files between its last step and its end."""
    whole, survivor = whole_run(server, ONE_EPOCH), Survivor(server, ONE_EPOCH, folder)
    crash, place = "crash_points:crash_at_operation", str(survivor.run)
    for number in count(0, every):
        if survivor.live(crash, number, place, "trainer.stages:load_best", resume=True).code == 0:
            break
    return Dying(survivor.kills, survivor.differences(whole), survivor.told())


def before_training(server: ForkServer, folder: Path, every: int = 4) -> Dying:
    """New runs that die at operations on files before the first step, each then left alone."""
    whole, survivor = whole_run(server, ONE_EPOCH), Survivor(server, ONE_EPOCH, folder / "first")
    wrong = list[str]()
    for number in count(0, every):
        survivor.live("crash_points:crash_at_operation", number, str(survivor.run))
        survivor.story[-1] += f", dies at operation {number}"
        if steps_begun(survivor.folder):
            return Dying(survivor.kills, wrong, survivor.told())
        assert survivor.live().code == 0, survivor.told()
        wrong += survivor.differences(whole)
        survivor.begin(folder / str(number))
    raise AssertionError("count ends")


CASES: Mapping[str, tuple[int, Callable[[ForkServer, Path], Dying]]] = {
    "named points, supervised": (28, lambda s, f: at_named_points(s, SUPERVISED, f)),
    "named points, two optimizers": (28, lambda s, f: at_named_points(s, TWO_OPTIMIZERS, f)),
    "each operation of a save": (20, in_checkpoints),
    "each operation of the last save": (5, in_the_last_checkpoint),
    "each operation of a replacement": (5, in_a_replacement),
    "after the last step": (10, after_training),
    "before the first step": (10, before_training),
    "while exporting": (2, while_exporting),
}


@pytest.fixture(scope="module")
def dying(
    server: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Future[Dying]]]:
    """All cases at once, two at a time: a run waits for the disk as often as it computes."""
    folder = tmp_path_factory.mktemp("crash_points")
    with ThreadPoolExecutor(2) as pool:
        yield {
            name: pool.submit(act, server, folder / name.replace(" ", "_"))
            for name, (_, act) in CASES.items()
        }
        pool.shutdown(cancel_futures=True)


@pytest.mark.long
@pytest.mark.parametrize(
    "act",
    [in_checkpoints, in_the_last_checkpoint, in_a_replacement, after_training, before_training],
)
def test_every_single_operation(
    server: ForkServer, tmp_path: Path, act: Callable[[ForkServer, Path, int], Dying]
) -> None:
    found = act(server, tmp_path / "run", 1)
    assert found.kills >= 25 and found.wrong == [], found.story


@pytest.mark.long
@pytest.mark.parametrize("task", [ACCUMULATED, PLATEAU], ids=lambda task: task.name)
def test_named_points_of_other_tasks(
    server: ForkServer, tmp_path: Path, task: ReferenceTask
) -> None:
    found = at_named_points(server, task, tmp_path / "run")
    assert found.wrong == [], found.story


@pytest.mark.long
@pytest.mark.parametrize("point", POINTS)
def test_each_point_alone_and_twice(server: ForkServer, tmp_path: Path, point: str) -> None:
    survivor = Survivor(server, ACCUMULATED, tmp_path / "run")
    survivor.live("crash_points:crash", "before a step", 20)
    for call in (CALLS.get(point, 1), 2 * CALLS.get(point, 1)):
        survivor.live("crash_points:crash", point, call)
    assert survivor.live().code == 0
    assert survivor.kills >= 2, survivor.told()
    assert survivor.differences(whole_run(server, ACCUMULATED)) == [], survivor.told()


@pytest.mark.parametrize("name", list(CASES))
def test_a_run_that_dies_anywhere_ends_as_if_it_had_been_left_alone(
    dying: Mapping[str, Future[Dying]], name: str
) -> None:
    found = dying[name].result()
    assert found.kills >= CASES[name][0], found.story
    assert found.wrong == [], found.story
