"""Overlap of masks is scikit-learn's; what is written is there."""

import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import jaccard_score

from trainer.errors import Failed, Refused
from trainer.evaluation.pixel_counts import PixelCounts
from trainer.evaluation.report import write
from trainer.evaluation.segmentation import METRICS, Segmentation
from trainer.evaluation.segmentation_figures import examples

CLASSES = ("ground", "square", "disc", "never")
INFO = SimpleNamespace(classes=CLASSES)


def batches(count: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and masks of three classes of four; some pixels, and one whole image, are ignored."""
    torch.manual_seed(0)
    target = torch.randint(0, 3, (count, 9, 11))
    logits = torch.randn(count, 4, 9, 11)
    logits[:, 3] = -9
    logits.scatter_add_(1, target[:, None], torch.full((count, 1, 9, 11), 1.0))
    target[torch.rand(target.shape) < 0.2] = -100
    target[2] = -100
    return logits, target


def counted(*, keep: bool = True, select: str = "mean_iou") -> PixelCounts:
    logits, target = batches()
    counts = Segmentation(select=select).start(INFO, "cpu", keep=keep)
    for cut in (slice(0, 3), slice(3, 7)):
        counts.update(logits[cut], target[cut], torch.tensor(2.0), 4.0)
    return counts


def test_overlap_is_that_of_scikit_learn() -> None:
    logits, target = batches()
    seen = target != -100
    true, guess = target[seen].numpy(), logits.argmax(1)[seen].numpy()
    values = counted(select="iou/disc").values()
    assert list(values) == ["loss", "mean_iou", "pixel_accuracy", "iou/disc"]
    assert values["loss"] == 0.5
    assert values["mean_iou"] == pytest.approx(jaccard_score(true, guess, average="macro"))
    assert values["pixel_accuracy"] == pytest.approx((true == guess).mean())
    each = jaccard_score(true, guess, average=None)
    rows = counted().per_class()
    assert [row["iou"] for row in rows[:3]] == pytest.approx(each.tolist())
    assert values["iou/disc"] == pytest.approx(each[2]) and np.isnan(rows[3]["iou"])
    assert sum(row["support"] for row in rows) == seen.sum()


def test_each_image_has_its_own_overlap(tmp_path: Path) -> None:
    logits, target = batches()
    asked: list[int] = []

    def picture(index: int) -> NDArray[np.uint8]:
        asked.append(index)
        return np.zeros((9, 11, 3), dtype=np.uint8)

    names = [f"{index}.png" for index in range(7)]
    order = [6, 5, 4, 3, 2, 1, 0]
    found = write(tmp_path, "test", counted(), indices=order, names=names, picture=picture)
    place = tmp_path / "evaluation"
    rows = list(csv.DictReader((place / "test_predictions.csv").read_text().splitlines()))
    assert [row["input"] for row in rows] == names
    overlaps = []
    for position in range(7):
        seen = target[position] != -100
        true, guess = target[position][seen].numpy(), logits.argmax(1)[position][seen].numpy()
        overlaps.append(jaccard_score(true, guess, average="macro") if seen.any() else 9.0)
        if seen.any():
            assert float(rows[6 - position]["mean_iou"]) == pytest.approx(overlaps[-1], abs=1e-6)
    assert asked == [6 - position for position in np.argsort(overlaps)[:6].tolist()]
    for name in ("test_examples.png", "test_per_class.png"):
        with Image.open(place / name) as image:
            assert min(image.size) > 100
    assert found["num_samples"] == 7 and found["classes"] == list(CLASSES)
    assert found["per_class"][3]["iou"] is None and len(found["confusion_matrix"]) == 4


def test_nothing_is_kept_unless_asked(tmp_path: Path) -> None:
    write(tmp_path, "validation", counted(keep=False))
    assert not (tmp_path / "evaluation/validation_predictions.csv").exists()
    assert (tmp_path / "evaluation/validation.json").is_file()
    assert counted(keep=False).figure("validation") is not None


@pytest.mark.parametrize(
    ("outputs", "target", "told"),
    [
        (torch.zeros(2, 4), torch.zeros(2, dtype=torch.int64), "takes logits"),
        (torch.zeros(2, 3, 5, 5), torch.zeros(2, 5, 5, dtype=torch.int64), "info.num_outputs"),
        (torch.zeros(2, 4, 5, 5), torch.zeros(2, 5, 5), "int64 class numbers"),
        (torch.zeros(2, 4, 5, 5), torch.zeros(2, 4, 5, dtype=torch.int64), "same height and width"),
    ],
)
def test_what_is_no_segmentation_is_refused(
    outputs: torch.Tensor, target: torch.Tensor, told: str
) -> None:
    with pytest.raises(Refused, match=told):
        Segmentation().start(INFO, "cpu").update(outputs, target, 0.0, 1.0)


def test_targets_of_no_class_are_told() -> None:
    counts = Segmentation().start(INFO, "cpu")
    counts.update(torch.zeros(1, 4, 2, 2), torch.tensor([[[0, 4], [-1, -100]]]), 0.0, 1.0)
    with pytest.raises(Failed, match="2 pixels of targets are no class"):
        counts.values()
    empty = Segmentation().start(INFO, "cpu")
    empty.update(torch.zeros(1, 4, 2, 2), torch.full((1, 2, 2), -100), 0.0, 0.0)
    with pytest.raises(Failed, match="no labelled pixel"):
        empty.values()


def test_what_may_be_selected() -> None:
    evaluation = Segmentation()
    assert evaluation.names(INFO) == (*METRICS, *(f"iou/{name}" for name in CLASSES))
    assert evaluation.direction == "max" and Segmentation(select="loss").direction == "min"
    with pytest.raises(Refused, match="examples"):
        Segmentation(examples=-1)


def test_a_metric_of_ones_own_stands_beside_the_others() -> None:
    """The share of pixels guessed as disc, whatever they are, over two batches of unlike size."""
    logits, target = batches()
    share = {"discs": lambda o, t: ((o.argmax(1) == 2).sum(), t.numel())}
    evaluation = Segmentation(select="discs", metrics=share)
    counts = evaluation.start(INFO, "cpu")
    for cut in (slice(0, 3), slice(3, 7)):
        counts.update(logits[cut], target[cut], 0.0, 1.0)
    expected = (logits.argmax(1) == 2).float().mean().item()
    assert counts.values()["discs"] == pytest.approx(expected)
    assert "discs" in evaluation.names(INFO)
    with pytest.raises(Refused, match="taken"):
        Segmentation(metrics={"mean_iou": share["discs"]})


def test_a_guess_where_nothing_counts_is_not_drawn() -> None:
    truth = np.full((1, 4, 4), 255, dtype=np.uint8)
    truth[0, 1:3] = 0
    guess = np.ones((1, 4, 4), dtype=np.uint8)
    picture = np.zeros((4, 4, 3), dtype=np.uint8)
    made = examples([picture], truth, guess, ["a.png"], ["ground", "cat"], "test")
    drawn = np.asarray(made.axes[2].get_images()[0].get_array())
    assert (drawn[[0, 3]] == 255).all() and not (drawn[1:3] == 255).all(axis=-1).any()
