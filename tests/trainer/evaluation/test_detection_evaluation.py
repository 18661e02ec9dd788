"""Average precision by hand and by its invariants; boxes are those that predict gives."""

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from data.pixels import boxes as plain
from trainer.errors import Failed, Refused
from trainer.evaluation import average_precision as ap
from trainer.evaluation.detection import METRICS, Detection
from trainer.evaluation.found_boxes import FoundBoxes, decoded, suppressed
from trainer.evaluation.report import write

INFO = SimpleNamespace(classes=("cat", "dog", "cow"), height=32, width=32)


def box(x: float, y: float, side: float = 10) -> list[float]:
    return [x, y, x + side, y + side]


def of(*rows: list[float]) -> NDArray[np.float64]:
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def test_average_precision_by_hand() -> None:
    """Five found, four true; right, wrong, right, right, wrong; one is missed."""
    true = of(box(0, 0), box(20, 0), box(40, 0), box(60, 0))
    found = of(box(0, 0), box(0, 50), box(20, 1), box(40, 0), box(40, 0))
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    matches = ap.collected([(scores, found, true)])
    assert matches.right[0].tolist() == [True, False, True, True, False]
    # Precision 1 up to a recall of 1/4, 3/4 up to 3/4, 0 beyond: 26 + 50 levels of 101.
    assert ap.average_precision(matches)[0] == pytest.approx((26 * 1 + 50 * 0.75) / 101)
    # The third overlaps by 90 of 110: right up to IoU 0.8.
    assert matches.right[:, 2].tolist() == [True] * 7 + [False] * 3
    # Beyond, precision is 1 at 1/4, and 2/4 at 2/4.
    assert ap.average_precision(matches)[7] == pytest.approx((26 * 1 + 25 * 0.5) / 101)
    best = ap.best_f1([matches])
    assert (best.threshold, best.precision, best.recall) == (0.6, 0.75, 0.75)


def test_a_true_box_is_found_once_and_the_likeliest_takes_it() -> None:
    true = of(box(0, 0), box(4, 0))
    found = of(box(3, 0), box(0, 0), box(0, 0))
    right = ap.matched(found, true)
    assert right[0].tolist() == [True, True, False]
    assert ap.matched(found[:0], true).shape == (10, 0)
    assert not ap.matched(found, true[:0]).any()


def test_images_are_matched_by_themselves() -> None:
    here = (np.array([0.5]), of(box(0, 0)), of())
    one = ap.collected([here, (np.zeros(0), of(), of(box(0, 0)))])
    assert not one.right.any() and one.num_true == 1
    assert ap.average_precision(one)[0] == 0
    assert np.isnan(ap.average_precision(ap.collected([here]))).all()


@settings(max_examples=15)
@given(st.integers(0, 2**31), st.integers(1, 8), st.integers(0, 12))
def test_average_precision_keeps_its_promises(seed: int, num_true: int, num_found: int) -> None:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 20, (num_true + num_found, 2))
    every = np.concatenate([corners, corners + rng.uniform(2, 12, corners.shape)], axis=1)
    true, found = every[:num_true], every[num_true:]
    scores: NDArray[np.float64] = rng.uniform(size=num_found)
    levels = ap.average_precision(ap.collected([(scores, found, true)]))
    assert (levels >= 0).all() and (levels <= 1).all() and (np.diff(levels) <= 1e-12).all()
    # Order and scale of scores mean nothing; the truth is perfect; more nonsense never helps.
    turn = rng.permutation(num_found)
    again = ap.average_precision(ap.collected([(scores[turn] / 2, found[turn], true)]))
    assert again == pytest.approx(levels)
    perfect = ap.collected([(np.linspace(0.1, 1, num_true), true, true)])
    assert ap.average_precision(perfect) == pytest.approx(np.ones(10))
    far = np.concatenate([found, of(box(500, 500))])
    worse = ap.average_precision(ap.collected([(np.append(scores, 2.0), far, true)]))
    assert (worse <= levels + 1e-12).all()
    other = ap.collected([(scores, found, true), (np.zeros(0), of(), of())])
    assert ap.average_precision(other) == pytest.approx(levels)


def test_what_is_judged_is_what_is_answered() -> None:
    torch.manual_seed(0)
    outputs = torch.randn(6, 7, 8, 8)
    outputs[:, :3] *= 3
    ours = decoded(outputs, 32, 32).numpy()
    for image, output in zip(ours, outputs.numpy(), strict=True):
        mine = suppressed(image)
        theirs = plain.decoded(output, height=32, width=32, least=0.0)
        assert mine[:, 0].tolist() == theirs.labels.tolist()
        assert mine[:, 1] == pytest.approx(theirs.scores, rel=1e-5)
        assert mine[:, 2:] == pytest.approx(theirs.boxes, rel=1e-4, abs=1e-4)
        assert len(mine) > 5


def output(boxes: list[tuple[int, float, float, float, float]], logit: float = 3) -> torch.Tensor:
    """What a perfect detector says of boxes in 32 x 32 pixels, on a grid of 8 x 8."""
    found = torch.full((7, 8, 8), -9.0)
    for label, x1, y1, x2, y2 in boxes:
        column, row = int((x1 + x2) / 8), int((y1 + y2) / 8)
        x, y = 4 * column + 2, 4 * row + 2
        found[label, row, column] = logit
        found[-4:, row, column] = torch.tensor([x - x1, y - y1, x2 - x, y2 - y]).div(4).log()
    return found


def target(boxes: list[tuple[int, float, float, float, float]]) -> torch.Tensor:
    filled = torch.zeros(3, 5)
    filled[:, 0] = -1
    for place, row in enumerate(boxes):
        filled[place] = torch.tensor(row)
    return filled


def found(select: str = "map50") -> FoundBoxes:
    """Three images: all right; one of two missed; one invented where there is none."""
    one, two = (0, 1.0, 2.0, 12.0, 9.0), (1, 14.0, 13.0, 31.0, 30.0)
    measured = Detection(select=select).start(INFO, "cpu")
    measured.update(output([one, two])[None], target([one, two])[None], torch.tensor(3.0), 1.0)
    rest = torch.stack([output([one]), output([one], logit=1.0)])
    measured.update(rest, torch.stack([target([one, two]), target([])]), 3.0, 2.0)
    return measured


def test_values_of_an_evaluation() -> None:
    values = found("ap50/dog").values()
    assert list(values) == [*METRICS, "ap50/dog"]
    assert values["loss"] == 2
    # Both cats come before the invented one; of two dogs one is found: 51 of 101 levels.
    assert values["map50"] == pytest.approx((1 + 51 / 101) / 2)
    assert values["ap50/dog"] == pytest.approx(51 / 101) and values["map"] <= values["map50"]
    assert (values["precision"], values["recall"]) == (1.0, 0.75)
    rows = found().per_class()
    assert np.isnan(rows[2]["ap50"]) and [row["support"] for row in rows] == [2, 2, 0]


def test_a_metric_of_ones_own_stands_beside_the_others() -> None:
    evaluation = Detection(
        select="mine", metrics={"mine": lambda o, t: ((t[..., 0] >= 0).sum(), len(o))}
    )
    measured = evaluation.start(INFO, "cpu")
    one = (0, 1.0, 2.0, 12.0, 9.0)
    measured.update(output([one])[None], target([one, one])[None], 0.0, 1.0)
    pair = torch.stack([target([one]), target([])])
    measured.update(torch.stack([output([one]), output([])]), pair, 0.0, 2.0)
    assert measured.values()["mine"] == 1.0 and "mine" in evaluation.names(INFO)
    for name in ("map", "threshold"):  # the report has them
        with pytest.raises(Refused, match="taken"):
            Detection(metrics={name: lambda o, t: (0, 1)})


def test_what_is_written(tmp_path: Path) -> None:
    asked: list[int] = []

    def picture(index: int) -> Any:
        asked.append(index)
        return np.zeros((32, 32, 3), dtype=np.uint8)

    told = write(
        tmp_path, "test", found(), indices=[2, 0, 1], names=["a.png", "b.png", "c.png"],
        picture=picture,
    )  # fmt: skip
    place = tmp_path / "evaluation"
    rows = list(csv.DictReader((place / "test_predictions.csv").read_text().splitlines()))
    assert [list(row.values()) for row in rows] == [
        ["0", "a.png", "2", "1", "1"],
        ["1", "b.png", "0", "0", "0"],
        ["2", "c.png", "2", "2", "2"],
    ]
    assert asked[0] == 0 and told["threshold"] == pytest.approx(torch.tensor(3.0).sigmoid().item())
    for name in ("test_examples.png", "test_per_class.png"):
        with Image.open(place / name) as image:
            assert min(image.size) > 100
    assert told["num_samples"] == 3 and told["per_class"][2]["ap"] is None
    asked.clear()
    write(tmp_path, "validation", found())
    assert not asked


def test_outputs_that_are_not_finite_find_nothing() -> None:
    one = (0, 1.0, 2.0, 12.0, 9.0)
    measured = Detection().start(INFO, "cpu")
    measured.update(torch.full((1, 7, 8, 8), torch.nan), target([one])[None], torch.nan, 1.0)
    values = measured.values()
    assert values["map50"] == 0 and values["f1"] == 0 and np.isnan(values["loss"])
    nothing = Detection().start(INFO, "cpu")
    nothing.update(output([])[None], target([])[None], 0.0, 1.0)
    assert np.isnan(nothing.values()["map50"])


def test_what_is_no_detection_is_refused() -> None:
    measured = Detection().start(INFO, "cpu")
    with pytest.raises(Refused, match=r"info\.num_outputs"):
        measured.update(torch.zeros(2, 6, 8, 8), torch.zeros(2, 3, 5), 0.0, 1.0)
    with pytest.raises(Refused, match="takes boxes"):
        measured.update(torch.zeros(2, 7, 8, 8), torch.zeros(2, 3), 0.0, 1.0)
    with pytest.raises(Failed, match="nothing was evaluated"):
        measured.values()
    with pytest.raises(Refused, match="no class 'owl'"):
        found("ap50/owl").values()
    assert Detection().names(INFO)[-1] == "ap50/cow"
