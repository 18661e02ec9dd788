"""The search through Optuna: which points it asks for, and what becomes of those it hears of."""

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from unflushed import unflushed  # noqa: F401  # a fixture

from trainer.errors import CannotWrite, Refused
from trainer.sweep.axes import Choices, Interval, Space
from trainer.sweep.search import Candidate, Search
from trainer.sweep.study import Study

SPACE: Space = {
    "optimizer.lr": Interval(1e-5, 1, log=True),
    "model.dropout": Interval(0, 0.9),
    "optimizer": Choices(("sgd", "adam", "rmsprop")),
    "model.width": Interval(1, 64, integer=True),
}


def values(candidate: Candidate) -> dict[str, str]:
    """The point as text by key."""
    return dict(text.split("=", 1) for text in candidate.overrides)


def goodness(candidate: Candidate) -> float:
    """A known function, best (0) at 10**-2.5, 0.3, adam and 40."""
    point = values(candidate)
    return -(
        (math.log10(float(point["optimizer.lr"])) + 2.5) ** 2
        + 4 * (float(point["model.dropout"]) - 0.3) ** 2
        + {"sgd": 0.5, "adam": 0.0, "rmsprop": 0.3}[point["optimizer"]]
        + (int(point["model.width"]) - 40) ** 2 / 800
    )


def made(folder: Path, **options: Any) -> Study:
    """A study in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    given: dict[str, Any] = {"method": "random", "trials": 8, "direction": "max"}
    return Study(folder, options.pop("space", SPACE), **(given | options))


def carried_out(
    study: Search, function: Callable[[Candidate], float] = goodness
) -> list[tuple[Candidate, float]]:
    """Every candidate with its value, one after another."""
    tried = []
    while candidate := study.ask():
        tried.append((candidate, function(candidate)))
        study.tell(candidate.number, "finished", tried[-1][1])
    return tried


def stored(folder: Path) -> optuna.Study:
    """The study as any other program reads it."""
    return optuna.load_study(study_name="sweep", storage=f"sqlite:///{folder / 'study.db'}")


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_the_same_seed_asks_for_the_same_points_and_another_for_others(
    tmp_path: Path, method: str
) -> None:
    first = carried_out(made(tmp_path / "a", method=method, seed=1))
    assert [candidate.number for candidate, _ in first] == list(range(8))
    assert carried_out(made(tmp_path / "b", method=method, seed=1)) == first
    assert carried_out(made(tmp_path / "c", method=method, seed=2)) != first


def test_bayes_beats_random_with_the_same_number_of_trials(tmp_path: Path) -> None:
    space = {"lr": Interval(1e-6, 10, log=True), "a": Interval(0, 1), "b": Interval(0, 1)}

    def bowl(candidate: Candidate) -> float:
        point = {key: float(value) for key, value in values(candidate).items()}
        lr = math.log10(point["lr"]) + 2.5
        return -(lr**2) - 4 * (point["a"] - 0.3) ** 2 - 4 * (point["b"] - 0.6) ** 2

    def best(method: str, seed: int) -> float:
        folder = tmp_path / f"{method}{seed}"
        study = made(folder, method=method, trials=30, seed=seed, space=space)
        return max(value for _, value in carried_out(study, bowl))

    seeds = range(2)
    bayes = [best("bayes", seed) for seed in seeds]
    random = [best("random", seed) for seed in seeds]
    assert all(b > r for b, r in zip(bayes, random, strict=True))
    assert sum(bayes) > sum(random) / 2


def test_bayes_goes_the_other_way_when_less_is_better(tmp_path: Path) -> None:
    study = made(tmp_path, method="bayes", trials=30, direction="min")
    lost = [value for _, value in carried_out(study, lambda candidate: -goodness(candidate))]
    assert sum(lost[-10:]) < sum(lost[:7]) / 7 * 10
    assert stored(tmp_path).direction == optuna.study.StudyDirection.MINIMIZE


def test_points_that_run_together_are_told_apart(tmp_path: Path) -> None:
    study = made(tmp_path, method="bayes", trials=16)
    for _ in range(8):
        candidate = study.ask()
        assert candidate
        study.tell(candidate.number, "finished", goodness(candidate))
    together = [study.ask() for _ in range(4)]
    assert len({str(candidate) for candidate in together}) == 4


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_no_point_of_a_finite_space_comes_twice(tmp_path: Path, method: str) -> None:
    space = {"a": Choices(("x", "y", "z")), "b": Interval(1, 4, integer=True)}
    study = made(tmp_path, method=method, trials=12, space=space)
    tried = carried_out(study, lambda candidate: float(values(candidate)["b"]))
    assert len({candidate.overrides for candidate, _ in tried}) == 12
    with pytest.raises(Refused, match=r"sweep\.trials is 13, but the space has only 12 points"):
        made(tmp_path / "more", trials=13, space=space)


def test_what_is_not_finite_has_failed_and_ends_nothing(tmp_path: Path) -> None:
    study = made(tmp_path, method="bayes", trials=12)
    told = [math.nan, math.inf, -math.inf, None, 0.5]
    for number, value in enumerate(told):
        assert study.ask()
        study.tell(number, "finished", value)
    assert study.ask()
    study.tell(5, "failed", None)
    assert study.ask()
    study.tell(6, "failed", 0.9)  # as of a run that was killed after its best evaluation
    assert len(carried_out(study)) == 5
    states = [trial.state.name for trial in stored(tmp_path).trials]
    assert states == ["FAIL"] * 4 + ["COMPLETE"] + ["FAIL"] * 2 + ["COMPLETE"] * 5
    assert all(trial.value is None for trial in stored(tmp_path).trials[:4])


def test_a_sweep_of_failures_ends_after_its_trials(tmp_path: Path) -> None:
    study = made(tmp_path, method="bayes", trials=6)
    tried = carried_out(study, lambda _: math.nan)
    assert len(tried) == 6
    assert {trial.state.name for trial in stored(tmp_path).trials} == {"FAIL"}


def test_a_second_ending_changes_nothing(tmp_path: Path) -> None:
    study = made(tmp_path)
    assert study.ask()
    study.tell(0, "finished", 0.5)
    study.tell(0, "failed", None)
    assert not study.report(0, 1, 0.1)  # nor does what comes of trying it again
    assert stored(tmp_path).trials[0].value == 0.5


def test_another_program_reads_it_meanwhile(tmp_path: Path) -> None:
    study = made(tmp_path)
    candidate = study.ask()
    assert candidate
    study.report(0, 1, 0.25)
    trial = stored(tmp_path).trials[0]
    assert (trial.state.name, trial.intermediate_values) == ("RUNNING", {1: 0.25})
    assert f"{trial.params['optimizer.lr']!r}" == values(candidate)["optimizer.lr"]
    reader = stored(tmp_path)
    study.tell(0, "finished", 0.5)
    assert reader.best_value == 0.5


def test_a_folder_with_an_odd_name_will_do(tmp_path: Path) -> None:
    folder = tmp_path / "100% of {all} my #runs? a b"
    carried_out(made(folder, trials=2))
    assert (folder / "study.db").is_file()
    assert made(folder, trials=2).ask() is None


def test_without_optuna_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(Refused, match=r"need Optuna.*pip install 'fivestep\[sweep\]'"):
        made(tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(optuna, "__version__", "2.10.1")
    with pytest.raises(Refused, match=r"2\.10\.1 is installed; pip install"):
        made(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_importing_it_imports_neither_optuna_nor_torch() -> None:
    code = (
        "import sys, trainer.sweep.study; print({'optuna', 'torch', 'sqlalchemy'} & {*sys.modules})"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"


def test_a_bad_file_or_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match=r"study\.db: unable to open"):
        Study(tmp_path / "gone", SPACE, method="random", trials=2, direction="max")
    (tmp_path / "study.db").write_bytes(b"not a database " * 100)
    with pytest.raises(Refused, match=r"study\.db is damaged \(file is not a database\)"):
        made(tmp_path)


def test_a_study_of_somebody_else_is_refused(tmp_path: Path) -> None:
    other = optuna.create_study(study_name="sweep", storage=f"sqlite:///{tmp_path / 'study.db'}")
    other.ask()
    with pytest.raises(Refused, match="not of fivestep"):
        made(tmp_path)
