"""Ranking, tables and the picture."""

import csv
import math
import statistics
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from trainer.sweep import figure
from trainer.sweep.leaderboard import Row, Spread, best_trial, leaderboard, write_tables
from trainer.sweep.plan import Plan
from trainer.sweep.table import conclusion, failures, printed
from trainer.sweep.trials import State, Trial


def plan(folder: Path = Path("sweep"), direction: Literal["max", "min"] = "max") -> Plan:
    return Plan(folder, (), "accuracy", direction)


def trial(
    number: int, told: str, value: float | None, state: State = "finished", **more: Any
) -> Trial:
    metrics = {} if value is None else {"validation/accuracy": value, "test/accuracy": 1 - value}
    code = 0 if state == "finished" else 1
    return Trial(number, tuple(told.split()), state, exit_code=code, metrics=metrics, **more)


SEEDS = [
    trial(0, "optimizer=sgd seed=0", 0.9, seconds=1.0),
    trial(1, "optimizer=sgd seed=1", 0.8, seconds=2.5),
    trial(2, "optimizer=adamw seed=0", 0.95),
    trial(3, "optimizer=adamw seed=1", None, "failed", reason="out of memory"),
    trial(4, "optimizer=adam seed=0", 0.99, "pruned", reason="behind"),
    trial(5, "optimizer=adam seed=1", None, "preempted"),
]


def test_a_configuration_is_what_differs_apart_from_seed_and_fold() -> None:
    rows = leaderboard(SEEDS, plan())
    assert [(row.rank, row.told) for row in rows] == [
        (1, "optimizer=adamw"),
        (2, "optimizer=sgd"),
        (None, "optimizer=adam"),  # its only value is that of a pruned trial
    ]
    sgd = rows[1]
    assert sgd.validation is not None and sgd.test is not None and sgd.validation.std is not None
    assert math.isclose(sgd.validation.mean, 0.85) and math.isclose(sgd.test.mean, 0.15)
    assert math.isclose(sgd.validation.std, statistics.stdev([0.9, 0.8]))
    assert sgd.validation.count == 2 and sgd.seconds == 3.5
    assert rows[0].validation == Spread(0.95, None, 1) and rows[0].number("failed") == 1
    assert (rows[2].number("pruned"), rows[2].unfinished) == (1, 1)
    folds = [trial(n, f"lr=1 data.fold={n} +seed={n}", n / 10) for n in range(5)]
    (row,) = leaderboard(folds, plan())
    assert row.validation is not None and row.validation.count == 5
    assert leaderboard([trial(0, "seed=0", 0.5)], plan())[0].told == "as given"


def test_less_can_be_better_and_the_test_decides_nothing() -> None:
    trials = [trial(0, "a=1", 0.9), trial(1, "a=2", 0.1)]
    assert [row.told for row in leaderboard(trials, plan())] == ["a=1", "a=2"]
    assert [row.told for row in leaderboard(trials, plan(direction="min"))] == ["a=2", "a=1"]
    # `trial` gives the worse of them the better test value.
    assert trials[1].metrics["test/accuracy"] > trials[0].metrics["test/accuracy"]


def test_equals_stay_in_order() -> None:
    trials = [trial(n, f"a={n}", 0.5) for n in range(4)]
    for direction in ("max", "min"):
        rows = leaderboard(trials, plan(direction=direction))
        assert [row.told for row in rows] == ["a=0", "a=1", "a=2", "a=3"]
        assert [row.rank for row in rows] == [1, 2, 3, 4]


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_spread_is_that_of_the_standard_library(values: list[float]) -> None:
    spread = Spread.of(values)
    assert spread is not None and spread.std is not None
    assert math.isclose(spread.mean, statistics.fmean(values), abs_tol=1e-12)
    assert math.isclose(spread.std, statistics.stdev(values), abs_tol=1e-9)


def test_the_best_trial_is_the_best_of_the_best_configuration() -> None:
    rows = leaderboard(SEEDS, plan())
    assert best_trial(rows[1], plan()).number == 0
    assert best_trial(rows[1], plan(direction="min")).number == 1


def test_tables_hold_every_digit(tmp_path: Path) -> None:
    trials = [trial(0, "optimizer.lr=0.1 seed=0", 1 / 3), *SEEDS[3:4]]
    write_tables(leaderboard(trials, plan(tmp_path)), trials, plan(tmp_path))
    with (tmp_path / "leaderboard.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["validation/accuracy"]) == 1 / 3
    assert rows[0]["rank"] == "1" and rows[0]["overrides"] == "optimizer.lr=0.1"
    assert rows[0]["validation/accuracy std"] == "" and rows[0]["n"] == "1"
    assert rows[1]["rank"] == "" and rows[1]["failed"] == "1" and rows[1]["trials"] == "003"
    with (tmp_path / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["optimizer.lr"] == "0.1" and rows[0]["optimizer"] == ""
    assert rows[1]["state"] == "failed" and rows[1]["reason"] == "out of memory"


def test_the_printed_table_fits_and_says_what_went_wrong() -> None:
    text = printed(leaderboard(SEEDS, plan()), plan(), 80)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    words = [" ".join(line.split()) for line in lines]
    assert words[1] == "configuration accuracy accuracy time n not finished"
    assert words[3] == "2 optimizer=sgd 0.8500 ± 0.0707 0.1500 ± 0.0707 3.5 s 2"
    assert words[2].endswith("1 failed") and "1 pruned, 1 unfinished" in " ".join(words[4:])
    plain = printed(leaderboard(SEEDS[:1], plan()), plan(), 80)
    assert "not finished" not in plain and " n" not in plain.splitlines()[1]


def test_long_configurations_are_wrapped_and_many_are_cut() -> None:
    trials = [trial(n, f"model.a_long_name={n} x.{'y' * 40}=[{n},[bold]]", 0.5) for n in range(30)]
    text = printed(leaderboard(trials, plan()), plan(), 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "[0,[bold]]" in text.replace("\n", "").replace(" ", "")
    assert text.endswith("and 10 more in leaderboard.csv")


def test_failures_of_one_kind_are_one_line() -> None:
    trials = [trial(n, f"a={n}", None, "failed", reason="no room") for n in range(12)]
    trials.append(trial(12, "a=12", None, "failed", reason="nan"))
    lines = failures(trials, plan())
    assert len(lines) == 2
    assert lines[0].startswith("failed: 000, 001,") and "and 2 more: no room" in lines[0]
    assert lines[1] == "failed: 012 (a=12): nan; see sweep/logs/012.log"


def test_the_conclusion_counts_and_names_the_best() -> None:
    lines = conclusion(leaderboard(SEEDS, plan()), SEEDS, plan(), 12.34)
    assert lines[0] == "6 trials in 12.3 s: 3 finished, 1 failed, 1 pruned, 1 unfinished"
    assert "sweep/002" in lines[2] and "fivestep evaluate sweep/002" in lines[2]


def drawn(folder: Path, trials: list[Trial]) -> bool:
    return figure.draw(leaderboard(trials, plan(folder)), trials, plan(folder))


def test_there_is_a_panel_for_each_swept_parameter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panels: list[Any] = []
    one = figure.one_panel

    def noted(*arguments: Any) -> None:
        panels.append(arguments[:2])
        one(*arguments)

    monkeypatch.setattr(figure, "one_panel", noted)
    trials = [
        trial(n, f"optimizer.lr={10.0**-n} model={m} width={16 + n} seed={n % 2} kept=1", n / 10)
        for n, m in enumerate(["cnn", "mlp", "cnn", "'a,b'"])
    ]
    trials.append(trial(4, "optimizer.lr=1 model=mlp width=20 seed=1 kept=1", 0.1, "pruned"))
    assert drawn(tmp_path, trials)
    assert [name for _, name in panels] == ["optimizer.lr", "model", "width"]
    lr, model, width = (ax for ax, _ in panels)
    assert lr.get_xscale() == "log" and width.get_xscale() == "linear"
    assert [label.get_text() for label in model.get_xticklabels()] == ["cnn", "mlp", "a,b"]
    shown = sorted(line.get_ydata()[0] for line in lr.get_lines())
    assert np.allclose(shown, sorted(t.metrics["validation/accuracy"] for t in trials))
    assert {ax.get_ylim() for ax, _ in panels} == {lr.get_ylim()}
    with Image.open(tmp_path / "leaderboard.png") as picture:
        assert picture.size[0] > 500 and picture.size[1] > 300


def test_seeds_are_drawn_where_nothing_else_was_swept(tmp_path: Path) -> None:
    trials = [trial(n, f"seed={n}", n / 10) for n in range(3)]
    assert figure.parameters(trials) == ["seed"] and drawn(tmp_path, trials)


def test_nothing_is_drawn_of_nothing(tmp_path: Path) -> None:
    assert not drawn(tmp_path, [trial(0, "a=1", None, "failed"), trial(1, "a=2", 0.5)])
    assert not (tmp_path / "leaderboard.png").exists()


def test_parameters_that_not_every_trial_has_are_drawn_too(tmp_path: Path) -> None:
    rows: list[Row] = leaderboard([trial(0, "a=1", 0.5), trial(1, "b=2", 0.6)], plan())
    assert len(rows) == 2
    assert drawn(tmp_path, [trial(0, "a=1", 0.5), trial(1, "a=3 b=2", 0.6), trial(2, "b=4", 0.1)])
