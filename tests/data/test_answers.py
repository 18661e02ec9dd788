"""What a model's outputs mean: the same as softmax, sigmoid and the scale of the targets say."""

import json

import numpy as np
import pytest
import torch

from data import answers
from data.answers import ClassAnswer, LabelsAnswer, NumbersAnswer
from data.errors import DataError

CLASSES = ("zero", "one", "two")
OUTPUTS = np.random.default_rng(1).normal(size=(20, 3)).astype(np.float32)


def test_the_likeliest_are_those_of_softmax() -> None:
    exact = torch.from_numpy(OUTPUTS).double().softmax(1).numpy()
    for found, row in zip(ClassAnswer(CLASSES).of(OUTPUTS, 2), exact, strict=True):
        order = np.argsort(-row)[:2]
        assert [label for label, _ in found["top_k"]] == [CLASSES[number] for number in order]
        assert np.allclose([value for _, value in found["top_k"]], row[order], rtol=1e-12)
        assert [found["label"], found["probability"]] == found["top_k"][0]
    (tied,) = ClassAnswer(CLASSES).of(np.array([[0.0, 5.0, 5.0]]), 9)
    assert [label for label, _ in tied["top_k"]] == ["one", "two", "zero"]
    (masked,) = ClassAnswer(CLASSES).of(np.array([[-np.inf, 1.0, 0.0]]), 3)
    assert masked["top_k"][2] == ["zero", 0.0]


def test_labels_are_those_above_the_threshold() -> None:
    exact = torch.from_numpy(OUTPUTS).double().sigmoid().numpy()
    for found, row in zip(LabelsAnswer(CLASSES, 0.4).of(OUTPUTS, 1), exact, strict=True):
        assert np.allclose([*found["probabilities"].values()], row, rtol=1e-12)
        assert found["labels"] == [c for c, v in zip(CLASSES, row, strict=True) if v >= 0.4]


def test_numbers_are_in_the_units_of_the_data() -> None:
    answer = NumbersAnswer(["a", "b", "c"], [10, 0, -5], [2, 1, 100])
    found = list(answer.of(OUTPUTS, 1))
    expected = OUTPUTS.astype(np.float64) * [2, 1, 100] + [10, 0, -5]
    assert np.array_equal([[*row.values()] for row in found], expected)
    assert tuple(found[0]) == answer.columns == ("a", "b", "c")


@pytest.mark.parametrize(
    "answer",
    [ClassAnswer(CLASSES), LabelsAnswer(CLASSES, 0.3), NumbersAnswer(CLASSES, [0] * 3, [1] * 3)],
)
def test_nothing_is_said_of_what_is_not_finite_and_a_node_makes_it_again(answer: object) -> None:
    made = answer
    assert isinstance(made, ClassAnswer | LabelsAnswer | NumbersAnswer)
    outputs = OUTPUTS[:3].copy()
    outputs[1, 2] = np.nan
    first, second, third = made.of(outputs, 3)
    assert first and third and second == {}
    node = json.loads(json.dumps(made.node))
    again = getattr(answers, node.pop("_target_").rpartition(".")[2])(**node)
    assert list(again.of(OUTPUTS, 3)) == list(made.of(OUTPUTS, 3)) and made.shape == (3,)


def test_what_can_not_be() -> None:
    with pytest.raises(DataError, match=r"threshold \(1\)"):
        LabelsAnswer(CLASSES, 1)
    with pytest.raises(DataError, match=r"\(2, 1, 1\) of an answer"):
        NumbersAnswer(["a", "b"], [0], [1])
