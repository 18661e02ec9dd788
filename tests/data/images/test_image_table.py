"""Images that a table names: classes, labels, numbers, splits, and what can be wrong with them."""

import csv
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from data.errors import DataError
from data.images.dataset import Images
from data.images.images import images, look_images

COUNT = 30
COLOURS = ("blue sky", "green", "rot")


def written(folder: Path) -> list[dict[str, Any]]:
    """Pictures, and what is known of each."""
    rows = []
    (folder / "my pictures").mkdir(parents=True)
    for index in range(COUNT):
        name = f"my pictures/no {index}.png"
        pixels = np.full((9, 11, 3), 3 * index, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
        rows.append(
            {
                "image file": name,
                "colour": COLOURS[index % 3],
                "grade": index % 4,
                "price": 2.5 + index,
                "weight": 100 - index / 3,
                "sunny": index % 2,
                "windy": int(index % 3 == 0),
                "tags": "|".join(tag for tag, on in (("a", index % 2), ("b", index % 5)) if on),
                "split": ("train", "train", "val", "test")[index % 4],
                "place": f"place {index // 6}",
            }
        )
    return rows


def table(
    folder: Path,
    *columns: str,
    name: str = "labels.csv",
    separator: str = ",",
    encoding: str = "utf-8",
    rows: list[dict[str, Any]] | None = None,
) -> Path:
    rows = written(folder) if rows is None else rows
    path = folder / name
    with path.open("w", newline="", encoding=encoding) as file:
        lines = csv.DictWriter(file, ["image file", *columns], delimiter=separator)
        lines.writeheader()
        lines.writerows({key: row[key] for key in lines.fieldnames} for row in rows)
    return path


def truth(found: Any) -> dict[str, Any]:
    parts = [part for part in (found.train, found.validation, found.test) if part is not None]
    return {name: part.targets[i] for part in parts for i, name in enumerate(part.names)}


@pytest.mark.parametrize(
    ("name", "separator", "encoding"),
    [
        ("labels.csv", ",", "utf-8"),
        ("labels.csv", ";", "utf-8-sig"),
        ("labels.tsv", "\t", "utf-16"),
        ("labels.txt", "|", "cp1252"),
    ],
)
def test_classes(tmp_path: Path, name: str, separator: str, encoding: str) -> None:
    place = tmp_path / "a folder"
    path = table(place, "colour", name=name, separator=separator, encoding=encoding)
    found = images(path, size=8)
    assert found.info.classes == COLOURS and found.info.problem == "classification"
    assert found.info.class_counts == (7, 7, 7) and found.info.num_outputs == 3
    for sample, target in truth(found).items():
        index = int(sample.split()[-1].removesuffix(".png"))
        assert target == index % 3
    assert found.train.labels.dtype == torch.int64
    index = int(found.train.names[0].split()[-1].removesuffix(".png"))
    assert found.train.picture(0)[0, 0].tolist() == [3 * index] * 3


def test_parquet_and_the_table_of_text_are_one(tmp_path: Path) -> None:
    import pandas

    rows = written(tmp_path)
    path = table(tmp_path, "colour", rows=rows)
    pandas.DataFrame(rows)[["image file", "colour"]].to_parquet(tmp_path / "labels.parquet")
    assert images(path).info == images(tmp_path / "labels.parquet").info


def test_whole_numbers_are_classes_in_their_order(tmp_path: Path) -> None:
    rows = [{**row, "grade": row["grade"] * 5} for row in written(tmp_path)]
    found = images(table(tmp_path, "grade", rows=rows))
    assert found.info.classes == ("0", "5", "10", "15")
    assert all(int(t) == int(n.split()[-1][:-4]) % 4 for n, t in truth(found).items())


@pytest.mark.parametrize("target", [None, ["sunny", "windy"], ["windy", "sunny"]])
def test_columns_of_0_and_1_are_labels(tmp_path: Path, target: Any) -> None:
    found = images(table(tmp_path, "sunny", "windy"), target=target)
    info = found.info
    assert info.problem == "multilabel" and info.answer["_target_"] == "data.answers.LabelsAnswer"
    order = [info.classes.index(name) for name in ("sunny", "windy")]
    for name, values in truth(found).items():
        index = int(name.split()[-1][:-4])
        assert values[order].tolist() == [index % 2, index % 3 == 0]
    assert info.num_outputs == 2
    expected = found.train.targets.sum(0).int().tolist()
    assert list(info.class_counts) == expected


def test_labels_in_one_cell(tmp_path: Path) -> None:
    found = images(table(tmp_path, "tags"))
    assert found.info.problem == "multilabel" and found.info.classes == ("a", "b")
    for name, values in truth(found).items():
        index = int(name.split()[-1][:-4])
        assert values.tolist() == [index % 2 > 0, index % 5 > 0]
    assert found.train[0][1].dtype == torch.float32


def test_numbers_are_standardised_by_the_training_split(tmp_path: Path) -> None:
    found = images(table(tmp_path, "price", "weight"), target=["price", "weight"])
    info = found.info
    assert (info.problem, info.targets, info.classes) == ("regression", ("price", "weight"), ())
    assert info.num_outputs == 2 and info.class_counts == () and info.num_classes == 0
    indices = [int(name.split()[-1][:-4]) for name in found.train.names]
    values = np.array([[2.5 + i, 100 - i / 3] for i in indices])
    assert np.allclose(info.target_mean, values.mean(0)) and np.allclose(
        info.target_std, values.std(0)
    )
    assert torch.allclose(found.train.targets.mean(0), torch.zeros(2), atol=1e-6)
    scaled = found.test.targets.double().numpy() * info.target_std + info.target_mean
    truth_of_test = [2.5 + int(name.split()[-1][:-4]) for name in found.test.names]
    assert np.allclose(scaled[:, 0], truth_of_test)
    assert not hasattr(found.train, "labels")


def test_a_decimal_comma(tmp_path: Path) -> None:
    rows = [{**row, "price": str(row["price"]).replace(".", ",")} for row in written(tmp_path)]
    info = images(table(tmp_path, "price", rows=rows, separator=";")).info
    assert info.problem == "regression" and 2.5 < info.target_mean[0] < 32.5


def test_a_split_column_is_followed(tmp_path: Path) -> None:
    found = images(table(tmp_path, "colour", "split"))
    for part, rest in ((found.train, (0, 1)), (found.validation, (2,)), (found.test, (3,))):
        assert {int(name.split()[-1][:-4]) % 4 for name in part.names} == set(rest)
    assert found.info.num_train == 16


def test_groups_stay_together(tmp_path: Path) -> None:
    found = images(table(tmp_path, "colour", "place"), target="colour", group="place", test=0.4)
    groups = [
        {int(name.split()[-1][:-4]) // 6 for name in part.names}
        for part in (found.train, found.validation, found.test)
    ]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 5


def test_paths_may_be_relative_to_another_folder(tmp_path: Path) -> None:
    rows = written(tmp_path / "there")
    (tmp_path / "here").mkdir()
    path = table(tmp_path / "here", "colour", rows=rows)
    assert images(path, root=tmp_path / "there").info.num_train == 21
    absolute = [{**r, "image file": str(tmp_path / "there" / r["image file"])} for r in rows]
    assert images(table(tmp_path / "here", "colour", rows=absolute)).info.num_train == 21
    windows = [{**r, "image file": r["image file"].replace("/", "\\")} for r in rows]
    path = table(tmp_path / "there", "colour", rows=windows)
    assert "my pictures/no 0.png" in truth(images(path))


def test_missing_files_are_told_at_once_and_counted(tmp_path: Path) -> None:
    path = table(tmp_path, "colour")
    for index in range(7):
        (tmp_path / f"my pictures/no {index}.png").unlink()
    with pytest.raises(DataError) as error:
        images(path)
    assert len(error.value.problems) == 7 and "7 problems" in str(error.value)
    assert f"labels.csv: row 2: {tmp_path}/my pictures/no 0.png is missing" in str(error.value)
    assert "and 2 more" in str(error.value)
    found = images(path, on_error="skip")
    assert len(found.bad) == 7 and len(truth(found)) == COUNT - 7


@pytest.mark.parametrize(
    ("change", "options", "told"),
    [
        ({"colour": ""}, {}, "1 of 30 rows without a value in 'colour' (rows 5)"),
        ({"image file": ""}, {}, "1 rows without a path in 'image file' (rows 5)"),
        ({"price": ""}, {"target": "price"}, "1 of 30 rows without a value in 'price'"),
        ({"price": "inf"}, {"target": "price"}, "1 values in 'price' that are not finite"),
        ({"sunny": 2}, {"target": ["sunny", "windy"], "problem": "multilabel"}, "not 0 or 1"),
        ({}, {"target": "couleur"}, "column 'couleur' in data.target is none of labels.csv; did"),
        ({}, {"target": ["colour", "price"]}, "'colour' holds no numbers (row 2: 'blue sky')"),
        ({}, {"file": "path"}, "column 'path' in data.file is none"),
        ({}, {"problem": "ranking"}, "problem ('ranking') in data.problem; choose"),
        ({}, {"root": "nowhere"}, "nowhere in data.root is no folder"),
        ({}, {"split": "luck"}, "split ('luck') in data.split"),
        ({}, {"split_column": "colour"}, "3 unknown words in data.split_column"),
    ],
)
def test_what_is_wrong(
    tmp_path: Path, change: dict[str, Any], options: dict[str, Any], told: str
) -> None:
    rows = written(tmp_path)
    rows[3] |= change
    path = table(tmp_path, "colour", "price", "sunny", "windy", rows=rows)
    with pytest.raises(DataError) as error:
        images(path, **{"target": "colour", **options})
    assert told in str(error.value), str(error.value)
    assert "\n" not in error.value.problems[0]


def test_a_target_that_cannot_be_told(tmp_path: Path) -> None:
    path = table(tmp_path, "colour", "price")
    with pytest.raises(DataError, match=r"has 'colour', 'price' beside the paths; name"):
        images(path)
    (tmp_path / "plain.csv").write_text("a,b\n1,2\n3,4\n")
    with pytest.raises(DataError, match=r"no column of image files among 'a', 'b'"):
        images(tmp_path / "plain.csv")
    with pytest.raises(DataError, match=r"is a folder, and data\.target are for tables"):
        images(tmp_path, target="colour")


def test_one_class_and_the_same_file_twice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = written(tmp_path)
    path = table(tmp_path, "colour", rows=[{**row, "colour": "red"} for row in rows])
    with pytest.raises(DataError, match="only 'red' in 'colour'"):
        images(path)
    with caplog.at_level(logging.WARNING):
        images(table(tmp_path, "colour", rows=[*rows, rows[0]]))
    assert "1 files are named in several rows, such as my pictures/no 0.png" in caplog.text


@pytest.mark.parametrize(
    ("columns", "problem", "target"),
    [
        (["colour"], "classification", "colour"),
        (["price"], "regression", "price"),
        (["sunny", "windy"], "multilabel", ["sunny", "windy"]),
        (["tags", "split"], "multilabel", "tags"),
        (["grade"], "classification", "grade"),
    ],
)
def test_a_look_tells_what_the_builder_finds(
    tmp_path: Path, columns: list[str], problem: str, target: Any
) -> None:
    path = table(tmp_path, *columns)
    seen = look_images(path, {})
    assert (seen.kind, seen.problem, seen.data["target"]) == ("images", problem, target)
    assert seen.certainty > 0.9 and seen.about
    assert images(path).info == images(path, **seen.data).info
    assert images(path).info.problem == problem


def test_a_look_at_other_things(tmp_path: Path) -> None:
    (tmp_path / "plain.csv").write_text("a,b\n1,2\n3,4\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.csv").write_bytes(b"\0\1\2")
    for path in (None, tmp_path / "plain.csv", tmp_path / "empty", tmp_path / "broken.csv"):
        assert look_images(path, {}).certainty == 0
    rows = written(tmp_path / "classes")
    assert look_images(tmp_path / "classes", {}).certainty < 0.5
    for row in rows:
        old = tmp_path / "classes" / row["image file"]
        place = tmp_path / "sorted" / row["colour"]
        place.mkdir(parents=True, exist_ok=True)
        old.rename(place / old.name)
    seen = look_images(tmp_path / "sorted", {})
    assert seen.certainty > 0.8 and "3 folders" in seen.about[0]


def test_another_runs_order_and_scale(tmp_path: Path) -> None:
    rows = written(tmp_path)
    labels = images(table(tmp_path, "sunny", "windy", rows=rows))
    other = images(table(tmp_path, "windy", "sunny", rows=rows))
    seen = other.train.seen_as(labels.info, other.info.classes)
    assert seen.names == labels.train.names
    assert torch.equal(seen.targets, labels.train.targets)
    numbers = images(table(tmp_path, "price", rows=rows))
    cheap = [{**row, "price": row["price"] / 2} for row in rows[:20]]
    fewer = images(table(tmp_path, "price", rows=cheap))
    seen = fewer.train.seen_as(numbers.info, ())
    index = int(fewer.train.names[0].split()[-1][:-4])
    mean, std = numbers.info.target_mean[0], numbers.info.target_std[0]
    assert seen.targets[0].item() == pytest.approx(((2.5 + index) / 2 - mean) / std, abs=1e-5)
    assert isinstance(seen, Images)
    with pytest.raises(DataError, match="targets 'price' in the data, and the model gives"):
        fewer.train.seen_as(labels.info, ())
    classes = images(table(tmp_path, "colour", rows=rows))
    with pytest.raises(DataError, match="name the same columns"):
        classes.train.seen_as(numbers.info, classes.info.classes)


def test_numbers_with_a_few_words_are_no_classes(tmp_path: Path) -> None:
    rows = [{**row, "age": 20 + n} for n, row in enumerate(written(tmp_path))]
    rows[3]["age"] = rows[8]["age"] = "old"
    path = table(tmp_path, "age", rows=rows)
    with pytest.raises(DataError) as error:
        images(path, size=8)
    assert error.value.problems == (
        "labels.csv: 'age' has 2 values that are no numbers (rows 5, 10: 'old'); mend them, or set "
        "data.problem=classification",
    )
    # Of few numbers, each again and again, a word may be a further class.
    grades = [{**row, "age": index % 3} for index, row in enumerate(rows)]
    grades[0]["age"] = "none yet"
    with pytest.raises(DataError, match="class 'none yet' has 1 sample"):
        images(table(tmp_path, "age", rows=grades), size=8)


def test_prices_with_a_currency_are_numbers(tmp_path: Path) -> None:
    rows = [{**row, "price": f"${1000.5 + n:,.2f}"} for n, row in enumerate(written(tmp_path))]
    info = images(table(tmp_path, "price", rows=rows), size=8).info
    assert info.problem == "regression" and 1000 < info.target_mean[0] < 1031


def test_one_class_folder_beside_a_table(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "labels.csv").write_text("a,b\n")
    (tmp_path / "notes.txt").write_text("a")
    with pytest.raises(DataError) as error:
        images(tmp_path)
    assert str(error.value).endswith(
        f"add a folder of images of another class; or give data.path={tmp_path / 'labels.csv'}"
    )
