"""What may differ between the data of an ensemble's members."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from trainer.ensemble.same_data import (
    Seen,
    plain_info,
    refuse_changed,
    refuse_other_data,
    refuse_other_samples,
    refuse_unlike,
)
from trainer.errors import Refused

ONE, TWO, THREE = Path("1"), Path("2"), Path("3")


def test_what_leaves_the_test_split_alone_may_differ() -> None:
    base = {"_target_": "data.digits.digits", "split_seed": 0, "augment": None, "folds": None}
    other = base | {"augment": {"rotation": 5}, "folds": 5, "fold": 2, "size": 32, "fit": "pad"}
    refuse_other_data({ONE: base, TWO: other})
    refuse_other_data({ONE: {}})


def test_every_key_that_does_not_is_told() -> None:
    base = {"_target_": "data.digits.digits", "split_seed": 0, "test": 0.2}
    with pytest.raises(Refused) as caught:
        refuse_other_data({ONE: base, TWO: base, THREE: base | {"split_seed": 1, "limit": 9}})
    first, second = caught.value.problems
    assert first.startswith("data.split_seed is 0 in 1 and 1 in 3, so the test samples of one may")
    assert second.startswith("data.limit is None in 1 and 9 in 3")


def test_data_that_changed_is_told_by_its_fingerprint_or_by_all_it_says() -> None:
    then = SimpleNamespace(classes=["a", "b"], num_train=7, mean=[0.5], fingerprint="x")
    moved = SimpleNamespace(classes=("a", "b"), num_train=7, mean=(0.5000000001,), fingerprint="x")
    refuse_changed(ONE, then, moved)
    del then.fingerprint, moved.fingerprint
    with pytest.raises(Refused, match=r"changed since it was trained \(its mean\)"):
        refuse_changed(ONE, then, moved)
    assert plain_info(moved)["classes"] == ["a", "b"]


def test_members_of_other_classes_are_refused() -> None:
    one, two = Seen(ONE, ["a", "b"], []), Seen(TWO, ["b", "a"], [])
    refuse_unlike(one, one, "test")
    with pytest.raises(Refused, match=r"different classes: 1 a, b \(2\) and 2 b, a \(2\)"):
        refuse_unlike(one, two, "validation")


def test_samples_that_are_not_those_of_the_training_are_refused(tmp_path: Path) -> None:
    head = b"index,input,label,prediction,probability,correct\n"
    table = head + b"0,x.png,cat,cat,0.9,true\n1,y.png,dog,cat,0.8,false\n"
    refuse_other_samples(tmp_path, "test", table)  # nothing was kept to compare it with
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation/test_predictions.csv").write_bytes(table)
    refuse_other_samples(tmp_path, "test", table.replace(b"cat,0.9,true", b"dog,0.5,false"))
    with pytest.raises(Refused, match="2 samples now, 2 then, 1 in both"):
        refuse_other_samples(tmp_path, "test", table.replace(b"y.png", b"z.png"))
    with pytest.raises(Refused, match="1 in both"):
        refuse_other_samples(tmp_path, "test", table.replace(b"dog,cat", b"cat,cat"))
