"""Datasets of one's own, described by `data.own.splits`."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, Subset, TensorDataset

from data import own
from data.errors import DataError
from data.loading.loaders import loader


class Pairs(Dataset[tuple[torch.Tensor, Any]]):
    """What a user writes: an input and a plain Python number."""

    def __init__(self, count: int, *, number: bool = False) -> None:
        self.count, self.number = count, number

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[torch.Tensor, Any]:
        value = torch.full((2, 3), float(index))
        return value, (index * 10.0 + 1000 if self.number else index % 3)


def test_classes_are_counted_and_described() -> None:
    splits = own.splits(Pairs(30), Pairs(6), Pairs(9), classes=["a", "b", "c"])
    info = splits.info
    assert (info.problem, info.num_outputs, info.num_classes) == ("classification", 3, 3)
    assert info.class_counts == (10, 10, 10) and info.input_shape == (2, 3)
    assert (info.num_train, info.num_validation, info.num_test) == (30, 6, 9)
    assert info.answer["_target_"] == "data.answers.ClassAnswer"
    batch = next(loader(splits.train, shuffle=False, seed=0, device="cpu", batch_size=4).epoch(0))
    assert batch[0].shape == (4, 2, 3) and batch[1].tolist() == [0, 1, 2, 0]
    held = TensorDataset(torch.zeros(5000, 2), torch.arange(5000) % 4)
    assert own.splits(held, classes=list("abcd")).info.class_counts == (1250,) * 4
    assert own.splits(Pairs(5000), classes=list("abc")).info.class_counts == ()
    assert own.splits(held, classes=list("abcd")).validation is None


def test_numbers_are_standardised_and_told_in_their_own_unit() -> None:
    whole = Pairs(60, number=True)
    train, test = Subset(whole, range(40)), Subset(whole, range(40, 60))
    splits = own.splits(train, None, test, targets=["price"])
    values = np.arange(40) * 10.0 + 1000
    mean, std = splits.info.target_mean[0], splits.info.target_std[0]
    assert (mean, std) == pytest.approx((values.mean(), values.std()))
    _, target = splits.test[0]
    assert target.dtype == torch.float32 and target.shape == (1,)
    assert float(target) * std + mean == pytest.approx(1400)
    batch = next(loader(splits.train, shuffle=False, seed=0, device="cpu", batch_size=40).epoch(0))
    assert float(batch[1].mean()) == pytest.approx(0, abs=1e-5) and batch[1].shape == (40, 1)
    tensors = TensorDataset(torch.zeros(40, 2), torch.from_numpy(values))
    scaled = own.splits(tensors, targets=["price"])
    assert type(scaled.train) is TensorDataset  # which loads fastest
    assert torch.equal(scaled.train.tensors[1], batch[1])
    plain = own.splits(train, targets=["price"], standardise=False)
    assert plain.info.target_std == (1.0,) and float(plain.train[0][1]) == 1000


def test_labels_are_described() -> None:
    data = TensorDataset(torch.zeros(8, 2), torch.ones(8, 3))
    info = own.splits(data, labels=["red", "round", "ripe"]).info
    assert info.problem == "multilabel" and info.num_outputs == 3
    assert info.answer["_target_"] == "data.answers.LabelsAnswer"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"train": Pairs(3)}, "one of classes"),
        ({"train": Pairs(3), "classes": ["a"], "targets": ["b"]}, "one of classes"),
        ({"train": Pairs(3), "classes": "abc"}, "one of classes"),
        ({"train": Pairs(0), "classes": ["a", "b"]}, r"train is empty \(0 samples\)"),
        ({"train": Pairs(3), "test": 5, "classes": ["a", "b"]}, "test is a int"),
        ({"train": Pairs(9), "classes": ["a", "b"]}, "3 labels out of range, such as 2"),
        ({"train": Pairs(9), "targets": ["a", "b"]}, "1 numbers in a target, and 2 names"),
        ({"train": [1, 2], "classes": ["a", "b"]}, r"not \(input tensor, target\)"),
    ],
)
def test_what_is_wrong_is_told(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        own.splits(**arguments)


def test_readers_and_answers_need_no_torch(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((3, 2)))
    np.save(tmp_path / "y.npy", np.arange(3))
    rows = [f"2024-01-{day:02},{day}" for day in range(1, 30)]
    (tmp_path / "a.csv").write_text("\n".join(["day,load", *rows]))
    code = (
        "import sys; from pathlib import Path\n"
        "from data.arrays.reader import ArrayReader\n"
        "from data.arrays.arrays import look_arrays\n"
        "from data.series import look_series\n"
        "from data.series.reader import WindowReader\n"
        "f = Path(sys.argv[1])\n"
        "r = ArrayReader(shape=[2], layout='flat', mean=[0, 0], std=[1, 1])\n"
        "r.batch([r.read(g.source) for g in r.expand(str(f))])\n"
        "r = WindowReader(window=7, channels=['load'], mean=[0], std=[1], time='day')\n"
        "r.batch([r.read(str(f / 'a.csv'))])\n"
        "assert look_series(f / 'a.csv', {}).certainty > 0.8 and look_arrays(f, {}).certainty\n"
        "assert not {'torch', 'trainer'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
