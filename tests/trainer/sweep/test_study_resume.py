"""A study goes on where it was, after a kill too, and only as it was begun."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from unflushed import unflushed  # noqa: F401  # a fixture

from trainer.errors import Refused
from trainer.sweep.axes import Choices, Interval, Space
from trainer.sweep.study import Study

SPACE: Space = {"lr": Interval(1e-4, 1, log=True), "kind": Choices(("a", "b", "c"))}
TRIALS = 12

# One job at a time: asks, reports twice, tells; and dies where it is told to, as by kill -9.
OBJECTIVE = """
import os, signal, sys
from pathlib import Path
from trainer.sweep.axes import Choices, Interval
from trainer.sweep.study import Study

folder, fatal, moment = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
space = {"lr": Interval(1e-4, 1, log=True), "kind": Choices(("a", "b", "c"))}
study = Study(folder, space, method="bayes", trials=12, direction="max", seed=3, prune="median")
while candidate := study.ask():
    number = candidate.number
    print(number, *candidate.overrides, flush=True)
    die = (lambda now: number == fatal and moment == now and os.kill(os.getpid(), signal.SIGKILL))
    value = 1 - abs(float(candidate.overrides[0].partition("=")[2]) - 0.1)
    pruned = False
    for step in (1, 2):
        pruned = pruned or study.report(number, step, value * step / 2)
        die("reported")
    study.tell(number, "failed" if number == 4 else "pruned" if pruned else "finished", value)
    die("told")
"""


def carried_out(folder: Path, fatal: int = -1, moment: str = "never") -> list[str]:
    """Run it in a process of its own until it ends or dies; the points that it asked for."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-W", "error", "-c", OBJECTIVE, str(folder), str(fatal), moment]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == (-signal.SIGKILL if fatal >= 0 else 0), done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


def stored(folder: Path) -> list[tuple[Any, ...]]:
    """All that the study knows, without times."""
    study = optuna.load_study(study_name="sweep", storage=f"sqlite:///{folder / 'study.db'}")
    return [(t.number, t.state, t.params, t.values, t.intermediate_values) for t in study.trials]


def opened(folder: Path) -> Study:
    """The same study in this process."""
    return Study(
        folder, SPACE, method="bayes", trials=TRIALS, direction="max", seed=3, prune="median"
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[tuple[Any, ...]]]:
    """A study that nobody killed."""
    folder = tmp_path_factory.mktemp("whole")
    return carried_out(folder), stored(folder)


@pytest.mark.parametrize("moment", ["reported", "told"])
def test_a_killed_study_goes_on_as_if_it_had_not_been_killed(
    tmp_path: Path, moment: str, whole: tuple[list[str], list[tuple[Any, ...]]]
) -> None:
    points, trials = whole
    assert len(points) == TRIALS
    before = carried_out(tmp_path, 6, moment)
    assert before == points[:7]
    after = carried_out(tmp_path)
    # The one that was under way comes again, with its number and point; no finished one does.
    assert after == (points[7:] if moment == "told" else points[6:])
    assert stored(tmp_path) == trials
    assert opened(tmp_path).ask() is None


KILLED_AFTER = {
    "the tables": ("sqlalchemy", "MetaData.create_all"),
    "the study": ("optuna", "create_study"),
    "its choices": ("optuna", "Study.set_user_attr"),
    "its first trial": ("optuna", "Study.add_trial"),
}


@pytest.mark.parametrize("moment", KILLED_AFTER)
def test_a_kill_while_the_file_is_made_harms_nothing(
    tmp_path: Path, moment: str, whole: tuple[list[str], list[tuple[Any, ...]]]
) -> None:
    module, _, name = f"{KILLED_AFTER[moment][0]}.{KILLED_AFTER[moment][1]}".partition(".")
    owner, _, function = f"{module}.{name}".rpartition(".")
    code = (
        f"import os, signal, {module}\noriginal = {owner}.{function}\n"
        "def fatal(*given, **named):\n"
        "    original(*given, **named)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        f"{owner}.{function} = fatal\n"
    )
    command = [sys.executable, "-c", code + OBJECTIVE, str(tmp_path), "-1", "never"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "")
    assert (tmp_path / "study.db").exists()
    candidate = opened(tmp_path).ask()
    assert candidate
    assert " ".join((str(candidate.number), *candidate.overrides)) == whole[0][0]


def test_several_that_were_under_way_come_again_in_their_order(tmp_path: Path) -> None:
    def opened() -> Study:
        return Study(tmp_path, SPACE, method="bayes", trials=5, direction="max")

    study = opened()
    asked = [study.ask() for _ in range(4)]
    study.tell(1, "finished", 0.5)
    again = opened()
    assert [again.ask() for _ in range(3)] == [asked[0], asked[2], asked[3]]
    last = again.ask()
    assert last and last.number == 4
    assert again.ask() is None


def test_what_another_program_queues_up_does_no_harm(tmp_path: Path) -> None:
    first = opened(tmp_path).ask()
    other = optuna.load_study(study_name="sweep", storage=f"sqlite:///{tmp_path / 'study.db'}")
    other.enqueue_trial({"lr": 0.5, "kind": "a"})
    study = opened(tmp_path)
    assert study.ask() == first
    following = study.ask()
    assert following and following.number == 2 and len(following.overrides) == 2


def test_it_can_be_made_longer(tmp_path: Path) -> None:
    def opened(trials: int) -> Study:
        return Study(tmp_path, SPACE, method="bayes", trials=trials, direction="max")

    study = opened(2)
    while candidate := study.ask():
        study.tell(candidate.number, "finished", 0.5)
    longer = opened(40)
    assert longer._startup == 3  # the rule that it began with
    candidate = longer.ask()
    assert candidate and candidate.number == 2
    assert opened(1).ask() == candidate  # under way, whatever the number of trials is


def test_what_differs_is_refused_all_at_once(tmp_path: Path) -> None:
    given: dict[str, Any] = {"method": "bayes", "trials": 5, "direction": "max"}
    Study(tmp_path, SPACE, **given)
    changed: Space = {"lr": Interval(1e-3, 1), "kind": Choices(("a", "b")), "more": Interval(0, 1)}
    with pytest.raises(Refused) as caught:
        Study(
            tmp_path,
            changed,
            method="random",
            trials=5,
            direction="min",
            prune="median",
            seed=1,
        )
    told = [problem.split("can't go on: ")[1].split(";")[0] for problem in caught.value.problems]
    assert told == [
        "sweep.method was bayes and is now random",
        "evaluation.direction was max and is now min",
        "sweep.prune was none and is now median",
        "sweep.seed was 0 and is now 1",
        "lr was tag(log,interval(0.0001,1.0)) and is now interval(0.001,1.0)",
        "kind was a,b,c and is now a,b",
        "more is searched now and was not before",
    ]
    with pytest.raises(Refused, match="kind was searched and is not any more"):
        Study(tmp_path, {"lr": SPACE["lr"]}, **given)
    assert Study(tmp_path, SPACE, **given).ask()  # and nothing was changed by it
