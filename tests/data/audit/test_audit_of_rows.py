"""Planted faults in rows of numbers are found, and sound rows are left in peace."""

from typing import Any

import numpy as np
import pytest
from fake_data import clean_labels, clean_values, said, shuffled, vectors

from data.audit import audit, brief


def test_sound_rows_are_left_in_peace() -> None:
    splits = vectors()
    assert said(splits, "error", "warning", "note") == []
    assert brief(splits) == []


def leaking(values: Any, labels: Any) -> None:
    values[:, 2] = labels + 0.01 * values[:, 2]


def telling_by_holes(values: Any, labels: Any) -> None:
    values[labels == 1, 3] = np.nan


def constant(values: Any, labels: Any) -> None:
    values[:, 1] = 3.5


def holey(values: Any, labels: Any) -> None:
    values[np.random.default_rng(1).random(len(values)) < 0.7, 1] = np.nan


def empty(values: Any, labels: Any) -> None:
    values[:, 1] = np.nan


def infinite(values: Any, labels: Any) -> None:
    values[7, 1] = np.inf


def skewed(values: Any, labels: Any) -> None:
    values[3, 1] = 1e4


def shifted(values: Any, labels: Any) -> None:
    values[320:, 4] += 2


def copied(values: Any, labels: Any) -> None:
    values[330], labels[330] = values[3], labels[3]


def doubled(values: Any, labels: Any) -> None:
    values[30], labels[30] = values[3], labels[3]


def torn(values: Any, labels: Any) -> None:
    values[10:20], labels[10:20] = values[:10], 1 - labels[:10]


def out_of_range(values: Any, labels: Any) -> None:
    labels[[5, 300]] = 2, -1


def lone(values: Any, labels: Any) -> None:
    labels[:] = 1


def rare(values: Any, labels: Any) -> None:
    labels[:240] = 0
    labels[:4] = 1


def missing_in_test(values: Any, labels: Any) -> None:
    labels[320:] = 0


def never_learned(values: Any, labels: Any) -> None:
    labels[:240] = 0


FAULTS = [
    (leaking, "error: 1 column that gives the target away, alone ('input 2' is right"),
    (telling_by_holes, "error: 1 column that gives the target away, alone ('input 3' is right"),
    (constant, "warning: 1 column with one value only in the train split ('input 1': 3.5)"),
    (holey, "warning: 1 column with more than 50 % of the values missing ('input 1': "),
    (empty, "warning: 1 column without a value in the train split ('input 1')"),
    (infinite, "error: 1 column with infinite values ('input 1': 1)"),
    (infinite, "error: 1 input with missing or infinite numbers (row 7)"),
    (skewed, "note: 1 column with a few values far from the others"),
    (shifted, "warning: 1 column spread otherwise in the test split than in train ('input 4': "),
    (copied, "error: 1 of 80 test rows (1.2 %) is in the train split too, equal (row 330 = row 3)"),
    (
        doubled,
        "warning: 1 row comes again in the train split, equal (0.2 % of all) (row 3 = row 30)",
    ),
    (torn, "warning: 20 rows equal to others with another label (5 %) (row 0 = row 10, "),
    (out_of_range, "error: 1 label of the train split out of range (row 5: 2)"),
    (out_of_range, "error: 1 label of the validation split out of range (row 300: -1)"),
    (lone, "error: only class 'yes' comes in the train split"),
    (rare, "warning: 1 class with fewer than 10 training samples ('yes': 4)"),
    (rare, "warning: classes of uneven size: 'no' has 59 times the training samples of 'yes'"),
    (missing_in_test, "warning: 1 class missing in the test split ('yes')"),
]


@pytest.mark.parametrize(("spoil", "line"), FAULTS, ids=lambda each: getattr(each, "__name__", ""))
def test_a_planted_fault_is_found_whatever_the_order_of_the_rows(spoil: Any, line: str) -> None:
    values, labels = clean_values(), clean_labels()
    spoil(values, labels)
    splits = vectors(values, labels)
    found = said(splits, "error", "warning", "note")
    assert any(each.startswith(line) for each in found), found
    assert said(shuffled(splits), "error", "warning", "note") == found


def test_a_class_that_is_never_learned_is_an_error() -> None:
    values, labels = clean_values(), clean_labels()
    labels[:240] = np.arange(240) % 2
    labels[240:] = 2
    found = said(vectors(values, labels, classes=("a", "b", "c"), num_classes=3))
    assert any("1 class of the test split without a training sample ('c')" in e for e in found)


def test_rows_of_few_values_coincide_by_chance_and_that_is_no_error() -> None:
    values = np.random.default_rng(4).integers(0, 3, (400, 3)).astype(np.float32)
    levels = {each.partition(":")[0] for each in said(vectors(values), "error", "warning", "note")}
    assert levels == {"note"}


def test_a_strong_column_is_no_leak() -> None:
    values, labels = clean_values(), clean_labels()
    values[:, 2] = labels + 0.35 * np.random.default_rng(5).normal(size=400)
    assert said(vectors(values, labels)) == []


def test_of_many_rows_a_sample_is_looked_at_and_that_is_said() -> None:
    splits = vectors()
    found = audit(splits, limit=100)
    assert [each.what for each in found.findings] == [
        "100 of 400 samples looked at, chosen by their names; classes are counted in all"
    ]
    assert found.facts["classes"]["train"] == {"no": 120, "yes": 120}
    assert audit(shuffled(splits), limit=100).findings == found.findings
    assert audit(splits, limit=0).findings == ()


def test_several_labels_are_counted_each() -> None:
    labels = np.random.default_rng(6).random((400, 2)) < (0.5, 0.04)
    found = audit(vectors(labels=labels.astype(np.float32), problem="multilabel"))
    assert found.facts["classes"]["train"]["yes"] == labels[:240, 1].sum()
    assert any("classes of uneven size" in each.what for each in found.findings)


def regression(targets: Any, values: Any = None) -> Any:
    mean, std = float(np.mean(targets[:240])), float(np.std(targets[:240])) or 1.0
    scaled = ((targets - mean) / std)[:, None].astype(np.float32)
    facts = {"classes": (), "num_classes": 0, "targets": ("price",)}
    scale = {"target_mean": (mean,), "target_std": (std,)}
    return vectors(values, scaled, problem="regression", **facts, **scale)


def prices() -> Any:
    return 100 + 20 * np.random.default_rng(7).normal(size=400)


def test_sound_targets_are_left_in_peace() -> None:
    splits = regression(prices())
    assert said(splits, "error", "warning", "note") == []
    assert brief(splits) == []


def test_odd_targets_are_found_in_their_own_unit() -> None:
    targets = prices()
    targets[390] = 5000
    (line,) = said(regression(targets))
    assert line.startswith("warning: 1 target more than 8 standard deviations away from the mean")
    assert "(row 390: price is 5000)" in line and brief(regression(targets)) != []
    (line,) = said(regression(np.full(400, 3.0)))
    assert line.startswith("error: 1 target with one value only in the train split ('price': 3)")
    targets = prices()
    targets[390] = np.nan
    assert said(regression(targets))[0].startswith("error: 1 target missing or infinite (row 390: ")


def test_a_column_that_is_the_target_but_for_its_scale_is_found() -> None:
    targets, values = prices(), clean_values()
    values[:, 3] = np.exp(targets / 20)
    (line,) = said(regression(targets, values))
    assert line.startswith("error: 1 column that gives the target away, alone ('input 3' goes with")


def test_the_short_audit_finds_what_is_cheap() -> None:
    values, labels = clean_values(), clean_labels()
    copied(values, labels)
    (line,) = brief(vectors(values, labels))
    assert line.startswith("1 of 80 test samples (1.2 %) is in the train split too")
    values[:240] = 1.0
    assert any("all 240 inputs of the train split are equal" in e for e in brief(vectors(values)))
    assert brief(vectors(values), seconds=0.0) == []
