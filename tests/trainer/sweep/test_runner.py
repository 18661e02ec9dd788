"""Scheduling, failures, stops and resuming, with stand-ins for trials."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sweeping import FAKE, make, started, starts

from trainer.errors import CannotWrite, FolderInUse, Interrupted
from trainer.storage.lock import Lock
from trainer.sweep import runner as runners
from trainer.sweep.display import Display
from trainer.sweep.process import Process
from trainer.sweep.runner import Runner
from trainer.sweep.search import Candidate, Ending
from trainer.sweep.trials import Book, Trial, read_trials

VALUES = [f"0.{n}" for n in range(1, 9)]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "sweep"


def states(folder: Path) -> list[str]:
    return [trial.state for trial in read_trials(folder)]


def test_every_combination_runs_with_the_words_in_order(place: Path) -> None:
    make(place, {"fake.value": ["0.1", "0.2"], "seed": ["0", "1"]}, "a=1", "-v").run()
    trials = read_trials(place)
    assert [trial.told for trial in trials] == [
        "fake.value=0.1 seed=0",
        "fake.value=0.1 seed=1",
        "fake.value=0.2 seed=0",
        "fake.value=0.2 seed=1",
    ]
    assert states(place) == ["finished"] * 4
    assert starts(place)[3]["argv"] == [
        "a=1", "-v", "fake.value=0.2", "seed=1", f"run.dir={place / '003'}"
    ]  # fmt: skip
    assert trials[3].metrics == pytest.approx(
        {"validation/accuracy": 0.201, "test/accuracy": 0.799}
    )
    assert (place / "logs/003.log").exists()


def test_a_killed_trial_leaves_the_other_seven(place: Path) -> None:
    make(place, {"fake.how": ["", "killed", *(f"x{n}" for n in range(6))]}, jobs=4).run()
    trials = read_trials(place)
    assert [trial.state for trial in trials] == ["finished", "failed"] + ["finished"] * 6
    assert trials[1].reason == "killed by SIGKILL, by hand or for lack of memory"
    assert trials[1].exit_code == 137


def test_so_many_run_at_once_and_no_more(place: Path) -> None:
    make(place, {"fake.value": VALUES[:6]}, "fake.pause=0.15", jobs=3).run()
    # A start is noted when the trial begins; the fourth can't begin before one of three has ended.
    ends = [trial.seconds for trial in read_trials(place)]
    assert min(ends) > 0.15
    log = (place / "sweep.log").read_text()
    running = most = 0
    for line in log.splitlines():
        running += ("started" in line) - ("finished" in line)
        most = max(most, running)
    assert most == 3 and running == 0


def test_each_gets_its_share_of_threads_and_a_gpu_of_its_own(place: Path) -> None:
    devices = ("GPU-a", "GPU-b")
    make(
        place,
        {"fake.value": VALUES[:4]},
        "fake.pause=0.2",
        jobs=2,
        threads=3,
        gpus=devices,
    ).run()
    given = starts(place)
    assert {start["OMP_NUM_THREADS"] for start in given} == {"3"}
    assert all("trainer.threads=3" in start["argv"] for start in given)
    first, second = {s["CUDA_VISIBLE_DEVICES"] for s in given[:2]}, given[2:]
    assert first == set(devices)
    assert {s["CUDA_VISIBLE_DEVICES"] for s in second} == set(devices)


def test_failures_have_their_reasons(place: Path) -> None:
    hows = ["refused", "diverged", "crashed", "nan", "unproven"]
    make(place, {"fake.how": hows}, jobs=5).run()
    trials = read_trials(place)
    assert [(trial.state, trial.exit_code, trial.reason) for trial in trials] == [
        ("failed", 2, "2 problems; nothing was started: 1. this 2. that"),
        ("failed", 3, "the loss is nan"),
        ("failed", 1, "last words"),
        ("failed", 0, "its validation/accuracy is nan"),
        ("finished", 7, f"nothing was said; its log is {place / 'logs/004.log'}"),
    ]


def test_a_second_start_runs_what_is_unfinished_and_tries_failures_again(place: Path) -> None:
    sweep = make(place, {"fake.how": ["", "once", "diverged", "refused"]})
    sweep.run()
    assert states(place) == ["finished", "failed", "failed", "failed"]
    assert read_trials(place)[1].reason == "the disk is full"
    sweep.run()
    assert started(place) == ["000", "001", "002", "003", "001", "003"]
    assert states(place) == ["finished", "finished", "failed", "failed"]


def test_ctrl_c_saves_and_the_next_start_goes_on(place: Path) -> None:
    sweep = make(place, {"fake.value": VALUES[:4]}, "fake.epochs=20", "fake.pause=0.05", jobs=2)
    press(place, signal.SIGINT)
    with pytest.raises(Interrupted) as stopped:
        sweep.run()
    assert stopped.value.exit_code == 130
    assert states(place) == ["preempted", "preempted"]
    done = int((place / "000/saved").read_text())
    assert 0 < done < 20
    sweep.run()
    assert states(place) == ["finished"] * 4
    # It went on where it was: the values of its first start are there once.
    assert len((place / "000/metrics.jsonl").read_text().splitlines()) <= 21


def press(place: Path, number: signal.Signals, times: int = 1) -> None:
    """Send ourselves a signal once the first trial has measured something."""

    def wait() -> None:
        while not (place / "000/metrics.jsonl").exists():
            time.sleep(0.01)
        time.sleep(0.1)
        for _ in range(times):
            os.kill(os.getpid(), number)
            time.sleep(0.2)

    threading.Thread(target=wait, daemon=True).start()


def test_sigterm_stops_with_its_own_code(place: Path) -> None:
    press(place, signal.SIGTERM)
    with pytest.raises(Interrupted) as stopped:
        make(place, {"fake.value": ["0.1"]}, "fake.epochs=100", "fake.pause=0.05").run()
    assert stopped.value.exit_code == 143


def test_a_second_ctrl_c_kills(place: Path) -> None:
    press(place, signal.SIGINT, times=2)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        make(place, {"fake.how": ["deaf"]}, "fake.epochs=1000", "fake.pause=0.1").run()
    assert time.monotonic() - began < 10
    assert states(place) == ["preempted"]


PARENT = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from sweeping import make
make(Path(sys.argv[2]), {"fake.value": ["0.1", "0.2", "0.3", "0.4"]}, *sys.argv[3:], jobs=2).run()
"""


def test_killed_sweeps_leave_no_orphans_and_go_on(place: Path) -> None:
    words = ["fake.epochs=12", "fake.pause=0.05", "fake.saving=0.4"]
    here = str(Path(__file__).parent)
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, here, str(place), *words], stdout=subprocess.DEVNULL
    )
    # The third trial has been started, so two have ended or are about to.
    wait_for(lambda: (place / "002/metrics.jsonl").exists())
    time.sleep(0.2)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    before = {trial.number: trial for trial in read_trials(place)}
    assert before[2].state == "running"
    # At once, while the orphans are still saving: they are waited for.
    sweep = make(place, {"fake.value": ["0.1", "0.2", "0.3", "0.4"]}, *words, jobs=2)
    sweep.run()
    ended = [trial.name for trial in before.values() if trial.state == "finished"]
    assert "000" in ended
    assert all(started(place).count(name) == 1 for name in ended)
    assert started(place).count("002") == 2
    whole = place.with_name("whole")
    make(whole, {"fake.value": ["0.1", "0.2", "0.3", "0.4"]}, *words, jobs=2).run()
    for one, other in zip(read_trials(place), read_trials(whole), strict=True):
        assert (one.state, one.overrides, one.metrics) == (
            other.state,
            other.overrides,
            other.metrics,
        )
    assert "is still saving" in (place / "sweep.log").read_text()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_orphan_that_stays_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "GRACE", 0.1)
    sweep = make(place, {"fake.value": ["0.1"]})
    (place / "000").mkdir()
    Book(place).put(Trial(0, ("fake.value=0.1",)))
    held = Lock(place / "000")
    with pytest.raises(FolderInUse, match=r"a trial of the killed sweep still runs: .*process"):
        sweep.run()
    held.release()
    sweep.run()
    assert states(place) == ["finished"]


def test_what_a_trial_did_after_the_kill_counts(place: Path) -> None:
    """It may have come to its end before it saw that its parent was gone."""
    sweep = make(place, {"fake.value": ["0.1", "0.2"]})
    Book(place).put(Trial(0, ("fake.value=0.1",)))
    (place / "000").mkdir()
    status = {"state": "finished", "reason": "r", "exit_code": 0}
    metrics = {"validation/accuracy": 0.7}
    (place / "000/status.json").write_text(json.dumps({**status, "metrics": metrics}))
    sweep.run()
    assert started(place) == ["001"]
    assert read_trials(place)[0].metrics == metrics


class Strict:
    """A search that ends every trial whose value is low, and remembers what it heard."""

    def __init__(self, values: list[str], known: Candidate | None = None) -> None:
        self.waiting = [Candidate(n, (f"fake.value={v}",)) for n, v in enumerate(values)]
        self.heard: list[tuple[int, Ending, float | None]] = []
        self.reports: list[tuple[int, int, float]] = []

    def ask(self) -> Candidate | None:
        return self.waiting.pop(0) if self.waiting else None

    def report(self, number: int, step: int, value: float) -> bool:
        self.reports.append((number, step, value))
        return value < 0.3 and step >= 2

    def tell(self, number: int, state: Ending, value: float | None) -> None:
        self.heard.append((number, state, value))


def test_a_bad_trial_is_ended_while_it_runs(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "LOOK", 0.05)
    words = ("fake.epochs=12", "fake.pause=0.05")
    sweep = make(place, {}, *words, every=2)
    search = Strict(["0.9", "0.1"])
    Runner(sweep.plan, Book(place), Display(sweep.plan)).run(search)
    good, bad = read_trials(place)
    assert (good.state, bad.state) == ("finished", "pruned")
    assert bad.reason == "accuracy 0.1 after 2 epochs, behind the others"
    assert bad.metrics == {"validation/accuracy": 0.1}
    assert search.heard == [(0, "finished", 0.9), (1, "pruned", 0.1)]
    # Steps are counted in epochs, each value comes once, and in order.
    steps = [step for number, step, _ in search.reports if number == 0]
    assert steps == [2 * n for n in range(1, len(steps) + 1)] and len(steps) >= 6


def test_a_pruned_trial_that_stays_is_killed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "LOOK", 0.05)
    monkeypatch.setattr("trainer.sweep.process.PATIENCE", 0.2)
    sweep = make(place, {}, "fake.how=deaf", "fake.epochs=1000", "fake.pause=0.05")
    Runner(sweep.plan, Book(place), Display(sweep.plan)).run(Strict(["0.1"]))
    assert states(place) == ["pruned"]


def test_a_full_disk_ends_the_sweep_and_the_trials_save(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = make(
        place, {"fake.value": ["0.1", "0.2"]}, "fake.epochs=100", "fake.pause=0.05", jobs=2
    )
    put = Book.put

    def full(self: Book, trial: Trial) -> None:
        if (place / "000/metrics.jsonl").exists() or trial.number == 1:
            wait_for((place / "000/metrics.jsonl").exists)
            raise CannotWrite("no room")
        put(self, trial)

    monkeypatch.setattr(Book, "put", full)
    with pytest.raises(CannotWrite, match="no room"):
        sweep.run()
    assert int((place / "000/saved").read_text()) < 100


def test_a_trial_that_can_not_be_started_has_failed(place: Path) -> None:
    make(place, {"fake.value": ["0.1", "0.2"]}, command=(str(place / "nothing"),)).run()
    assert states(place) == ["failed", "failed"]
    assert "it can't be started" in read_trials(place)[0].reason


def test_a_log_is_never_written_through_a_link(place: Path, tmp_path: Path) -> None:
    sweep = make(place, {"fake.value": ["0.1"]})
    (place / "logs").mkdir()
    (tmp_path / "mine").write_text("x")
    (place / "logs/000.log").symlink_to(tmp_path / "mine")
    with pytest.raises(CannotWrite, match=r"000\.log"):
        sweep.run()
    assert (tmp_path / "mine").read_text() == "x"


def test_a_trial_has_a_session_of_its_own(place: Path) -> None:
    sweep = make(place, {}, "fake.pause=5")
    process = Process(sweep.plan, Trial(0, ()), 0)
    try:
        assert os.getsid(process.pid) == process.pid != os.getsid(0)
    finally:
        process.kill()
        process.outcome()
    assert sweep.plan.command == FAKE
