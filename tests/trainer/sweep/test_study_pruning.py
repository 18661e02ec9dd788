"""Pruning: the same decisions as Optuna's own loop comes to with the same values."""

import math
from pathlib import Path
from typing import Literal

import numpy as np
import optuna
import pytest
from optuna.pruners import BasePruner, MedianPruner, SuccessiveHalvingPruner
from unflushed import unflushed  # noqa: F401  # a fixture

from trainer.sweep.axes import Interval
from trainer.sweep.study import Study

EPOCHS, TRIALS = 6, 16
Curves = list[list[float]]
# Trial by trial the epoch at which it ended, and whether it was pruned there.
Decisions = list[tuple[int, bool]]


def curves(seed: int) -> Curves:
    """Noisy values that rise to a different height each."""
    random = np.random.default_rng(seed)
    rise = 1 - np.exp(-np.arange(1, EPOCHS + 1) / 4)
    heights = random.uniform(0.2, 1, (TRIALS, 1))
    found: Curves = (heights * rise + random.normal(0, 0.05, (TRIALS, EPOCHS))).tolist()
    return found


def by_optuna(curves: Curves, pruner: BasePruner, direction: str) -> Decisions:
    """What `Study.optimize` decides."""
    decisions = []

    def objective(trial: optuna.Trial) -> float:
        for epoch, value in enumerate(curves[trial.number], 1):
            trial.report(value, epoch)
            if trial.should_prune():
                decisions.append((epoch, True))
                raise optuna.TrialPruned
        decisions.append((EPOCHS, False))
        return curves[trial.number][-1]

    study = optuna.create_study(direction=direction, pruner=pruner)
    study.optimize(objective, n_trials=TRIALS)
    return decisions


def study_of(folder: Path, prune: Literal["median", "halving"], direction: str) -> Study:
    return Study(
        folder,
        {"x": Interval(0, 1)},
        method="random",
        trials=TRIALS,
        direction="max" if direction == "maximize" else "min",
        prune=prune,
    )


def by_study(study: Study, curves: Curves) -> Decisions:
    """What ours decides, told one value after another."""
    decisions = []
    while candidate := study.ask():
        number = candidate.number
        for epoch, value in enumerate(curves[number], 1):
            if study.report(number, epoch, value):
                study.tell(number, "pruned", value)
                decisions.append((epoch, True))
                break
        else:
            study.tell(number, "finished", curves[number][-1])
            decisions.append((EPOCHS, False))
    return decisions


@pytest.mark.parametrize(
    ("prune", "direction"),
    [("median", "maximize"), ("halving", "maximize"), ("median", "minimize")],
)
def test_decisions_are_those_of_optuna(
    tmp_path: Path, prune: Literal["median", "halving"], direction: str
) -> None:
    pruner = MedianPruner(n_startup_trials=4) if prune == "median" else SuccessiveHalvingPruner()
    expected = by_optuna(curves(0), pruner, direction)
    assert by_study(study_of(tmp_path, prune, direction), curves(0)) == expected
    pruned = [epoch for epoch, was in expected if was]
    assert 3 <= len(pruned) < TRIALS  # else nothing was compared
    # The other rule decides otherwise.
    other = SuccessiveHalvingPruner() if prune == "median" else MedianPruner(n_startup_trials=4)
    assert by_optuna(curves(0), other, direction) != expected


def test_a_pruned_trial_keeps_its_last_value(tmp_path: Path) -> None:
    study = study_of(tmp_path, "median", "maximize")
    for number in range(5):
        assert study.ask()
        assert not study.report(number, 1, 0.5 + number / 100)
        study.tell(number, "finished", 0.9)
    assert study.ask()
    assert study.report(5, 1, 0.1)
    study.tell(5, "pruned", None)
    trial = optuna.load_study(
        study_name="sweep", storage=f"sqlite:///{tmp_path / 'study.db'}"
    ).trials[5]
    assert (trial.state.name, trial.value) == ("PRUNED", 0.1)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize("prune", ["median", "halving"])
def test_what_is_not_finite_is_never_good(
    tmp_path: Path, prune: Literal["median", "halving"], direction: str, value: float
) -> None:
    study = study_of(tmp_path, prune, direction)
    for number in range(5):
        assert study.ask()
        study.report(number, 1, value if number == 2 else 0.5)
        study.tell(number, "finished", 0.5)
    assert study.ask()
    assert study.report(5, 1, value)
    study.tell(5, "pruned", value)
    # Nor does it raise the bar for others.
    assert study.ask()
    assert not study.report(6, 1, 0.5)


def test_without_pruning_nothing_is_pruned(tmp_path: Path) -> None:
    study = Study(tmp_path, {"x": Interval(0, 1)}, method="random", trials=12, direction="max")
    while candidate := study.ask():
        assert not study.report(candidate.number, 1, -float(candidate.number))
        study.tell(candidate.number, "finished", -float(candidate.number))


def test_a_value_that_was_heard_before_is_kept(tmp_path: Path) -> None:
    study = study_of(tmp_path, "median", "maximize")
    assert study.ask()
    assert not study.report(0, 1, 0.5)
    assert not study.report(0, 1, 0.7)
    stored = optuna.load_study(study_name="sweep", storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert stored.trials[0].intermediate_values == {1: 0.5}
