"""data=text: from files as users have them to samples, splits and a description."""

import csv
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from data.errors import DataError
from data.loading.loaders import loader
from data.text.labelled import text
from data.text.readers import TextReader
from trainer.config.assembly import facts

GOOD, BAD = ["great", "lovely", "superb"], ["awful", "boring", "weak"]


def reviews(count: int = 60) -> list[tuple[str, str]]:
    rows = []
    for number in range(count):
        words = GOOD if number % 2 else BAD
        rows.append(
            (f"the film number {number} was {words[number % 3]}", "pos" if number % 2 else "neg")
        )
    return rows


def write(path: Path, rows: Sequence[tuple[str, ...]], header: tuple[str, ...]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "my data").mkdir()
    return write(tmp_path / "my data/reviews.csv", reviews(), ("review", "sentiment"))


def test_a_csv_is_split_and_described(file: Path) -> None:
    splits = text(file)
    info = splits.info
    assert (info.num_train, info.num_validation, info.num_test) == (42, 6, 12)
    assert (info.problem, info.classes, info.num_outputs) == ("classification", ("neg", "pos"), 2)
    assert info.class_counts == (21, 21)
    assert info.input_shape == (info.length,) and info.length % 8 == 0
    ids, label = splits.train[0]
    assert ids.dtype == torch.int64 and list(ids.shape) == [info.length]
    row = int(splits.train.names[0].rpartition(":")[2]) - 2
    assert splits.train.names[0].startswith("reviews.csv:")
    assert splits.train.sample_text(0) == reviews()[row][0]
    assert info.classes[label] == reviews()[row][1]
    names = {name for part in (splits.train, splits.validation, splits.test) for name in part.names}
    assert len(names) == 60
    assert facts(info)["vocabulary"] == info.vocabulary


def test_the_same_file_gives_the_same_and_another_text_another_fingerprint(file: Path) -> None:
    first, second = text(file), text(file)
    assert first.info == second.info
    rows = reviews()
    rows[5] = ("something else", rows[5][1])
    write(file, rows, ("review", "sentiment"))
    assert text(file).info.fingerprint != first.info.fingerprint


def test_said_columns_give_what_found_ones_give(file: Path) -> None:
    said = text(file, text="review", target="sentiment", problem="classification")
    assert said.info == text(file).info


def test_the_tokenizer_knows_the_training_split_alone(tmp_path: Path) -> None:
    rows = [(*row, "train") for row in reviews()] + [("zyxwv zyxwv zyxwv", "pos", "test")] * 5
    file = write(tmp_path / "r.csv", rows, ("text", "label", "split"))
    splits = text(file, validation=0)
    assert splits.info.num_test == 5 and splits.validation is None
    assert "zyxwv" not in splits.info.reader["tokenizer"]
    assert "film" in splits.info.reader["tokenizer"]
    unlike = write(tmp_path / "u.csv", [row[:2] for row in rows], ("text", "label"))
    assert "zyxwv" in text(unlike, validation=0, test=0).info.reader["tokenizer"]


def test_the_reader_gives_bit_for_bit_what_the_dataset_gives(file: Path) -> None:
    splits = text(file)
    arguments = {k: v for k, v in splits.info.reader.items() if k != "_target_"}
    reader = TextReader(**arguments)
    assert reader.node == splits.info.reader
    indices = np.arange(len(splits.test))
    batch = splits.test.finish(splits.test.fetch(indices, 0, 0), indices, 0, 0)[0].numpy()
    texts = [splits.test.sample_text(i) for i in indices.tolist()]
    found = reader.batch([reader.read(each) for each in texts])
    np.testing.assert_array_equal(found, batch)
    assert found.dtype == batch.dtype == np.int64
    np.testing.assert_array_equal(splits.test.raw(3), reader.read(texts[3].encode()))


def test_a_loader_takes_it_as_it_is(file: Path) -> None:
    splits = text(file)
    batches = loader(splits.train, batch_size=8, shuffle=True, seed=0, device=torch.device("cpu"))
    ids, labels = next(iter(batches.epoch(0)))
    first = splits.train[batches.indices(0, 0)[0]]
    assert torch.equal(ids[0], first[0]) and int(labels[0]) == first[1]
    assert batches.kind.startswith("resident")


def test_several_labels_and_quantities(tmp_path: Path) -> None:
    lines = [
        {"text": f"a text of {number} words or so", "tags": ["x"] * (number % 2) + ["y"]}
        for number in range(40)
    ]
    file = tmp_path / "t.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    splits = text(file)
    assert splits.info.problem == "multilabel" and splits.info.classes == ("x", "y")
    _ids, labels = splits.train[0]
    number = int(splits.train.names[0].rpartition(":")[2]) - 1
    assert labels.dtype == torch.float32 and labels.tolist() == [number % 2, 1.0]
    assert not hasattr(splits.train, "labels")

    rows = [(f"a text of {n} words", str(n / 4).replace(".", ",")) for n in range(40)]
    file = write(tmp_path / "p.csv", rows, ("text", "price"))
    splits = text(file)
    info = splits.info
    assert info.problem == "regression" and info.targets == ("price",) and info.classes == ()
    values = torch.stack([splits.train[i][1] for i in range(len(splits.train))])
    assert values.dtype == torch.float32 and list(values.shape) == [len(splits.train), 1]
    assert abs(float(values.mean())) < 1e-6 and abs(float(values.std(correction=0)) - 1) < 1e-5
    number = int(splits.train.names[0].rpartition(":")[2]) - 2
    found = float(values[0]) * info.target_std[0] + info.target_mean[0]
    assert found == pytest.approx(number / 4, abs=1e-5)


def test_class_folders_as_aclimdb_has_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for split, label, count in (
        ("train", "pos", 12),
        ("train", "neg", 12),
        ("train", "unsup", 7),
        ("test", "pos", 4),
        ("test", "neg", 4),
    ):
        folder = tmp_path / "imdb" / split / label
        folder.mkdir(parents=True)
        for number in range(count):
            (folder / f"{number}_1.txt").write_text(f"review {number} is {label}")
    (tmp_path / "imdb/README").write_text("about")
    (tmp_path / "imdb/train/urls_pos.txt").write_text("http")
    splits = text(tmp_path / "imdb", validation=0.25)
    assert splits.info.classes == ("neg", "pos")
    assert (splits.info.num_train, splits.info.num_validation, splits.info.num_test) == (18, 6, 8)
    assert all(name.startswith("test/") for name in splits.test.names)
    assert "7 texts without a label left out" in caplog.text
    assert "2 ignored" in caplog.text
    plain = tmp_path / "plain"
    for label in ("a", "b"):
        (plain / label).mkdir(parents=True)
        for number in range(10):
            (plain / label / f"{number}").write_text(f"text {number} of {label}")
    assert text(plain).info.num_train == 14


def test_a_folder_of_split_tables(tmp_path: Path) -> None:
    for name, rows in (("train", reviews(40)), ("dev", reviews(10)), ("test", reviews(12))):
        write(tmp_path / f"{name}.tsv", [], ())
        (tmp_path / f"{name}.tsv").write_text(
            "sentence\tlabel\n" + "".join(f"{a}\t{b}\n" for a, b in rows)
        )
    info = text(tmp_path).info
    assert (info.num_train, info.num_validation, info.num_test) == (40, 10, 12)


def test_groups_and_times(tmp_path: Path) -> None:
    rows = [
        (a, b, f"user{n % 9}", f"2024-01-{n % 28 + 1:02}") for n, (a, b) in enumerate(reviews())
    ]
    file = write(tmp_path / "r.csv", rows, ("text", "label", "user", "day"))

    def column(dataset: Any, place: int) -> set[str]:
        return {rows[int(name.rpartition(":")[2]) - 2][place] for name in dataset.names}

    splits = text(file, group="user")
    assert not column(splits.train, 2) & column(splits.test, 2)
    splits = text(file, time="day", target="label")
    assert max(column(splits.train, 3)) < min(column(splits.test, 3))
    with pytest.raises(DataError, match=r"r.csv:2 has 'user0' in column 'user' \(data.time\)"):
        text(file, time="user", target="label")


def test_what_is_cut_empty_or_of_another_encoding_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [*reviews(), ("", "pos"), ("very long " * 500, "neg")]
    content = "text,label\n" + "".join(f"{a},{b}\n" for a, b in rows) + "café,pos\n"
    file = tmp_path / "r.csv"
    file.write_bytes(content.encode("cp1252"))
    with caplog.at_level(logging.WARNING):
        splits = text(file, length=16)
    assert "1 file is no UTF-8 and read as cp1252" in caplog.text
    assert "1 empty texts kept (r.csv:62)" in caplog.text
    assert "1 of 63 texts longer than data.length (16 tokens)" in caplog.text
    assert splits.info.length == 16 and splits.info.num_train + splits.info.num_test == 57


def test_rows_without_a_target_are_an_error_or_left_out(tmp_path: Path) -> None:
    rows: list[tuple[str, ...]] = [*reviews(), ("no label here", ""), ("nor here", "nan")]
    file = write(tmp_path / "r.csv", rows, ("text", "label"))
    with pytest.raises(DataError, match=r"r.csv:62 has no target in column 'label'") as caught:
        text(file)
    assert len(caught.value.problems) == 2
    splits = text(file, on_error="skip")
    assert [bad.name for bad in splits.bad] == ["r.csv:62", "r.csv:63"]
    assert splits.info.num_train == 42 and splits.info.classes == ("neg", "pos")
    with pytest.raises(DataError, match="max_bad"):
        text(file, on_error="skip", max_bad=1)


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for number in range(10):
            (tmp_path / label / f"{number}.txt").write_text(f"text {number} of {label}")
    (tmp_path / "a/3.txt").write_bytes(b"a\0b")
    with pytest.raises(DataError, match=r"3.txt has a NUL character in line 1"):
        text(tmp_path)
    assert text(tmp_path, on_error="skip").bad[0].name == "a/3.txt"


def test_all_wrong_arguments_are_told_at_once(file: Path, tmp_path: Path) -> None:
    wrong: dict[str, Any] = {"vocabulary": 10, "length": 0, "problem": "poetry", "max_bad": -1}
    with pytest.raises(DataError) as caught:
        text(file, **wrong)
    assert len(caught.value.problems) == 4
    with pytest.raises(DataError, match=r"data.path is needed"):
        text()
    with pytest.raises(DataError, match=r"did you mean .*reviews.csv"):
        text(file.parent / "review.csv")
    with pytest.raises(DataError, match=r"no column 'sentimen' \(data.target\)"):
        text(file, target="sentimen")
    one = write(tmp_path / "one.csv", [("a text", "x"), ("another", "x")], ("text", "label"))
    with pytest.raises(DataError, match=r"1 class \('x'\) in data.target"):
        text(one)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no class folders"):
        text(tmp_path / "empty")


def test_a_splits_file_of_another_run_is_followed(file: Path, tmp_path: Path) -> None:
    first = text(file, split_seed=3)
    table = [
        (name, split)
        for split, part in (
            ("train", first.train),
            ("validation", first.validation),
            ("test", first.test),
        )
        for name in part.names
    ]
    stored = write(tmp_path / "splits.csv", table, ("name", "split"))
    assert text(file, splits=stored).test.names == first.test.names


def test_other_data_is_seen_as_a_model_knows_it(file: Path, tmp_path: Path) -> None:
    trained = text(file)
    info = SimpleNamespace(**json.loads(json.dumps(facts(trained.info))))
    rows = [("the film was great", "pos"), ("weak and odd", "neg"), ("superb", "pos")] * 4
    other = text(write(tmp_path / "o.csv", rows, ("text", "label")), test=0.25, validation=0)
    seen = other.train.seen_as(info, other.info.classes)
    reader = TextReader(**{k: v for k, v in info.reader.items() if k != "_target_"})
    for index in range(len(seen)):
        ids, label = seen[index]
        np.testing.assert_array_equal(ids, reader.read(other.train.sample_text(index)))
        assert info.classes[label] == other.info.classes[other.train[index][1]]
    again = trained.test.seen_as(info, trained.info.classes)
    assert all(torch.equal(again[i][0], trained.test[i][0]) for i in range(len(again)))
    more = write(tmp_path / "m.csv", [*rows, *[("odd", "meh")] * 4], ("text", "label"))
    strange = text(more, test=0)
    with pytest.raises(DataError, match=r"1 classes of the data \('meh'\) unknown to the model"):
        strange.train.seen_as(info, strange.info.classes)
    numbers = write(tmp_path / "n.csv", [(a, "1.5") for a, _ in rows], ("text", "price"))
    with pytest.raises(DataError, match="the model was trained for classification"):
        quantities = text(numbers)
        quantities.train.seen_as(info, quantities.info.classes)
