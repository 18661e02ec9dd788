"""The words of a sweep: several values told from one, typed, read from a file, and judged."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from trainer.config.catalogue import groups
from trainer.config.multirun import hydra_text
from trainer.config.overrides import Override, parse
from trainer.config.swept import ask, read, typed
from trainer.sweep.axes import Axis, Choices, Interval

LR = "optimizer.lr=0.1,0.01"


@pytest.mark.parametrize(
    ("word", "axis"),
    [
        ("seed=range(3)", Choices(("0", "1", "2"))),
        ("x=range(0.1,0.4,0.1)", Choices(("0.1", "0.2", "0.3"))),
        ("x=choice(a)", Choices(("a",))),
        ("x=1e-3,null,true", Choices(("0.001", "null", "true"))),
        ("x=[1,2],[3]", Choices(("[1,2]", "[3]"))),
        ("x='a,b',c d", Choices(("'a,b'", "'c d'"))),
        ("x=range(1,0,-0.5)", Choices(("1.0", "0.5"))),
        ("optimizer=glob(*,exclude=[r*,s*])", Choices(("adam", "adamw"))),
        ("x=sort(3,1,2)", Choices(("1", "2", "3"))),
        ("x=interval(1,2)", Interval(1, 2)),
        ("x=tag(log,interval(1e-4,1e-1))", Interval(1e-4, 1e-1, log=True)),
        ("x=int(interval(1,9))", Interval(1, 9, integer=True)),
        ("x=tag(log,int(interval(16,512)))", Interval(16, 512, log=True, integer=True)),
        ("data.path=/a/b,/c", Choices(("/a/b", "/c"))),
        ("x=1", None),
        ("x=[1,2]", None),
        ("x='a,b'", None),
        ("data.path=/a b(1)/c", None),
        ("run.dir=a,b", None),
        ("sweep.resume=a,b", None),
        ("nonsense", None),
    ],
)
def test_several_values_are_told_from_one(word: str, axis: Axis | None) -> None:
    assert read(word, groups()) == axis


@given(st.text() | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False))
def test_a_value_is_typed_so_that_it_is_read_the_same(value: Any) -> None:
    if isinstance(value, str) and ("\n" in value or value == "" or not value.isprintable()):
        return
    parsed = parse(f"x={typed(value)}", {})
    assert isinstance(parsed, Override)
    if not isinstance(value, str):
        assert parsed.value == value
    elif typed(value).startswith("'") or re.fullmatch(r"[A-Za-z_]\w*", value) is None:
        return  # numbers and keywords among texts are those that Hydra has read as such
    elif value.lower() not in ("true", "false", "null", "nan", "inf"):
        assert parsed.value == value


@pytest.mark.parametrize(
    "axis",
    [
        Choices(("a",)),
        Choices(("0.1", "[1,2]", "'a,b'")),
        Interval(0.5, 2),
        Interval(1e-5, 2, log=True),
        Interval(1, 9, integer=True),
        Interval(1, 9, log=True, integer=True),
    ],
)
def test_an_axis_is_handed_to_hydra_as_it_was_read(axis: Axis) -> None:
    assert read(f"x={hydra_text(axis)}", groups()) == axis


def test_the_last_word_on_a_key_counts() -> None:
    asked = ask(["seed=1", "seed=2,3", LR, "optimizer.lr=0.5"])
    assert asked.space == {"seed": Choices(("2", "3"))} and not asked.problems
    assert asked.fixed == ("optimizer.lr=0.5",)


def test_the_space_can_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    space = {
        "optimizer.lr": "tag(log, interval(1e-4, 1e-1))",
        "model.width": [16, 32],
        "model.dropout": {"low": 0.0, "high": 0.5},
        "seed": "range(3)",
    }
    text = {"defaults": [{"override /sweep": "random"}], "sweep": {"space": space}}
    file = tmp_path / "experiment/mine.yaml"
    file.write_text("# @package _global_\n" + yaml.safe_dump(text))
    asked = ask(["experiment=mine", "seed=7", "model.width=8,4"], [tmp_path])
    assert not asked.problems
    assert asked.space == {
        "model.width": Choices(("8", "4")),
        "optimizer.lr": Interval(1e-4, 1e-1, log=True),
        "model.dropout": Interval(0.0, 0.5),
    }
    space = {"optimizer.lr": "0.1,-2", "model.wdth": "1,2", "seed": "range(0)", "x": {"low": 1}}
    file.write_text("# @package _global_\n" + yaml.safe_dump({"sweep": {"space": space}}))
    problems = "\n".join(ask(["experiment=mine"], [tmp_path]).problems)
    assert "optimizer.lr is -2" in problems and "did you mean model.width=1?" in problems
    assert (
        "sweep.space: 'seed=range(0)'" in problems and "sweep.space.x.high is missing" in problems
    )


def test_choices_that_change_what_all_trials_share_are_refused(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    for name, text in (("a", "seed: 1"), ("b", "evaluation: {select: f1}")):
        (tmp_path / f"experiment/{name}.yaml").write_text(f"# @package _global_\n{text}\n")
    (problem,) = ask(["experiment=a,b"], [tmp_path]).problems
    assert problem.startswith("experiment=b changes evaluation.select (accuracy to f1)")
