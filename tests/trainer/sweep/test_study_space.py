"""Spaces: what is refused, what is drawn from them, and how it is written."""

import math
import tempfile
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st
from unflushed import unflushed  # noqa: F401  # a fixture

from trainer.config.overrides import Override, parse
from trainer.config.swept import axis_of
from trainer.errors import Refused
from trainer.sweep import space as spaces
from trainer.sweep.axes import Axis, Choices, Interval
from trainer.sweep.study import Study

WORDS = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=5)


@st.composite
def axes(draw: st.DrawFn) -> Axis:
    """Any axis that is in order."""
    if draw(st.booleans()):
        return Choices(tuple(draw(st.lists(WORDS, min_size=1, max_size=4, unique=True))))
    log, integer = draw(st.booleans()), draw(st.booleans())
    if integer:
        low = draw(st.integers(1 if log else -1000, 1000))
        return Interval(low, low + draw(st.integers(1, 1000)), log, integer)
    start = draw(st.floats(1e-8 if log else -1e6, 1e6, allow_subnormal=False))
    return Interval(start, start + draw(st.floats(1e-3, 1e6)), log)


def inside(axis: Axis, text: str) -> bool:
    """Whether a value, as it is written, is one of the axis."""
    if isinstance(axis, Choices):
        return text in axis.values
    return axis.low <= (int(text) if axis.integer else float(text)) <= axis.high


@settings(max_examples=6, deadline=None)
@given(st.dictionaries(st.sampled_from("abcd"), axes(), min_size=1), st.integers(0, 2**63 - 1))
def test_points_stay_within_the_space(space: dict[str, Axis], seed: int) -> None:
    size = spaces.size(space)
    trials = min(4, size or 4)
    with tempfile.TemporaryDirectory() as folder:
        study = Study(
            Path(folder), space, method="bayes", trials=trials, direction="min", seed=seed
        )
        for number in range(trials):
            candidate = study.ask()
            assert candidate and candidate.number == number
            for text in candidate.overrides:
                key, _, value = text.partition("=")
                assert inside(space[key], value)
            study.tell(number, "finished", float(number))
        assert study.ask() is None


def test_logarithmic_and_whole_numbers_are_drawn_as_such(tmp_path: Path) -> None:
    space: dict[str, Axis] = {
        "log": Interval(1e-6, 1, log=True),
        "even": Interval(1e-6, 1),
        "whole": Interval(1, 1000, log=True, integer=True),
    }
    study = Study(tmp_path, space, method="random", trials=40, direction="max")
    drawn: dict[str, list[float]] = {key: [] for key in space}
    while candidate := study.ask():
        for text in candidate.overrides:
            key, _, value = text.partition("=")
            drawn[key].append(int(value) if key == "whole" else float(value))
    assert sum(value < 1e-3 for value in drawn["log"]) >= 10
    assert sum(value < 1e-3 for value in drawn["even"]) <= 3
    assert sum(value < 32 for value in drawn["whole"]) >= 10


def test_every_problem_of_a_space_is_told_at_once() -> None:
    space: dict[str, Axis] = {
        "a": Interval(1, 1),
        "b": Interval(0, 1, log=True),
        "c": Interval(0.5, 2, integer=True),
        "d": Interval(0, math.inf),
        "e": Choices(()),
        "f": Choices(("x", "y", "x")),
    }
    with pytest.raises(Refused) as caught:
        Study(Path("nowhere"), space, method="random", trials=2, direction="max")
    assert list(caught.value.problems) == [
        "a: the lower bound (1) has to be below the upper one (1)",
        "b: a logarithmic scale begins above 0, not at 0",
        "c: whole numbers lie between whole bounds, not 0.5 and 2",
        "d: an interval has finite bounds, not 0 and inf",
        "e: there are no values to choose from",
        "f: x is there more than once; leave the others out",
    ]
    with pytest.raises(Refused, match="there is nothing to search"):
        Study(Path("nowhere"), {}, method="random", trials=2, direction="max")


def test_plain_descriptions_are_read() -> None:
    read = spaces.described
    assert read("a", {"low": 0, "high": 8}) == Interval(0, 8)
    assert read("a", {"low": 0, "high": 8, "integer": True}) == Interval(0, 8, integer=True)
    assert read("a", {"low": 1e-4, "high": 1, "log": True}) == Interval(1e-4, 1, log=True)
    assert read("a", ["sgd", 0.1, None, True]) == Choices(("sgd", "0.1", "null", "true"))
    assert read("a", 3) == Choices(("3",))


@pytest.mark.parametrize(
    ("axis", "text"),
    [
        (Interval(0, 1), "interval(0.0,1.0)"),
        (Interval(1e-5, 0.1, log=True), "tag(log,interval(1e-05,0.1))"),
        (Interval(1, 9, integer=True), "int(interval(1,9))"),
        (Interval(1, 9, log=True, integer=True), "tag(log,int(interval(1,9)))"),
        (Choices(("a", "[1,2]")), "a,[1,2]"),
    ],
)
def test_a_space_is_shown_as_it_is_typed(axis: Axis, text: str) -> None:
    assert spaces.shown(spaces.told(axis)) == text
    assert axis_of(OverridesParser.create().parse_override(f"key={text}"), {}) == axis


def test_every_problem_of_a_description_is_told_at_once() -> None:
    with pytest.raises(Refused) as caught:
        spaces.described("lr", {"low": "x", "log": 1, "hihg": 2})
    assert list(caught.value.problems) == [
        "sweep.space.lr.hihg: an interval has no such key; it has low, high, log, integer",
        "sweep.space.lr.high is missing",
        "sweep.space.lr.low='x': it has to be a number",
        "sweep.space.lr.log=1: it has to be true or false",
    ]
    with pytest.raises(Refused, match=r"sweep\.space\.lr: the lower bound \(2\)"):
        spaces.described("lr", {"low": 2, "high": 1})


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="ascii", categories=("L", "N", "P", "Zs")), max_size=8).filter(
        lambda text: "${" not in text
    ),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=60, deadline=None)
@given(VALUES)
def test_a_written_value_is_read_back_the_same(value: object) -> None:
    override = parse(f"key={spaces.written(value)}", {})
    assert isinstance(override, Override), override
    assert override.value == value


@settings(max_examples=100, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_that_was_drawn_comes_back_bit_for_bit(number: float) -> None:
    override = parse(spaces.override("optimizer.lr", number), {})
    assert isinstance(override, Override), override
    assert float(override.value).hex() == number.hex()
