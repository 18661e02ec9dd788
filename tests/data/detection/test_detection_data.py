"""Samples with boxes: where boxes go, how they are augmented, and how they come back."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn_boxes import boxes_of, coco_folder, picture
from PIL import Image

from data.augmentation.batches import RandomAffine
from data.augmentation.joint import JointAffine
from data.detection import detection
from data.detection.answer import SIDES, BoxAnswer
from data.errors import DataError
from data.images.picture_reader import PictureReader
from data.pixels.boxes import decoded, drawn, overlaps, suppressed, to_frame
from data.pixels.placement import WAYS, Way, placement

AUGMENT = JointAffine(scale=0.2, shift=0.1, flip=True)


def around(bright: torch.Tensor) -> list[int]:
    rows, columns = bright.any(1).nonzero().flatten(), bright.any(0).nonzero().flatten()
    return [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]


@pytest.mark.parametrize("fit", WAYS)
@pytest.mark.parametrize("size", [(40, 60), (32, 32), (64, 40)])
def test_a_box_lies_where_its_image_shows_it(
    tmp_path: Path, fit: Way, size: tuple[int, int]
) -> None:
    splits = detection(coco_folder(tmp_path), size=list(size), fit=fit, validation=0, test=0)
    compared = 0
    for index in range(len(splits.train)):
        boxes = splits.train.boxes[index]
        boxes = boxes[boxes[:, 0] >= 0]
        if len(boxes) == 1 == len(boxes_of(index)):
            bright = torch.from_numpy(splits.train.raw(index)[..., 0] > 120)
            assert np.abs(np.array(around(bright)) - boxes[0, 1:].numpy()).max() <= 1
            compared += 1
    assert compared >= 2


def test_boxes_that_are_cut_away_are_dropped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = detection(coco_folder(tmp_path), size=40, fit="pad", validation=0, test=0)
    cut = detection(tmp_path, size=[40, 16], fit="crop", validation=0, test=0)
    assert sum(cut.info.class_counts) < sum(whole.info.class_counts) == 12
    assert "lie mostly outside" in caplog.text
    edges = cut.train.boxes[cut.train.boxes[..., 0] >= 0]
    assert edges[:, 1:].min() >= 0 and edges[:, 3].max() <= 16


def test_image_and_boxes_are_moved_alike(tmp_path: Path) -> None:
    splits = detection(coco_folder(tmp_path), size=[40, 60], augment=AUGMENT, validation=0, test=0)
    data, rows = splits.train, np.arange(10)
    images, boxes = data.finish(data.fetch(rows, 0, 0), rows, 0, 0)
    middle = (images.max() + images.min()) / 2
    for index in (1, 3, 5, 7):  # those of one box
        (box,) = boxes[index][boxes[index][:, 0] >= 0]
        assert np.abs(np.array(around(images[index, 0] > middle)) - box[1:].numpy()).max() <= 1
    assert not torch.equal(boxes, data.boxes)
    alone = data.finish(data.fetch(rows[3:4], 0, 0), rows[3:4], 0, 0)
    assert torch.equal(alone[0][0], images[3]) and torch.equal(alone[1][0], boxes[3])
    assert (boxes[4, :, 0] == -1).all() and (boxes[boxes[..., 0] < 0] == 0)[:, 1:].all()


def test_an_augmentation_drops_what_leaves_the_image() -> None:
    far = JointAffine(shift=1.0)
    boxes = torch.tensor([[[0.0, 2, 2, 6, 6], [-1, 0, 0, 0, 0]]]).expand(16, -1, -1)
    _, moved = far.with_boxes(torch.rand(16, 3, 32, 32), boxes, np.arange(16), 0, 0)
    gone = moved[:, 0, 0] < 0
    assert gone.any() and not gone.all() and (moved[:, 1, 0] == -1).all()
    kept = moved[~gone][:, 0, 1:]
    assert kept.min() >= 0 and kept.max() <= 32
    turned = JointAffine(rotate=180).with_boxes(
        torch.rand(4, 3, 32, 32), boxes[:4], np.arange(4), 0, 0
    )[1]
    assert (turned[:, 0, 3] - turned[:, 0, 1]).max() <= 4 * 2**0.5 + 1e-3
    with pytest.raises(DataError, match="without their boxes"):
        detection("x", augment=RandomAffine())


def test_the_reader_gives_what_the_dataset_gives(tmp_path: Path) -> None:
    splits = detection(coco_folder(tmp_path), size=32)
    reader = PictureReader(**{k: v for k, v in splits.info.reader.items() if k != "_target_"})
    samples = [reader.read(str(tmp_path / name)) for name in splits.test.names]
    rows = np.arange(len(samples))
    images, boxes = splits.test.finish(splits.test.fetch(rows, 0, 0), rows, 0, 0)
    assert (reader.batch(samples) == images.numpy()).all()
    assert torch.equal(splits.test[0][0], images[0]) and torch.equal(splits.test[0][1], boxes[0])
    read = detection(tmp_path, size=32, cache=False)
    assert read.info == splits.info and read.test.resident_bytes is None
    assert torch.equal(read.test.fetch(rows, 0, 0)[0], splits.test.fetch(rows, 0, 0)[0])


def test_other_data_is_seen_as_a_model_knows_it(tmp_path: Path) -> None:
    splits = detection(coco_folder(tmp_path), size=32)
    info = detection(tmp_path, size=32, classes=["small", "large"]).info
    seen = splits.train.seen_as(info, splits.info.classes)
    before, after = splits.train.boxes[..., 0], seen.boxes[..., 0]
    assert torch.equal(after[before >= 0], 1 - before[before >= 0])
    assert (after[before < 0] == -1).all()
    known = detection(tmp_path, size=40, classes=["small"]).info
    with pytest.raises(DataError) as error:
        splits.train.seen_as(known, splits.info.classes)
    assert "data.size" in str(error.value) and "'large'" in str(error.value)


def test_samples_can_be_looked_at(tmp_path: Path) -> None:
    data = detection(coco_folder(tmp_path), size=[40, 60], augment=AUGMENT).train
    index = next(i for i in range(len(data)) if (data.boxes[i, :, 0] >= 0).any())
    assert (data.picture(index) != data.raw(index)).any()
    rows = np.arange(3)
    shown = data.drawn(data.finish(data.fetch(rows, 0, 0), rows, 0, 0))
    assert [image.shape for image in shown] == [(40, 60, 3)] * 3
    edge = drawn(picture([]), np.array([[-3, -3, 90, 90]], dtype=np.float32), [0])
    assert (edge[0] == edge[-1]).all() and (edge[0, 0] != edge[5, 5]).any()


def output(boxes: list[tuple[int, float, float, float, float]], classes: int = 2) -> Any:
    """What a perfect detector says of boxes in 32 x 32 pixels, on a grid of 8 x 8."""
    found = np.full((classes + 4, 8, 8), -9, dtype=np.float32)
    for label, x1, y1, x2, y2 in boxes:
        column, row = int((x1 + x2) / 8), int((y1 + y2) / 8)
        x, y = 4 * column + 2, 4 * row + 2
        found[label, row, column] = 3
        found[-4:, row, column] = np.log(np.array([x - x1, y - y1, x2 - x, y2 - y]) / 4)
    return found


def test_an_answer_gives_boxes() -> None:
    answer = BoxAnswer(["cat", "dog"], 32, 32, "pad")
    boxes = [(0, 1.0, 2.0, 12.0, 9.0), (1, 14.0, 13.0, 31.0, 30.0)]
    broken = output([])
    broken[0, 0, 0] = np.inf
    first, nothing, odd = answer.of(np.stack([output(boxes), output([]), broken]), 5)
    assert first["count"] == 2 and nothing == {"boxes": [], "count": 0} and odd == {}
    assert first["boxes"][1] == {
        "label": "dog",
        "score": pytest.approx(1 / (1 + np.exp(-3))),
        "x1": 14.0,
        "y1": 13.0,
        "x2": 31.0,
        "y2": 30.0,
    }
    with pytest.raises(DataError, match=r"threshold(.|\n)*fit"):
        BoxAnswer(["cat"], 32, 32, "fill", threshold=1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fit", "seen", "wanted"),
    [
        # 64 x 48 pixels in 32 x 32: by a half, with 4 rows added above and below.
        ("pad", (5.0, 9.0, 15.0, 19.0), (10.0, 10.0, 30.0, 30.0)),
        ("pad", (0.0, 2.0, 32.0, 30.0), (0.0, 0.0, 64.0, 48.0)),
        ("pad", (4.0, 0.0, 12.0, 3.5), None),
        # by two thirds: 43 x 32, of which 5 columns are cut away on the left.
        ("crop", (0.0, 8.0, 16.0, 24.0), (7.44, 12.0, 31.26, 36.0)),
        ("stretch", (5.0, 8.0, 15.0, 20.0), (10.0, 12.0, 30.0, 30.0)),
    ],
)
def test_boxes_come_back_in_pixels_of_the_file(
    tmp_path: Path, fit: Way, seen: tuple[float, ...], wanted: tuple[float, ...] | None
) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    info = detection(coco_folder(tmp_path / "data"), size=32, fit=fit).info
    reader = PictureReader(**{k: v for k, v in info.reader.items() if k != "_target_"})
    node = {k: v for k, v in info.answer.items() if k != "_target_"}
    answer = BoxAnswer(**node)
    assert {"_target_": info.answer["_target_"], **node} == answer.node
    size = reader.size(str(tmp_path / "a.png"))
    assert size == reader.size((tmp_path / "a.png").read_bytes()) == (64, 48)
    box = {"label": "small", "score": 0.5, **dict(zip(SIDES, seen, strict=True))}
    found = answer.placed({"boxes": [box], "count": 1}, *size)
    whole = [] if wanted is None else [{**box, **dict(zip(SIDES, wanted, strict=True))}]
    assert found == {"boxes": whole, "count": len(whole)}


def test_a_box_goes_to_the_model_and_back() -> None:
    for fit in WAYS:
        for columns, rows in ((64, 48), (33, 100), (7, 5)):
            where = placement(columns, rows, height=40, width=32, fit=fit)
            truth = np.array([[0.3, 0.4, 0.6, 0.7]]) * [columns, rows, columns, rows]
            moved = to_frame(truth.astype(np.float32), where)[0].tolist()
            box = {"label": "cat", "score": 1.0, **dict(zip(SIDES, moved, strict=True))}
            answer = BoxAnswer(["cat"], 40, 32, fit).placed(
                {"boxes": [box], "count": 1}, columns, rows
            )
            back = to_frame(np.array([[answer["boxes"][0][s] for s in SIDES]], np.float32), where)
            assert back[0] == pytest.approx(moved, abs=0.1)


def test_boxes_that_are_one_are_given_once() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [1, 0, 11, 10], [20, 0, 30, 10]], np.float32)
    assert overlaps(boxes, boxes)[0].tolist() == pytest.approx([1, 9 / 11, 9 / 11, 0])
    assert suppressed(boxes, np.array([0, 0, 1, 0])).tolist() == [0, 2, 3]
    peak = output([(0, 1.0, 2.0, 12.0, 9.0)])
    peak[0, 1, 0] = 2.9  # beside the peak
    found = decoded(peak, height=32, width=32, least=0.1)
    assert found.labels.tolist() == [0]


def test_answers_need_no_torch() -> None:
    code = "import sys; from data.detection import detection, look_detection; "
    code += "from data.detection.answer import BoxAnswer; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
