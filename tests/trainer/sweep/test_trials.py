"""The book of a sweep."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.errors import Refused
from trainer.sweep.trials import Book, Trial, briefly, of_json, read_trials, to_json

TRIALS = st.builds(
    Trial,
    number=st.integers(0, 10_000),
    overrides=st.lists(st.text()).map(tuple),
    state=st.sampled_from(["running", "finished", "failed", "pruned", "preempted"]),
    reason=st.text(),
    exit_code=st.none() | st.integers(0, 255),
    seconds=st.floats(0, 1e9),
    metrics=st.dictionaries(st.text(), st.floats(allow_nan=False)),
)


@given(TRIALS)
def test_a_line_gives_the_trial_back(trial: Trial) -> None:
    import json

    line = to_json(trial)
    assert "\n" not in line
    assert of_json(json.loads(line)) == trial


def test_the_book_is_kept_in_order_a_line_a_trial(tmp_path: Path) -> None:
    book = Book(tmp_path)
    for number in (2, 0, 1):
        book.put(Trial(number, (f"seed={number}",)))
    book.put(Trial(1, ("seed=1",), "finished", metrics={"validation/f1": float("nan")}))
    assert [trial.number for trial in read_trials(tmp_path)] == [0, 1, 2]
    assert (tmp_path / "trials.jsonl").read_text().count("\n") == 3
    assert Book(tmp_path).trials[1].state == "finished"
    assert str(Book(tmp_path).trials[1].metrics["validation/f1"]) == "nan"


def test_no_book_is_empty_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    assert read_trials(tmp_path) == []
    for text in (
        "{",
        "[]",
        '{"number": 1}',
        '{"number":0,"overrides":[],"state":"x","metrics":{}}',
    ):
        (tmp_path / "trials.jsonl").write_text(text + "\n")
        with pytest.raises(Refused, match=r"trials.jsonl is damaged"):
            read_trials(tmp_path)


def test_what_ended_is_not_run_again() -> None:
    assert Trial(0, (), "finished").ended and Trial(0, (), "pruned").ended
    assert Trial(0, (), "failed", exit_code=3).ended and Trial(0, (), "failed", exit_code=0).ended
    assert not Trial(0, (), "failed", exit_code=4).ended
    assert not Trial(0, (), "preempted").ended and not Trial(0, (), "running").ended


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("optimizer.lr=0.00048560892922476", "optimizer.lr=0.0004856"),
        ("optimizer.lr=4.8560892922476e-06", "optimizer.lr=4.856e-06"),
        ("optimizer.lr=0.1", "optimizer.lr=0.1"),
        ("model.width=128", "model.width=128"),
        ("data.path=v1.23456", "data.path=v1.23456"),
        ("+x=-1.2345678", "+x=-1.235"),
    ],
)
def test_numbers_of_many_digits_are_shown_with_four(text: str, told: str) -> None:
    assert briefly([text]) == told
