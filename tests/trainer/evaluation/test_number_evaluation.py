"""Regression and multi-label metrics: those of scikit-learn, over ragged batches, and refusals."""

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from PIL import Image
from sklearn import metrics as sk

from trainer.errors import Failed, Refused
from trainer.evaluation import report
from trainer.evaluation.multilabel import MultiLabel
from trainer.evaluation.number_baselines import number_baselines
from trainer.evaluation.regression import Regression

CONF = Path(__file__).parents[3] / "conf/evaluation"
LABELS = SimpleNamespace(classes=("rain", "wind", "never"), num_classes=3)
NUMBERS = SimpleNamespace(targets=("a", "b"), target_mean=(5.0, -1.0), target_std=(2.0, 0.5))
RNG = np.random.default_rng(0)
MEAN = np.array([5.0, -1.0])
TRUTH, GUESS = RNG.normal(size=(40, 2)) * [2, 0.5] + MEAN, RNG.normal(size=(40, 2)) + MEAN


def standardised(values: Any) -> torch.Tensor:
    return torch.from_numpy((values - [5, -1]) / [2, 0.5]).float()


def fed(evaluation: Any, info: Any, outputs: torch.Tensor, target: torch.Tensor) -> Any:
    measured = evaluation.start(info, "cpu", keep=True)
    for part in (slice(0, 25), slice(25, 26), slice(26, 40)):
        measured.update(outputs[part], target[part], 2.0 * len(target[part]), len(target[part]))
    return measured


def regression(**options: Any) -> Any:
    return fed(Regression(**options), NUMBERS, standardised(GUESS), standardised(TRUTH))


def multilabel(**options: Any) -> tuple[Any, Any, Any]:
    outputs = torch.from_numpy(RNG.normal(size=(40, 3))).float()
    target = torch.from_numpy((RNG.random((40, 3)) < [0.5, 0.2, 0.0]).astype(np.float32))
    cut = float(np.log(options.get("threshold", 0.5) / (1 - options.get("threshold", 0.5))))
    said = (outputs > cut).numpy()
    return fed(MultiLabel(**options), LABELS, outputs, target), said, target.numpy() > 0.5


@pytest.mark.parametrize("kind", [Regression, MultiLabel])
def test_its_yaml_builds_it(kind: Any) -> None:
    path = CONF / f"{kind.problem}.yaml"
    assert path.read_text().startswith("# ")
    assert vars(instantiate(OmegaConf.load(path), _convert_="all")) == vars(kind())


def test_errors_are_those_of_scikit_learn_in_the_units_of_the_data() -> None:
    values = regression().values()
    assert [*values] == ["loss", "rmse", "mae", "r2"] and values["loss"] == 2.0
    assert values["rmse"] == pytest.approx(sk.root_mean_squared_error(TRUTH, GUESS), rel=1e-5)
    assert values["mae"] == pytest.approx(sk.mean_absolute_error(TRUTH, GUESS), rel=1e-5)
    assert values["r2"] == pytest.approx(sk.r2_score(TRUTH, GUESS), rel=1e-5)
    assert regression(select="mae/b").values()["mae/b"] == pytest.approx(
        sk.mean_absolute_error(TRUTH[:, 1], GUESS[:, 1]), rel=1e-5
    )


def test_lower_is_better_for_errors_and_higher_for_r2() -> None:
    assert Regression().better(1.0, 2.0) and Regression(select="mae/a").better(1.0, 2.0)
    assert Regression(select="r2").better(0.9, 0.5)
    assert MultiLabel(select="hamming_loss").better(0.1, 0.2) and MultiLabel().better(0.9, 0.5)


def test_targets_that_do_not_vary_have_no_r2() -> None:
    info = SimpleNamespace(targets=("a",), target_mean=(3.0,), target_std=(1.0,))
    constant = torch.full((40, 1), 0.1)
    values = fed(Regression(), info, constant + 0.5, constant).values()
    assert np.isnan(values["r2"]) and values["rmse"] == pytest.approx(0.5)


@pytest.mark.parametrize("threshold", [0.5, 0.3])
def test_label_scores_are_those_of_scikit_learn(threshold: float) -> None:
    measured, said, truth = multilabel(threshold=threshold)
    values = measured.values()
    options: Any = {"average": "macro", "zero_division": 0}
    assert values["f1"] == pytest.approx(sk.f1_score(truth, said, **options))
    assert values["precision"] == pytest.approx(sk.precision_score(truth, said, **options))
    assert values["recall"] == pytest.approx(sk.recall_score(truth, said, **options))
    assert values["micro_f1"] == pytest.approx(sk.f1_score(truth, said, average="micro"))
    assert values["exact_match"] == pytest.approx(sk.accuracy_score(truth, said))
    assert values["hamming_loss"] == pytest.approx(sk.hamming_loss(truth, said))


def test_what_they_leave_behind(tmp_path: Path) -> None:
    names = [f"x.csv:{row}" for row in range(2, 42)]
    summary = report.write(tmp_path, "test", regression(), names=names, baseline={"mean": 0.0})
    assert summary["per_target"][0]["target"] == "a" and summary["baseline"] == {"mean": 0.0}
    with (tmp_path / "evaluation/test_predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[3]["input"] == "x.csv:5" and len(rows) == 40
    assert float(rows[3]["a"]) == pytest.approx(TRUTH[3, 0], rel=1e-5)
    assert float(rows[3]["predicted_b"]) == pytest.approx(GUESS[3, 1], rel=1e-5)
    with Image.open(tmp_path / "evaluation/test_predicted_and_true.png") as image:
        image.load()
    measured, said, truth = multilabel()
    report.write(tmp_path, "validation", measured, indices=range(100, 140), names=["n"] * 140)
    with (tmp_path / "evaluation/validation_predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row, own, right in zip(rows, said, truth, strict=True):
        assert row["prediction"] == "|".join(np.array(LABELS.classes)[own])
        assert row["labels"] == "|".join(np.array(LABELS.classes)[right])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(Refused, match=r"takes \[batch, 2\] of both"):
        Regression().start(NUMBERS, "cpu").update(torch.zeros(3, 1), torch.zeros(3, 2), 0.0, 1)
    with pytest.raises(Refused, match=r"takes \[batch, 3\] of both"):
        MultiLabel().start(LABELS, "cpu").update(torch.zeros(3, 3), torch.zeros(3), 0.0, 1)
    with pytest.raises(Refused, match="there is no target 'c'"):
        regression(select="mae/c").values()
    with pytest.raises(Refused, match=r"evaluation.threshold=1"):
        MultiLabel(threshold=1)
    measured = MultiLabel().start(LABELS, "cpu")
    measured.update(torch.zeros(2, 3), torch.tensor([[0.0, 1, 0], [2, 0, 0]]), 0.0, 1)
    with pytest.raises(Failed, match="1 of 2 targets hold more than 0 and 1"):
        measured.values()
    with pytest.raises(Failed, match="no samples"):
        Regression().start(NUMBERS, "cpu").values()


def test_baselines_of_numbers() -> None:
    inputs = torch.from_numpy(RNG.normal(size=(200, 3))).float()
    targets = inputs @ torch.tensor([[1.0], [2.0], [-1.0]])
    found = number_baselines(
        [(inputs[:150], targets[:150])], [(inputs[150:], targets[150:])], seed=0
    )
    assert found["ridge"] > 0.999 and found["mean"] <= 0 < found["nearest_neighbour"] < 1
    assert (found["num_train"], found["num_test"]) == (150, 50)
