"""The dataset: batches, names, texts, and rows seen through another run's encoding."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from table_files import shop, written

from data.errors import DataError
from data.loading.loaders import loader
from data.loading.sources import BatchSource
from data.tables import table


def stored(info: Any) -> Any:
    """What a run folder gives back: plain JSON."""
    return SimpleNamespace(**json.loads(json.dumps(vars(info))))


def test_it_is_a_source_of_batches_that_lies_in_memory(tmp_path: Path) -> None:
    splits = table(written(tmp_path, shop()))
    train: Any = splits.train
    assert not (train.is_augmented or train.is_costly)
    source: BatchSource = train
    assert source.resident_bytes == train.inputs.nbytes + train.targets.nbytes
    batches = loader(train, batch_size=32, shuffle=True, seed=3, device="cpu")
    assert batches.kind == "resident on cpu"
    seen = []
    for number, (inputs, targets) in enumerate(batches.epoch(1)):
        members = batches.indices(1, number)
        assert torch.equal(inputs, torch.stack([train[i][0] for i in members]))
        assert targets.tolist() == [int(train[i][1]) for i in members]
        seen += members
    assert sorted(seen) == list(range(len(train)))


def test_parts_are_disjoint_and_described(tmp_path: Path) -> None:
    splits = table(written(tmp_path, shop()))
    info, parts = splits.info, (splits.train, splits.validation, splits.test)
    assert sorted(np.concatenate([part.rows for part in parts]).tolist()) == list(range(200))
    assert (info.num_train, info.num_validation, info.num_test) == tuple(map(len, parts))
    assert info.about == ("5 columns (2 numbers, 1 yes/no, 1 date, 1 category), kauft in 2 classes")
    assert len(info.columns) == info.num_numeric + len(info.cardinalities) == info.input_shape[0]
    assert "${" not in json.dumps(vars(info))
    text = splits.test.sample_text(0)
    line = shop().splitlines()[int(splits.test.names[0].split(":")[1]) - 1].split(";")
    assert text.startswith(f"Alter={line[1] or '?'}, ") and text.endswith(f" -> kauft={line[-1]}")


def test_options_of_the_split(tmp_path: Path) -> None:
    path = written(tmp_path, shop())
    base = table(path)
    assert table(path).info.fingerprint == base.info.fingerprint
    assert table(path, split_seed=1).info.fingerprint != base.info.fingerprint
    folds = [table(path, folds=3, fold=n).validation.rows.tolist() for n in range(3)]
    assert len({row for fold in folds for row in fold}) == sum(map(len, folds)) == 160
    only = table(path, validation=0, test=0)
    assert only.validation is None and only.test is None and only.info.num_train == 200
    names = {part: list(getattr(base, part).names) for part in ("train", "validation", "test")}
    lines = [f"{name},{part}" for part, own in names.items() for name in own]
    kept = written(tmp_path, "\n".join(["name,split", *lines]), "splits.csv")
    again = table(path, splits=kept, split_seed=5)
    assert again.info.fingerprint == base.info.fingerprint


def test_rows_seen_by_a_model_of_another_table(tmp_path: Path) -> None:
    """Own statistics, categories, classes and column order don't matter; the model's do."""
    first = table(written(tmp_path, shop()))
    lines = [line.split(";") for line in shop(60, seed=1).splitlines()]
    turned = "\n".join(",".join(f'"{cell}"' for cell in line[::-1]) for line in lines) + "\n"
    turned = turned.replace('"yes"\n', '"yes"\n')
    second = table(written(tmp_path, turned, "other.csv"), target="kauft")
    part = second.test
    seen = part.seen_as(stored(first.info), second.info.classes)
    direct = table(written(tmp_path, shop(60, seed=1), "third.csv")).test
    expected = direct.seen_as(first.info, first.info.classes)
    assert torch.equal(seen.inputs, expected.inputs) and list(seen.labels) == list(expected.labels)
    # The encoding is the same function: a model's own data comes out as it was.
    own = first.test.seen_as(stored(first.info), first.info.classes)
    assert torch.equal(own.inputs, first.test.inputs)
    assert torch.equal(own.targets, first.test.targets)
    assert np.array_equal(own.raw(3), first.test.raw(3), equal_nan=True)
    assert own.sample_text(2) == first.test.sample_text(2) and own.names[1] == first.test.names[1]


def test_numbers_are_scaled_as_the_model_has_them(tmp_path: Path) -> None:
    columns = "x,u,v\n" + "".join(f"{n},{n * 2.5},{n % 5 + 0.5}\n" for n in range(60))
    first = table(written(tmp_path, columns), target=["u", "v"])
    other = columns.replace("x,u,v", "x,v,u")
    second = table(written(tmp_path, other, "o.csv"), target=["v", "u"])
    seen = second.train.seen_as(stored(first.info), ())
    means, stds = np.array(first.info.target_mean), np.array(first.info.target_std)
    back = seen.targets.numpy() * stds + means
    rows = second.train.rows
    np.testing.assert_allclose(
        back, np.stack([rows % 5 + 0.5, rows * 2.5], 1), rtol=1e-5, atol=1e-5
    )


def test_what_does_not_fit_another_model_is_told(tmp_path: Path) -> None:
    first = table(written(tmp_path, shop()))
    changed = shop().replace("Alter", "age").replace(";no\n", ";never\n")
    second = table(written(tmp_path, changed, "o.csv"))
    with pytest.raises(DataError, match=r"o\.csv has no column 'Alter'"):
        second.test.seen_as(first.info, second.info.classes)
    third = table(written(tmp_path, shop().replace(";no\n", ";never\n"), "o.csv"))
    with pytest.raises(DataError, match=r"1 class \('never'\) of the data unknown to the model"):
        third.test.seen_as(first.info, third.info.classes)
    numbers = table(tmp_path / "t.csv", target="Alter", missing_target="drop")
    with pytest.raises(DataError, match="the data is for regression, the model for classific"):
        numbers.test.seen_as(first.info, ())
    with pytest.raises(DataError, match="other data than a table"):
        first.test.seen_as(SimpleNamespace(reader=None), first.info.classes)


def test_several_labels(tmp_path: Path) -> None:
    text = "x,tags\n" + "".join(f"{n},{['a|b', 'b', '', 'c|a'][n % 4]}\n" for n in range(80))
    splits = table(written(tmp_path, text))
    info = splits.info
    assert info.problem == "multilabel" and info.classes == ("a", "b", "c")
    assert splits.train.targets.dtype == torch.float32
    assert splits.train.targets.sum(0).tolist() == list(info.class_counts)
    row = int(splits.test.rows[0])
    expected = [[1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 1]][row % 4]
    assert splits.test[0][1].tolist() == expected
    fewer = text.replace("c|a", "b|a")
    other = table(written(tmp_path, fewer, "o.csv"))
    seen = other.test.seen_as(stored(info), other.info.classes)
    assert seen.targets.shape[1] == 3 and float(seen.targets[:, 2].sum()) == 0


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["1", "2.5", "-7e3", "", "NA"]),
            st.sampled_from(["x", "y", "ü z", '"q"', "a,b", "", "?"]),
            st.sampled_from(["yes", "no", ""]),
        ),
        min_size=30,
        max_size=60,
    )
)
@settings(max_examples=15)
def test_any_cells_go_the_same_way_in_training_and_in_predict(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]
) -> None:
    from data.tables.reader import TableReader

    def quoted(cell: str) -> str:
        return '"' + cell.replace('"', '""') + '"'

    lines = [
        ",".join([*map(quoted, row), str(place), "ab"[place % 2]]) for place, row in enumerate(rows)
    ]
    folder = tmp_path_factory.mktemp("cells")
    path = written(folder, "\n".join(["n,c,b,k,target", *lines]) + "\n")
    splits = table(path)
    node = {k: v for k, v in splits.info.reader.items() if k != "_target_"}
    reader = TableReader(**node)
    batch = reader.batch([reader.read(each.source) for each in reader.expand(str(path))])
    for part in (splits.train, splits.validation, splits.test):
        assert batch[part.rows].tobytes() == part.inputs.numpy().tobytes()
