"""Digits: scikit-learn's, without importing scikit-learn."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from data import digits as module
from data.digits import digits

SOURCE = Path(__file__).resolve().parents[2] / "src"


def test_pixels_and_labels_equal_sklearns() -> None:
    bunch = load_digits()
    splits = digits()
    expected = np.rint(bunch.images * 255 / 16).astype(np.uint8)
    seen = []
    for part in (splits.train, splits.validation, splits.test):
        assert part.samples.dtype == torch.uint8
        for name, pixels, label in zip(part.names, part.samples, part.labels, strict=True):
            index = int(name.removeprefix("digits[").removesuffix("]"))
            assert np.array_equal(pixels[0].numpy(), expected[index])
            assert int(label) == bunch.target[index]
            seen.append(index)
    assert sorted(seen) == list(range(1797))


def test_info() -> None:
    splits = digits()
    info = splits.info
    assert info.input_shape == (info.channels, info.height, info.width) == (1, 8, 8)
    assert (info.num_train, info.num_validation, info.num_test) == (1258, 180, 359)
    assert info.num_classes == len(info.classes) == 10
    scaled = splits.train.samples.double() / 255
    assert info.mean[0] == pytest.approx(scaled.mean().item(), abs=1e-12)
    assert info.std[0] == pytest.approx(scaled.std(correction=0).item(), abs=1e-12)
    assert info == digits().info
    assert info.fingerprint != digits(split_seed=1).info.fingerprint


def test_without_validation_or_test() -> None:
    splits = digits(validation=0, test=0)
    assert splits.validation is None and splits.test is None
    assert splits.info.num_train == 1797


def test_neither_sklearn_nor_at_import_torch_is_loaded() -> None:
    code = (
        "import sys, data.digits, data.images, data.torchvision.sets, data.augmentation\n"
        "import data.loading.loaders\n"
        "assert 'torch' not in sys.modules, 'torch'\n"
        "data.digits.digits()\n"
        "assert 'sklearn' not in sys.modules, 'sklearn'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(SOURCE)})


def test_falls_back_to_sklearn_where_the_file_lies_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values, labels = module._table()
    monkeypatch.setattr(Path, "is_file", lambda path: False)
    again, same = module._table()
    assert np.array_equal(values, again) and np.array_equal(labels, same)
