"""Errors: several problems at once, and their way through a pickle."""

import copy

from data.errors import DataError, SampleError


def test_problems_are_counted_and_the_first_five_shown() -> None:
    error = DataError(*(f"problem {number}" for number in range(7)))
    assert str(error).startswith("7 problems")
    assert "problem 4" in str(error) and "problem 5" not in str(error)
    assert "and 2 more" in str(error)
    assert len(error.problems) == 7


def test_one_problem_is_the_message() -> None:
    assert str(DataError("what; what to do")) == "what; what to do"


def test_exit_codes() -> None:
    assert (DataError.exit_code, SampleError.exit_code) == (2, 7)


def test_reducing_keeps_kind_and_problems() -> None:
    for error in (SampleError("one"), DataError("one", "two")):
        again = copy.copy(error)  # goes through the same __reduce__ as a pickle
        assert type(again) is type(error)
        assert (str(again), tuple(again.problems)) == (str(error), tuple(error.problems))
