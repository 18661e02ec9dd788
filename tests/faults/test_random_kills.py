"""FI-01: SIGKILL at random instants, again and again; the run ends as if it had been left alone."""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from forkserver import ForkServer
from reference_runs import whole_run
from reference_tasks import TASKS, WITH_SERVER, ReferenceTask
from surviving import Outcome, killed_at_random

KILLS = {task.name: 3 if task is WITH_SERVER else 8 for task in TASKS}
SEED = int(os.environ.get("FAULTS_SEED", "1"))


@pytest.fixture(scope="module")
def outcomes(
    server: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Future[Outcome]]]:
    """All tasks at once, two at a time: a run waits for the disk as often as it computes."""
    folder = tmp_path_factory.mktemp("kills")

    def one(task: ReferenceTask) -> Outcome:
        whole = whole_run(server, task)
        place = folder / task.name.replace(" ", "_")
        return killed_at_random(server, task, whole, place, KILLS[task.name], SEED)

    with ThreadPoolExecutor(2) as pool:
        yield {task.name: pool.submit(one, task) for task in TASKS}
        pool.shutdown(cancel_futures=True)


def test_there_are_fifty_kills_and_more() -> None:
    assert sum(KILLS.values()) >= 50


@pytest.mark.parametrize("name", list(KILLS))
def test_a_run_that_is_killed_again_and_again_ends_as_if_it_had_been_left_alone(
    outcomes: Mapping[str, Future[Outcome]], name: str
) -> None:
    outcome = outcomes[name].result()
    assert outcome.kills >= KILLS[name]
    assert outcome.wrong == [], f"seed {SEED}\n{outcome.story}"


@pytest.mark.long
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_hundreds_of_kills(
    server: ForkServer, tmp_path_factory: pytest.TempPathFactory, task: ReferenceTask
) -> None:
    folder = tmp_path_factory.mktemp("many_kills") / "kills"
    outcome = killed_at_random(server, task, whole_run(server, task), folder, 30, SEED + 1)
    assert outcome.kills >= 30
    assert outcome.wrong == [], f"seed {SEED + 1}\n{outcome.story}"
