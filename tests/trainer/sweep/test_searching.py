"""Grids, repeats, and what a search hears."""

import math
from pathlib import Path

import pytest
from sweeping import make, started

from trainer.errors import Refused
from trainer.sweep.asking import lies_in, remaining, tell
from trainer.sweep.axes import Choices, Interval, Space
from trainer.sweep.grid import Grid, Listed
from trainer.sweep.repeated import Repeated
from trainer.sweep.request import Request
from trainer.sweep.search import Candidate, Ending
from trainer.sweep.sweep import Sweep, number_of_trials
from trainer.sweep.trials import Book, Trial, read_trials

METRIC = "validation/accuracy"


def test_a_grid_is_the_product_the_last_key_fastest() -> None:
    grid = Grid({"a": Choices(("1", "2")), "+b": Choices(("x",)), "c": Choices(("0", "1"))})
    found = list(iter(grid.ask, None))
    assert [candidate.number for candidate in found] == [0, 1, 2, 3]
    assert found[1].overrides == ("a=1", "+b=x", "c=1")
    assert found[2].overrides == ("a=2", "+b=x", "c=0")
    assert grid.ask() is None and not grid.report(0, 1, 0.5)


def test_listed_trials_keep_their_numbers() -> None:
    assert list(iter(Listed([["a=1"], ["a=2"]], 5).ask, None)) == [
        Candidate(5, ("a=1",)),
        Candidate(6, ("a=2",)),
    ]


class Points:
    """A search of a few points that remembers what it heard."""

    def __init__(self, number: int) -> None:
        self.waiting = [Candidate(n, (f"x={n}",)) for n in range(number)]
        self.heard: list[tuple[int, Ending, float | None]] = []

    def ask(self) -> Candidate | None:
        return self.waiting.pop(0) if self.waiting else None

    def report(self, number: int, step: int, value: float) -> bool:
        return True

    def tell(self, number: int, state: Ending, value: float | None) -> None:
        self.heard.append((number, state, value))


REPEATS = {"seed": Choices(("0", "1")), "data.fold": Choices(("0", "1"))}


def test_each_point_is_repeated_and_told_as_a_mean() -> None:
    points = Points(2)
    search = Repeated(points, REPEATS, {}, METRIC)
    found = list(iter(search.ask, None))
    assert [candidate.number for candidate in found] == list(range(8))
    assert found[5].overrides == ("x=1", "seed=0", "data.fold=1")
    assert not search.report(0, 1, 0.0)
    for number, value in ((0, 0.1), (1, 0.2), (5, 0.9), (2, 0.3)):
        search.tell(number, "finished", value)
    assert points.heard == []
    search.tell(3, "failed", None)
    ((number, state, mean),) = points.heard
    assert (number, state) == (0, "finished") and mean is not None and math.isclose(mean, 0.2)
    for number in (4, 6, 7):
        search.tell(number, "failed", None)
    assert points.heard[1] == (1, "finished", 0.9)
    points, search = Points(1), Repeated(Points(1), {"seed": Choices(("0",))}, {}, METRIC)
    search = Repeated(points, {"seed": Choices(("0",))}, {}, METRIC)
    search.tell(0, "failed", None)
    assert points.heard == [(0, "failed", None)]


def test_repeats_of_an_earlier_start_count() -> None:
    points = Points(1)
    known = {0: Trial(0, (), "finished", metrics={METRIC: 0.5}), 1: Trial(1, (), "preempted")}
    search = Repeated(points, {"seed": Choices(("0", "1"))}, known, METRIC)
    search.tell(1, "finished", 0.7)
    assert points.heard == [(0, "finished", 0.6)]


def test_the_book_says_what_is_left(tmp_path: Path) -> None:
    book = Book(tmp_path)
    book.put(Trial(0, ("x=0",), "finished", metrics={METRIC: 0.5}))
    book.put(Trial(1, ("x=1",), "preempted"))
    book.put(Trial(2, ("x=2",), "failed", exit_code=3))
    # The search has heard of this one, and does not ask for it again.
    book.put(Trial(9, ("x=9",), "failed", exit_code=137))
    points = Points(4)
    left = list(remaining(points, book, METRIC))
    assert [candidate.number for candidate in left] == [1, 3, 9]
    assert points.heard == [(0, "finished", 0.5), (2, "failed", None)]
    tell(points, Trial(1, (), "preempted"), METRIC)
    assert len(points.heard) == 2


SPACE: Space = {"a": Choices(("1", "2")), "+b": Interval(0.1, 1)}


@pytest.mark.parametrize(
    ("told", "fits"),
    [
        ("a=1 +b=0.5", True),
        ("+b=1 a=2", True),
        ("a=3 +b=0.5", False),
        ("a=1 +b=2", False),
        ("a=1 +b=x", False),
        ("a=1", False),
        ("a=1 +b=0.5 model._target_=os.system", False),
        ("a=1 +b=0.5 a=1", False),
    ],
)
def test_what_lies_in_a_space(told: str, fits: bool) -> None:
    assert lies_in(told.split(), SPACE) == fits


def test_no_word_of_a_changed_file_is_run(tmp_path: Path) -> None:
    sweep = make(tmp_path / "sweep", {"fake.value": ["0.1"]})
    Book(sweep.plan.folder).put(Trial(7, ("model._target_=os.system",), "failed", exit_code=1))
    with pytest.raises(Refused, match=r"trial 7 \(model._target_=os.system\) is none of this"):
        sweep.run()
    assert started(tmp_path / "sweep") == ["000"]


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_a_search_goes_on_where_it_was_killed(tmp_path: Path, method: str) -> None:
    """Points and values as without the kill; seeds repeat each point."""
    space: Space = {"fake.value": Interval(0.1, 0.9), "seed": Choices(("0", "1"))}
    request = Request((), method, space, "accuracy", "max", trials=4)
    assert number_of_trials(request) == 8

    def sweep(name: str) -> Sweep:
        return Sweep(make(tmp_path / name, {}).plan, request)

    sweep("whole").run()
    killed = sweep("killed")
    book = Book(killed.plan.folder)
    waiting = remaining(killed.search(book), book, METRIC)
    for candidate in (next(waiting), next(waiting), next(waiting)):
        book.put(Trial(candidate.number, candidate.overrides))
    # The first of them had ended, and the search had not heard of it yet.
    whole = read_trials(tmp_path / "whole")
    book.put(whole[0])
    killed.run()
    again = read_trials(tmp_path / "killed")
    assert started(tmp_path / "killed") == [f"{n:03d}" for n in range(1, 8)]
    assert [t.overrides for t in again] == [t.overrides for t in whole]
    assert [t.metrics for t in again] == [t.metrics for t in whole]
    assert len({t.overrides[0] for t in again}) == 4


def test_bad_points_are_pruned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.sweep.runner.LOOK", 0.02)
    values = Choices(("0.9", "0.8", "0.85", "0.1", "0.7", "0.2"))
    request = Request((), "random", {"fake.value": values}, "accuracy", "max", 6, "median")
    plan = make(tmp_path / "sweep", {}, "fake.epochs=10", "fake.pause=0.05").plan
    Sweep(plan, request).run()
    trials = read_trials(plan.folder)
    pruned = [trial for trial in trials if trial.state == "pruned"]
    # The first ones run to their end, to have something to compare with.
    assert pruned and all(trial.number >= 2 for trial in pruned)
    best = max(trials, key=lambda trial: trial.metrics[METRIC])
    assert best.overrides == ("fake.value=0.9",) and best.state == "finished"
