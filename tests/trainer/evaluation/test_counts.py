"""Counts against scikit-learn, by hand, and for what they must not do."""

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from torch import Tensor

from trainer.errors import Failed, Refused
from trainer.evaluation import Classification, Counts
from trainer.evaluation.sums import Sum


def info_of(*classes: str) -> SimpleNamespace:
    return SimpleNamespace(classes=classes, num_classes=len(classes))


def logits_of(predictions: Sequence[int], num_classes: int) -> Tensor:
    return torch.nn.functional.one_hot(torch.tensor(predictions), num_classes).float()


def counted(
    target: Sequence[int], predictions: Sequence[int], num_classes: int, sizes: Sequence[int] = ()
) -> Counts:
    counts = Counts(num_classes, "cpu")
    start = 0
    for size in sizes or [len(target)]:
        part = slice(start, start + size)
        logits = logits_of(predictions[part], num_classes)
        loss = torch.nn.functional.cross_entropy(
            logits, torch.tensor(target[part]), reduction="sum"
        )
        counts.update(logits, torch.tensor(target[part]), loss, size)
        start += size
    return counts


def expected(
    target: Sequence[int], predictions: Sequence[int], num_classes: int
) -> dict[str, float]:
    precision, recall, f1, _ = sk.precision_recall_fscore_support(
        target, predictions, labels=range(num_classes), average="macro", zero_division=0
    )
    matrix = sk.confusion_matrix(target, predictions, labels=range(num_classes))
    present = matrix.sum(1) > 0
    return {
        "accuracy": sk.accuracy_score(target, predictions),
        # scikit-learn's balanced_accuracy_score warns where a class is only ever predicted.
        "balanced_accuracy": (matrix.diagonal()[present] / matrix.sum(1)[present]).mean(),
        "precision": precision,
        "recall": recall,
        "f1": f1,
    }


CASES = [
    ("single sample, right", [1], [1], 2),
    ("single sample, wrong", [1], [0], 2),
    ("a class absent from the targets", [0, 0, 1, 1], [0, 2, 1, 1], 3),
    ("a class absent from the predictions", [0, 1, 2, 2], [0, 1, 1, 0], 3),
    ("a class absent from both", [0, 1, 3, 3], [0, 1, 1, 3], 5),
    ("all wrong", [0, 1, 0, 1], [1, 0, 1, 0], 2),
    ("one class only", [3, 3, 3], [3, 3, 3], 10),
]


@pytest.mark.parametrize(
    ("target", "predictions", "num"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_degenerate_cases_equal_scikit_learn(
    target: list[int], predictions: list[int], num: int
) -> None:
    values = counted(target, predictions, num).values()
    for name, value in expected(target, predictions, num).items():
        assert values[name] == pytest.approx(value, abs=1e-12), name


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_equal_scikit_learn_and_ragged_batches_equal_one(data: st.DataObject) -> None:
    num = data.draw(st.sampled_from([2, 3, 10]))
    label = st.integers(0, num - 1)
    pairs = data.draw(st.lists(st.tuples(label, label), min_size=1, max_size=60))
    target, predictions = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    sizes, left = [], len(target)
    while left:
        sizes.append(data.draw(st.integers(1, left)))
        left -= sizes[-1]
    whole, ragged = counted(target, predictions, num), counted(target, predictions, num, sizes)
    values = ragged.values()
    for name, value in expected(target, predictions, num).items():
        assert values[name] == pytest.approx(value, abs=1e-12), name
        assert values[name] == whole.values()[name]
    assert values["loss"] == pytest.approx(whole.values()["loss"], rel=1e-6)
    theirs = sk.confusion_matrix(target, predictions, labels=range(num))
    assert (ragged.confusion().numpy() == theirs).all()


def test_balanced_accuracy_is_scikit_learns() -> None:
    generator = np.random.default_rng(0)
    target, guess = generator.integers(0, 4, 200), generator.integers(0, 4, 200)
    values = counted(target.tolist(), guess.tolist(), 4).values()
    assert values["balanced_accuracy"] == pytest.approx(
        sk.balanced_accuracy_score(target, guess), abs=1e-12
    )


def test_scores_of_each_class_equal_scikit_learn() -> None:
    generator = np.random.default_rng(1)
    target, guess = generator.integers(0, 10, 300), generator.integers(0, 10, 300)
    names = [f"c{i}" for i in range(10)]
    rows = counted(target.tolist(), guess.tolist(), 10).per_class(names)
    theirs = sk.precision_recall_fscore_support(target, guess, labels=range(10), zero_division=0)
    for place, name in enumerate(("precision", "recall", "f1", "support")):
        ours = [row[name] for row in rows]
        assert ours == pytest.approx(theirs[place], abs=1e-12)
    assert [row["label"] for row in rows] == names


def test_rows_are_true_classes() -> None:
    assert counted([0, 0, 1], [1, 1, 1], 2).confusion().tolist() == [[0, 2], [0, 1]]


def test_loss_is_weighted_by_the_weights_not_by_batches() -> None:
    counts = Counts(2, "cpu")
    counts.update(logits_of([0] * 9, 2), torch.zeros(9, dtype=torch.int64), torch.tensor(9.0), 9)
    counts.update(logits_of([0], 2), torch.zeros(1, dtype=torch.int64), torch.tensor(11.0), 1)
    assert counts.values()["loss"] == 2.0  # the mean of the batch means would be 6


def test_an_extra_metric_is_exact_over_ragged_batches() -> None:
    def top2(outputs: Tensor, target: Tensor) -> tuple[Tensor, int]:
        hit = (outputs.topk(2).indices == target[:, None]).any(1)
        return hit.sum(), len(target)

    torch.manual_seed(0)
    outputs, target = torch.randn(50, 5), torch.randint(0, 5, (50,))
    evaluation = Classification(select="top2", metrics={"top2": top2})
    counts = evaluation.start(info_of(*"abcde"), "cpu")
    for part in (slice(0, 33), slice(33, 49), slice(49, 50)):
        counts.update(outputs[part], target[part], 0.0, 1)
    theirs = sk.top_k_accuracy_score(target, outputs, k=2, labels=range(5))
    assert counts.values()["top2"] == pytest.approx(theirs, abs=1e-12)


def test_a_wrong_extra_metric_is_told_by_name() -> None:
    def crash(outputs: Tensor, target: Tensor) -> tuple[Tensor, int]:
        raise ZeroDivisionError("by zero")

    for metric, match in ((crash, "by zero"), (lambda o, t: o.sum(), "sum over the batch")):
        counts = Counts(2, "cpu", metrics={"mine": metric})
        with pytest.raises(Failed, match=match) as caught:
            counts.update(logits_of([0], 2), torch.tensor([0]), 0.0, 1)
        assert "evaluation.metrics.mine" in str(caught.value)
        assert caught.value.exit_code == 7


def test_the_score_of_a_single_class_is_among_the_values_when_selected() -> None:
    evaluation = Classification(select="validation/recall/cat")
    counts = evaluation.start(info_of("dog", "cat"), "cpu")
    counts.update(logits_of([1, 0, 0], 2), torch.tensor([1, 1, 0]), 0.0, 1)
    assert counts.values()["recall/cat"] == 0.5
    assert "recall/cat" not in counted([0, 1], [0, 1], 2).values()
    other = Classification(select="recall/cow").start(info_of("dog", "cat"), "cpu")
    other.update(logits_of([1], 2), torch.tensor([1]), 0.0, 1)
    with pytest.raises(Refused, match="cow"):
        other.values()


def test_reading_is_one_copy_until_the_next_update(monkeypatch: pytest.MonkeyPatch) -> None:
    copies = []
    original = Tensor.cpu

    def counted_copy(self: Tensor) -> Tensor:
        copies.append(self.shape)
        return original(self)

    def forbidden(self: Tensor) -> None:
        raise AssertionError("a sync")

    counts = counted([0, 1, 1], [0, 1, 0], 2, [2, 1])
    monkeypatch.setattr(Tensor, "cpu", counted_copy)
    monkeypatch.setattr(Tensor, "item", forbidden)
    monkeypatch.setattr(Tensor, "tolist", forbidden)
    counts.values(), counts.confusion(), counts.per_class(), counts.num_samples
    assert len(copies) == 1
    counts.update(logits_of([0], 2), torch.tensor([0]), 0.0, 1)
    assert len(copies) == 1, "an update reads nothing back"
    assert counts.num_samples == 4
    assert len(copies) == 2


def test_an_update_never_needs_a_value_from_the_device() -> None:
    """On the meta device there are no values: whatever has to wait for one raises."""
    counts = Counts(3, "meta", keep=True, metrics={"mine": lambda o, t: (o.sum(), len(t))})
    outputs, target = torch.zeros(2, 3, device="meta"), torch.zeros(2, device="meta").long()
    counts.update(outputs, target, outputs.sum(), target.sum())
    with pytest.raises((NotImplementedError, RuntimeError)):  # negative control
        torch.bincount(target, minlength=9)


def test_without_keep_nothing_grows_and_with_keep_every_sample_is_there() -> None:
    lean, full = Counts(2, "cpu"), Counts(2, "cpu", keep=True)
    for _ in range(20):
        for counts in (lean, full):
            counts.update(torch.tensor([[0.0, 2.0]]), torch.tensor([0]), 0.0, 1)
    held = [value for value in vars(lean).values() if isinstance(value, list | dict | tuple)]
    assert all(len(value) <= 2 for value in held)
    with pytest.raises(ValueError, match="keep=True"):
        lean.kept()
    kept = full.kept()
    assert kept.target.tolist() == [0] * 20
    assert kept.prediction.tolist() == [1] * 20
    odds = np.exp(2.0)
    assert kept.probability == pytest.approx(np.full(20, odds / (1 + odds)))
    assert kept.probability_of_target == pytest.approx(np.full(20, 1 / (1 + odds)))


def test_kept_samples_survive_a_loader_that_reuses_its_buffers() -> None:
    counts, target = Counts(2, "cpu", keep=True), torch.tensor([1])
    outputs = torch.tensor([[0.0, 1.0]])
    counts.update(outputs, target, 0.0, 1)
    target.zero_()
    outputs.zero_()
    kept = counts.kept()
    assert (kept.target[0], kept.prediction[0]) == (1, 1)
    assert kept.probability[0] > 0.7


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_float_type_and_a_graph_are_taken(dtype: torch.dtype) -> None:
    counts = Counts(2, "cpu", keep=True)
    outputs = torch.tensor([[0.0, 1.0]], dtype=dtype, requires_grad=True)
    counts.update(outputs, torch.tensor([1]), outputs.sum(), torch.tensor(1))
    assert counts.values()["loss"] == 1.0
    assert counts.kept().probability.dtype == np.float32
    assert not any(part.requires_grad for row in counts._kept for part in row)


def test_inference_mode_may_end_between_updates() -> None:
    counts = Counts(2, "cpu")
    for mode in (True, False):
        with torch.inference_mode(mode):
            counts.update(logits_of([1], 2), torch.tensor([1]), torch.tensor(0.5), 1)
    assert counts.values()["loss"] == 0.5


@pytest.mark.parametrize("label", [-100, -1, 3, 10**12])
def test_a_target_that_is_no_class_is_told(label: int) -> None:
    counts = Counts(3, "cpu")
    counts.update(logits_of([0, 1], 3), torch.tensor([0, label]), 0.0, 1)
    with pytest.raises(Failed, match=r"1 of 2 targets are no class.*0\.\.2"):
        counts.values()


def test_nothing_evaluated_is_told() -> None:
    with pytest.raises(Failed, match="no samples"):
        Counts(2, "cpu").values()


@pytest.mark.parametrize(
    ("outputs", "target", "match"),
    [
        (torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 4).long(), r"\[2, 3, 4, 4\]"),
        (torch.zeros(2), torch.zeros(2).long(), r"outputs \[2\]"),
        (torch.zeros(2, 7), torch.zeros(2).long(), "7 outputs a sample and the data has 3"),
        (torch.zeros(2, 3), torch.zeros(2, 3), "float32"),
        (torch.zeros(2, 3), torch.zeros(1).long(), r"here \[2\]"),
        (torch.zeros(2, 3), torch.zeros(2).int(), "int32"),
    ],
)
def test_outputs_and_targets_of_another_kind_are_refused(
    outputs: Tensor, target: Tensor, match: str
) -> None:
    with pytest.raises(Refused, match=match):
        Counts(3, "cpu").update(outputs, target, 0.0, 1)


def test_a_loss_that_is_not_finite_is_nan_and_spoils_nothing_else() -> None:
    counts = counted([0, 1], [0, 1], 2)
    counts.update(logits_of([0], 2), torch.tensor([0]), torch.tensor(float("nan")), 1)
    values = counts.values()
    assert np.isnan(values["loss"])
    assert values["accuracy"] == 1.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_sum_keeps_its_digits(dtype: torch.dtype) -> None:
    device, added = torch.device("cpu"), Sum(torch.device("cpu"), dtype)
    plain = torch.tensor(2.0**24, dtype=torch.float32)
    added.add(2.0**24)
    for _ in range(1000):
        added.add(torch.tensor(1.0))
        plain += 1
    assert added.value(added.bits()[0]) == 2.0**24 + 1000
    assert plain.item() == 2.0**24, "negative control: plain float32 loses all of them"
    added.add(float("inf"))
    added.add(1.0)
    assert added.value(added.bits()[0]) == float("inf")
    assert Sum(device).dtype == torch.float64
