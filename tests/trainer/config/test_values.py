import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, Union

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.config.values import problems_of
from trainer.options import Form, Range

Rate = Annotated[float, Range(gt=0)]


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (1, int),
        (1, float),
        (True, bool),
        ("a", str),
        (None, None),
        (None, int | None),
        ("auto", int | Literal["auto"]),
        ("x", Path),
        ([1, 2], list[int]),
        ((1, 2), Sequence[int]),
        ([1, 2.5], tuple[float, float]),
        ([1, 2, 3], tuple[int, ...]),
        ({"a": 1}, dict[str, int]),
        ({"a": 1}, Mapping[str, Any]),
        ([1, "a"], list[Any]),
        ([1, "a"], list),
        (0.5, Rate),
        (0.5, Union[float, torch.Tensor]),  # noqa: UP007  # torch's own annotations are written so
        (None, Optional[torch.Tensor]),  # noqa: UP045
        ("anything", torch.dtype),
        ("anything", int | torch.dtype),
        ({"_target_": "a.b"}, int),
        ("${info.num_classes}", int),
        (["${info.width}", 2], list[int]),
    ],
)
def test_fine(value: object, annotation: object) -> None:
    assert problems_of(value, annotation, "x") == []


@pytest.mark.parametrize(
    ("value", "annotation", "told"),
    [
        (True, int, "x is true; it has to be a whole number"),
        (1, bool, "x is 1; it has to be true or false"),
        (1.0, int, "x is 1.0; it has to be a whole number"),
        (math.nan, float, "x is nan; it has to be a number"),
        (-1, Rate, "x is -1; it has to be a number, more than 0"),
        (math.inf, Rate, "x is inf; it has to be a number, more than 0"),
        (
            "1e-3",
            Rate,
            "x is '1e-3'; it has to be a number, more than 0. It is text here: remove the quotes",
        ),
        (
            "1e-3",
            int | float,
            "x is '1e-3'; it has to be a whole number or a number. It is text here: remove the "
            "quotes",
        ),
        ("-3", Rate, "x is '-3'; it has to be a number, more than 0"),
        (3, str, "x is 3; it has to be text"),
        (None, int, "x is null; it has to be a whole number"),
        (
            "steps",
            Literal["step", "epoch"],
            "x is 'steps'; it has to be step or epoch; did you mean step?",
        ),
        (1, Literal[True], "x is 1; it has to be true"),
        ([1, "a"], list[int], "x[1] is 'a'; it has to be a whole number"),
        (
            [0.5, 2],
            Annotated[list[float], Range(lt=1)],
            "x[1] is 2; it has to be a number, less than 1",
        ),
        ([1, 2, 3], tuple[int, int], "x is [1, 2, 3]; it has to be a list"),
        ("a", list[str] | None, "x is 'a'; it has to be a list of text or null"),
        ("a", list[str], "x is 'a'; it has to be a list of text; write [a]"),
        ([1.0], Optional[torch.Tensor], "x is [1.0]; it has to be null"),  # noqa: UP045
        ("a/b", Annotated[str, Form("[a-z]+", "a name")], "x is 'a/b'; it has to be a name"),
        ({"a": "b"}, dict[str, int], "x is {'a': 'b'}; it has to be a mapping"),
    ],
)
def test_wrong(value: object, annotation: object, told: str) -> None:
    assert problems_of(value, annotation, "x") == [told]


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_range_holds_exactly_within_its_limits(number: float) -> None:
    fine = problems_of(number, Annotated[float, Range(ge=0, lt=1)], "x") == []
    assert fine == (0 <= number < 1)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    plain, st.sampled_from([int, str, Rate | None, list[int], dict[str, float], tuple[int, str]])
)
def test_any_plain_value_gets_lines_and_never_an_exception(
    value: object, annotation: object
) -> None:
    assert all(
        line.startswith("x") and "\n" not in line for line in problems_of(value, annotation, "x")
    )
