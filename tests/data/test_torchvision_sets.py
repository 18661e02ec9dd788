"""torchvision's sets, on small files laid out exactly alike; offline and damaged too."""

import gzip
import hashlib
import http.server
import pickle
import shutil
import struct
import threading
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
from torchvision import datasets
from torchvision.datasets import utils as torchvision_utils

from data.errors import DataError
from data.torchvision import sets as torchvision_sets

TRAIN, TEST = 60, 20


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and logs nothing."""

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


def idx(array: np.ndarray) -> bytes:
    """The IDX format: magic with type and rank, sizes, then bytes."""
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return struct.pack(">HBB", 0, 8, array.ndim) + sizes + array.tobytes()


def mnist_files() -> tuple[dict[str, bytes], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (TRAIN + TEST, 28, 28), dtype=np.uint8)
    labels = (np.arange(TRAIN + TEST) % 10).astype(np.uint8)
    files = {
        "train-images-idx3-ubyte": idx(pixels[:TRAIN]),
        "train-labels-idx1-ubyte": idx(labels[:TRAIN]),
        "t10k-images-idx3-ubyte": idx(pixels[TRAIN:]),
        "t10k-labels-idx1-ubyte": idx(labels[TRAIN:]),
    }
    return files, pixels, labels


def check(splits: Any, pixels: np.ndarray, labels: np.ndarray, kind: str) -> None:
    """Every sample is where its name says, and the test split is the official one."""
    for part in (splits.train, splits.validation, splits.test):
        for name, image, label in zip(part.names, part.samples, part.labels, strict=True):
            index = int(name.split("[")[1][:-1])
            assert name.startswith(f"{kind}/{'test' if part is splits.test else 'train'}[")
            index += TRAIN if part is splits.test else 0
            assert np.array_equal(image.numpy(), pixels[index])
            assert int(label) == labels[index]
    info = splits.info
    assert (info.num_train, info.num_validation, info.num_test) == (50, 10, TEST)
    assert info.input_shape == pixels.shape[1:]


@pytest.mark.parametrize("kind", ["MNIST", "FashionMNIST"])
def test_mnist_from_raw_files(tmp_path: Path, kind: str) -> None:
    files, pixels, labels = mnist_files()
    raw = tmp_path / kind / "raw"
    raw.mkdir(parents=True)
    for name, content in files.items():
        (raw / name).write_bytes(content)
    make = {"MNIST": torchvision_sets.mnist, "FashionMNIST": torchvision_sets.fashion_mnist}[kind]
    splits = make(tmp_path)
    check(splits, pixels[:, None], labels, kind)
    assert len(splits.info.classes) == 10


def test_mnist_through_the_real_download_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    files, pixels, labels = mnist_files()
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    resources = []
    for name, content in files.items():
        packed = gzip.compress(content)
        (mirror / f"{name}.gz").write_bytes(packed)
        resources.append((f"{name}.gz", hashlib.md5(packed).hexdigest()))
    monkeypatch.setattr(datasets.MNIST, "resources", resources)
    handler = partial(Quiet, directory=str(mirror))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    request.addfinalizer(server.server_close)
    request.addfinalizer(server.shutdown)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}/"
    monkeypatch.setattr(datasets.MNIST, "mirrors", [address])
    check(torchvision_sets.mnist(tmp_path / "there"), pixels[:, None], labels, "MNIST")

    # The checksum is what refuses a changed archive.
    (mirror / resources[0][0]).write_bytes(gzip.compress(b"changed"))
    with pytest.raises(DataError, match=r"MNIST .* could not be downloaded .* connect to"):
        torchvision_sets.mnist(tmp_path / "elsewhere")


def write_cifar(folder: Path, make: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write python pickles as the original archive has them, with their MD5 in torchvision."""
    rng = np.random.default_rng(1)
    hundred = make is datasets.CIFAR100
    pixels = rng.integers(0, 256, (TRAIN + TEST, 3, 32, 32), dtype=np.uint8)
    labels = np.arange(TRAIN + TEST) % 10
    base = folder / make.base_folder
    base.mkdir(parents=True)

    def write(name: str, content: Any) -> str:
        data = pickle.dumps(content, protocol=2)
        (base / name).write_bytes(data)
        return hashlib.md5(data).hexdigest()

    def batch(rows: slice) -> dict[str, Any]:
        key = "fine_labels" if hundred else "labels"
        return {"data": pixels[rows].reshape(-1, 3072), key: labels[rows].tolist()}

    names = [name for name, _ in make.train_list]
    share = TRAIN // len(names)
    lists = [
        [name, write(name, batch(slice(i * share, (i + 1) * share)))]
        for i, name in enumerate(names)
    ]
    monkeypatch.setattr(make, "train_list", lists)
    name = make.test_list[0][0]
    monkeypatch.setattr(make, "test_list", [[name, write(name, batch(slice(TRAIN, None)))]])
    classes = [f"c{number}" for number in range(100 if hundred else 10)]
    meta = dict(make.meta)
    meta["md5"] = write(meta["filename"], {meta["key"]: classes})
    monkeypatch.setattr(make, "meta", meta)
    return pixels, labels


@pytest.mark.parametrize("kind", ["CIFAR10", "CIFAR100"])
def test_cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    make = getattr(datasets, kind)
    pixels, labels = write_cifar(tmp_path, make, monkeypatch)
    splits = getattr(torchvision_sets, kind.lower())(tmp_path, download=False)
    check(splits, pixels, labels, kind)
    assert splits.info.num_classes == (100 if kind == "CIFAR100" else 10)

    # A changed batch no longer has the MD5.
    (tmp_path / make.base_folder / make.test_list[0][0]).write_bytes(b"changed")
    with pytest.raises(DataError, match=rf"{kind} .*corrupted"):
        getattr(torchvision_sets, kind.lower())(tmp_path, download=False)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10", "cifar100"])
def test_offline_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def offline(*arguments: Any, **options: Any) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr(torchvision_utils.urllib.request, "urlopen", offline)
    with pytest.raises(DataError, match="could not be downloaded from its mirrors") as error:
        getattr(torchvision_sets, name)(tmp_path / "data")
    message = str(error.value)
    assert "\n" not in message
    assert "Name or service not known" in message
    assert ("train-images-idx3-ubyte.gz" if "mnist" in name else "-python.tar.gz") in message
    assert str(tmp_path / "data") in message and error.value.exit_code == 2


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_missing_without_download(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"was not found .*data\.download=true"):
        getattr(torchvision_sets, name)(tmp_path, download=False)


@pytest.mark.parametrize("damage", ["cut", "labels", "count"])
def test_damaged_mnist(tmp_path: Path, damage: str) -> None:
    files, _, labels = mnist_files()
    if damage == "cut":
        files["train-images-idx3-ubyte"] = files["train-images-idx3-ubyte"][:1000]
    if damage == "labels":
        files["train-labels-idx1-ubyte"] = idx(labels[:TRAIN] + 200)
    if damage == "count":
        files["t10k-labels-idx1-ubyte"] = idx(labels[:3])
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in files.items():
        (raw / name).write_bytes(content)
    with pytest.raises(DataError, match=r"MNIST in .* delete the folder") as error:
        torchvision_sets.mnist(tmp_path)
    assert "\n" not in str(error.value)
    shutil.rmtree(tmp_path / "MNIST")
