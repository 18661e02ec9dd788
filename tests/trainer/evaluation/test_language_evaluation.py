"""Language and Translation: against hand-made numbers, exact over ragged batches."""

import csv
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from models.text_losses import TokenCrossEntropy
from trainer.errors import Failed, Refused
from trainer.evaluation.language import Language, perplexity
from trainer.evaluation.translation import Translation

INFO = SimpleNamespace(num_outputs=7)
LOSS = TokenCrossEntropy()


def data() -> tuple[Tensor, Tensor]:
    outputs, target = torch.randn(9, 5, 7), torch.randint(0, 7, (9, 5))
    target[3:, 2:] = -100
    target[8] = -100
    return outputs, target


@pytest.mark.parametrize("sizes", [(9,), (4, 5), (1, 8)])
def test_values_are_those_of_all_tokens_at_once(sizes: tuple[int, ...]) -> None:
    outputs, target = data()
    measured = Language().start(INFO, "cpu")
    for part, truth in zip(outputs.split(sizes), target.split(sizes), strict=True):
        measured.update(part, truth, *LOSS(part, truth))
    counted = target != -100
    likelihood = functional.cross_entropy(outputs[counted].double(), target[counted])
    right = (outputs.argmax(-1) == target)[counted].double().mean()
    values = measured.values()
    assert list(values) == ["loss", "perplexity", "token_accuracy"]
    assert values["loss"] == pytest.approx(float(likelihood), abs=1e-6)
    assert values["perplexity"] == pytest.approx(math.exp(likelihood), rel=1e-6)
    assert values["token_accuracy"] == pytest.approx(float(right))
    assert measured.num_samples == 9


def test_perplexity_is_of_the_likelihood_whatever_the_loss() -> None:
    outputs, target = data()
    plain, smoothed = Language().start(INFO, "cpu"), Language().start(INFO, "cpu")
    plain.update(outputs, target, *LOSS(outputs, target))
    smoothed.update(outputs, target, *TokenCrossEntropy(label_smoothing=0.3)(outputs, target))
    assert plain.values()["perplexity"] == smoothed.values()["perplexity"]
    assert plain.values()["loss"] != smoothed.values()["loss"]
    assert perplexity(10_000.0) == math.inf


def test_exact_matches_are_what_greedy_decoding_gets_right() -> None:
    target = torch.tensor([[1, 2, 3], [4, 3, -100], [5, 3, -100], [-100, -100, -100]])
    outputs = functional.one_hot(target.clamp(0), 7).float() * 3
    outputs[2, 1] = 0  # the token 0 is the likeliest, and 3 is true
    measured = Translation().start(INFO, "cpu")
    measured.update(outputs, target, *LOSS(outputs, target))
    values = measured.values()
    assert values["exact_match"] == 3 / 4 and values["token_accuracy"] == 6 / 7
    assert "exact_match" in measured.shown


def test_what_is_chosen_by_and_which_way() -> None:
    assert Language().direction == "min" and Language(select="token_accuracy").direction == "max"
    assert Translation(select="exact_match").direction == "max"
    assert "exact_match" in Translation().names() and "exact_match" not in Language().names()
    with pytest.raises(Refused, match="taken"):
        Translation(metrics={"exact_match": lambda outputs, target: (0.0, 1)})


def test_a_metric_of_ones_own_is_measured_too() -> None:
    outputs, target = data()

    def lengths(outputs: Tensor, target: Tensor) -> tuple[Tensor, int]:
        return target.ne(-100).sum(), len(target)

    measured = Language(metrics={"length": lengths}).start(INFO, "cpu")
    measured.update(outputs, target, *LOSS(outputs, target))
    assert measured.values()["length"] == pytest.approx(int((target != -100).sum()) / 9)


def test_the_report_has_a_row_for_each_sample(tmp_path: Path) -> None:
    outputs, target = data()
    measured = Language().start(INFO, "cpu", keep=True)
    measured.update(outputs, target, *LOSS(outputs, target))
    names = [f"=book.txt@{n}" for n in range(9)]
    order = [8, 7, 6, 5, 4, 3, 2, 1, 0]
    found = measured.report(tmp_path, "test", indices=order, names=names)
    with (tmp_path / "test_predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert found == {"tokens": int((target != -100).sum())}
    assert [row["index"] for row in rows] == [str(n) for n in range(9)]
    assert rows[8]["input"] == "'=book.txt@8" and rows[8]["tokens"] == "5"
    own = functional.cross_entropy(outputs[0], target[0])
    assert float(rows[8]["perplexity"]) == pytest.approx(math.exp(own), rel=1e-4)
    assert rows[0]["tokens"] == "0" and rows[0]["perplexity"] == ""
    assert measured.figure("test") is None


def test_what_does_not_fit_is_told() -> None:
    outputs, target = data()
    measured = Language().start(INFO, "cpu")
    for wrong in (
        (outputs[..., :5], target),
        (outputs[:, 0], target),
        (outputs, target.float()),
        (outputs, target[:, :3]),
    ):
        with pytest.raises(Refused, match="evaluation=language takes logits"):
            measured.update(*wrong, 0.0, 1.0)
    with pytest.raises(Failed, match="nothing was evaluated"):
        measured.values()
    target[0, 0] = 9
    measured.update(outputs, target, 0.0, 1.0)
    with pytest.raises(Failed, match=r"1 of \d+ targets are no token"):
        measured.values()
