"""COCO's JSON and YOLO's text files, and all that can be wrong with them."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_boxes import boxes_of, coco, coco_folder, picture, save, yolo_folder

from data.detection import detection, look_detection
from data.detection.formats import coco_files
from data.errors import DataError


def boxes(path: Path, **options: Any) -> dict[str, list[list[float]]]:
    """The boxes of each image, at its own size, by the name of the file."""
    splits = detection(path, size=[40, 60], **options)
    found = {}
    for split in filter(None, (splits.train, splits.validation, splits.test)):
        for name, rows in zip(split.names, split.boxes.numpy(), strict=True):
            found[Path(name).name] = rows[rows[:, 0] >= 0].round(3).tolist()
    return found


def expected(first: int = 0, second: int = 1) -> dict[str, list[list[float]]]:
    return {
        f"{number:02}.png": [
            [second if place else first, x, y, x + width, y + height]
            for place, (x, y, width, height) in enumerate(boxes_of(number))
        ]
        for number in range(10)
    }


def test_coco_is_read(tmp_path: Path) -> None:
    assert boxes(coco_folder(tmp_path)) == expected()
    info = detection(tmp_path).info
    # In the order of their ids, not of the file.
    assert info.classes == ("large", "small")
    assert info.max_boxes == 2 and info.num_outputs == 6 and info.problem == "detection"
    assert info.class_counts[0] > 0 and "COCO JSON" in info.about
    assert boxes(tmp_path / "annotations.json") == expected()
    assert boxes(tmp_path, classes=["small", "large"]) == expected(1, 0)


def test_boxes_of_other_classes_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = boxes(coco_folder(tmp_path), classes=["small"])
    assert [len(rows) for rows in found.values()].count(1) == 4
    assert "8 boxes of classes that data.classes doesn't name" in caplog.text
    with pytest.raises(DataError, match="'big' in data"):
        detection(tmp_path, classes=["big"])


@pytest.mark.parametrize("style", ["roboflow", "coco"])
def test_a_json_for_each_split(tmp_path: Path, style: str) -> None:
    for split, name in (("train", "train2017"), ("val", "val2017"), ("test", "test2017")):
        images = tmp_path / (split if style == "roboflow" else name)
        for number in range(10):
            save(images / f"{number:02}.png", picture(boxes_of(number), number))
        file = (
            images / "_annotations.coco.json"
            if style == "roboflow"
            else tmp_path / f"annotations/instances_{name}.json"
        )
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(coco()))
    if style == "coco":
        (tmp_path / "annotations/captions_train2017.json").write_text(json.dumps(coco()))
    info = detection(tmp_path).info
    assert (info.num_train, info.num_validation, info.num_test) == (10, 10, 10)
    assert look_detection(tmp_path, {}).certainty > 0.9


@pytest.mark.parametrize("name", ["my train data", "test"])
def test_the_name_of_the_whole_folder_is_no_split(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    for part in ("first", "second"):
        (folder / "annotations").mkdir(parents=True, exist_ok=True)
        (folder / f"annotations/{part}.json").write_text(json.dumps(coco()))
    assert [split for split, _ in coco_files(folder)] == ["", ""]
    (folder / "annotations/second.json").rename(folder / "annotations/second_train.json")
    assert [split for split, _ in coco_files(folder)] == ["train"]


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("images", "labels"),
        ("train/images", "train/labels"),
        ("images/train", "labels/train"),
        ("obj_data", "obj_data"),
        (".", "."),
    ],
)
def test_yolo_is_read(tmp_path: Path, images: str, labels: str) -> None:
    assert boxes(yolo_folder(tmp_path, images, labels)) == expected()
    assert detection(tmp_path).info.classes == ("large", "small")
    assert "YOLO" in look_detection(tmp_path, {}).about[0]


def test_captions_are_no_boxes(tmp_path: Path) -> None:
    save(tmp_path / "a.png", picture([]))
    (tmp_path / "a.txt").write_text("a dark picture\n")
    assert look_detection(tmp_path, {}).certainty == 0


def test_yolo_names(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    yolo_folder(tmp_path)
    (tmp_path / "data.yaml").write_text("names: {0: big, 1: tiny}\n")
    assert detection(tmp_path).info.classes == ("big", "tiny")
    (tmp_path / "data.yaml").unlink()
    (tmp_path / "classes.txt").write_text("a\nb\n")
    assert detection(tmp_path).info.classes == ("a", "b")
    (tmp_path / "classes.txt").unlink()
    assert detection(tmp_path).info.classes == ("0", "1")
    assert "classes have numbers for names" in caplog.text
    assert "2 images have no text file" in caplog.text


def test_a_polygon_is_the_box_around_it(tmp_path: Path) -> None:
    yolo_folder(tmp_path)
    (tmp_path / "labels/00.txt").write_text("1 0.1 0.2 0.5 0.3 0.3 0.9\n\n")
    assert boxes(tmp_path)["00.png"] == [[1, 6, 8, 30, 36]]


def test_yolo_faults_are_told_at_once(tmp_path: Path) -> None:
    yolo_folder(tmp_path)
    (tmp_path / "labels/00.txt").write_text("0 0.5 0.5\n0 a b c d\n5 0.5 0.5 0.1 0.1\n")
    (tmp_path / "labels/01.txt").write_text("0 0.5 0.5 0 0.1\n0 0.9 0.5 0.5 0.1\n0.5 0 0 1 1\n")
    with pytest.raises(DataError, match="6 problems") as error:
        detection(tmp_path)
    told = "\n".join(error.value.problems)
    assert "00.txt, line 1: '0 0.5 0.5' isn't class" in told and "line 3: class 5 is none" in told
    assert "01.txt, line 1: box" in told and "no area" in told and "reaches out" in told


def broken() -> dict[str, Any]:
    content = coco()
    rows = content["annotations"]
    rows[0]["bbox"] = [50, 6, 16, 12]
    rows[1]["bbox"] = [5, 6, 0, 12]
    rows[2]["category_id"] = 4
    rows[3]["image_id"] = 99
    rows[4]["id"] = 1
    rows[5]["bbox"] = [1, 2, 3]
    return content


def test_coco_faults_are_told_at_once(tmp_path: Path) -> None:
    coco_folder(tmp_path, broken())
    (tmp_path / "images/09.png").unlink()
    with pytest.raises(DataError, match="7 problems") as error:
        detection(tmp_path)
    told = "\n".join(error.value.problems)
    for text in (
        "annotation 1 (images/00.png): box 50, 6, 66, 18 (x1, y1, x2, y2) reaches out of its "
        "image, 60 x 40 pixels",
        "box 5, 6, 5, 18 (x1, y1, x2, y2) has no area",
        "category_id 4 is no category; there are 7, 3",
        "image_id 99 is of no image",
        "this id comes more than once",
        "bbox [1, 2, 3] isn't [x, y, width, height]",
        "09.png is missing",
    ):
        assert text in told
    assert str(error.value).count("annotations.json") == 5 and "and 2 more" in str(error.value)


def test_faults_can_be_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    coco_folder(tmp_path, broken())
    (tmp_path / "images/09.png").write_text("no image")
    splits = detection(tmp_path, on_error="skip", max_bad=6)
    assert "6 boxes are left out" in caplog.text
    assert [bad.name for bad in splits.bad] == ["images/09.png"]
    assert sum(map(len, filter(None, (splits.train, splits.validation, splits.test)))) == 9
    with pytest.raises(DataError, match="6 boxes can't be read, more than"):
        detection(tmp_path, on_error="skip", max_bad=5)


def test_crowds_and_rounding(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = coco()
    content["annotations"][0] |= {"iscrowd": 1, "bbox": [0, 0, 999, 9]}
    content["annotations"][1]["bbox"] = [59.5, 39.5, 1.2, 1.2]
    found = boxes(coco_folder(tmp_path, content))
    assert "1 annotations with iscrowd=1 are left out" in caplog.text
    assert found["00.png"] == [[1, 59.5, 39.5, 60, 40]]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda c: c.pop("categories"), "no list of categories"),
        (lambda c: c["categories"].append({"id": 3, "name": "x"}), "the same id"),
        (lambda c: c["categories"].append({"id": 9, "name": "large"}), "the same name"),
        (lambda c: c["categories"].append({"name": "x"}), "need an id and a name"),
        (lambda c: c["images"].append(c["images"][0]), "image id 1 comes more than once"),
        (lambda c: c["images"].append({**c["images"][0], "id": 77}), "listed more than once"),
        (lambda c: c["images"][0].update(width=80), "said to be 80 x 40 pixels and is 60 x 40"),
        (lambda c: c["images"][0].pop("file_name"), "no file_name"),
        (lambda c: c["annotations"].clear(), "no training image has a box"),
        (lambda c: c["images"].clear() or c["annotations"].clear(), "no image"),
    ],
)
def test_what_a_json_cannot_be(tmp_path: Path, change: Any, told: str) -> None:
    content = coco()
    change(content)
    with pytest.raises(DataError, match=told):
        detection(coco_folder(tmp_path, content))


def test_no_data(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.path is needed"):
        detection(None)
    with pytest.raises(DataError, match="does not exist"):
        detection(tmp_path / "nothing")
    with pytest.raises(DataError, match="no COCO JSON"):
        detection(tmp_path)
    coco_folder(tmp_path)
    (tmp_path / "annotations.json").write_text('{"images": [], "annotations": [,')
    with pytest.raises(DataError, match=r"is no JSON: .* in line 1, column"):
        detection(tmp_path)
    shutil.copy(coco_folder(tmp_path) / "annotations.json", tmp_path / "more.json")
    with pytest.raises(DataError, match="2 JSON files"):
        detection(tmp_path)


def test_a_look_reads_no_images(tmp_path: Path) -> None:
    coco_folder(tmp_path)
    shutil.rmtree(tmp_path / "images")
    look = look_detection(tmp_path, {})
    assert look.certainty > 0.9 and "annotations.json" in look.about[0]
    assert (look.loss, look.evaluation) == ("detection", "detection")
    assert look_detection(tmp_path / "annotations.json", {}).certainty > 0.9
    (tmp_path / "annotations.json").write_text('{"rows": [1, 2]}')
    assert look_detection(tmp_path, {}).certainty == 0
    assert look_detection(None, {}).certainty == 0
    assert np.isfinite(look.certainty)


@pytest.mark.parametrize("below", ["", "VOCdevkit/VOC2007"])
def test_pascal_voc_is_known_and_refused(tmp_path: Path, below: str) -> None:
    place = tmp_path / below
    (place / "Annotations").mkdir(parents=True)
    (place / "Annotations/0.xml").write_text("<annotation/>")
    assert look_detection(tmp_path, {}).certainty == 0.0
    (place / "JPEGImages").mkdir()
    look = look_detection(tmp_path, {})
    assert look.certainty == 0.9 and "Pascal VOC" in look.about[0]
    with pytest.raises(DataError, match=r"Pascal VOC's XML files .*; convert them to COCO or YOLO"):
        detection(tmp_path)
