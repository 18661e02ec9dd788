"""Datasets of the `datasets` library, from local files, without a network."""

import csv
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from data.errors import DataError
from data.hub import hub
from data.hub.look import look_hub
from data.images import images
from data.info import ImageInfo

datasets = pytest.importorskip("datasets")
pytestmark = [
    # Its own use of deprecated functions of Python and of its dependencies.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Caches of its own, and no network: what asks for one is written down."""
    asked: list[Any] = []

    def refuse(*arguments: Any, **options: Any) -> Any:
        asked.append(arguments)
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    monkeypatch.setenv("FIVESTEP_CACHE", str(tmp_path / "cache"))
    return asked


def pictures(folder: Path, counts: dict[str, int]) -> Path:
    for split, count in counts.items():
        for name in ("cat", "dog"):
            for index in range(count):
                path = folder / split / name / f"{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                seed = hash((split, name, index)) % 1000
                pixels = np.random.default_rng(seed).integers(0, 256, (12, 14, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(path)
    return folder


def table(path: Path, columns: list[str], rows: list[list[Any]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def test_a_folder_of_images_has_the_samples_of_our_own_reading(
    tmp_path: Path, alone: list[Any]
) -> None:
    folder = pictures(tmp_path / "my pictures", {"train": 8, "test": 3})
    found = hub(path=folder, validation=0.25)
    ours = images(folder, size=[12, 14], validation=0.25)
    assert found.info.classes == ("cat", "dog") and found.info.num_test == 6
    assert isinstance(found.info, ImageInfo) and found.info.mean == ours.info.mean
    assert torch.equal(found.test.samples, ours.test.samples)
    assert torch.equal(found.test.labels, ours.test.labels)
    assert found.test.names[0] == "test[0]" and not alone
    again = hub(path=folder, validation=0.25, cache="disk")
    assert again.info == found.info
    assert torch.equal(again.train[3][0], found.train[3][0])


def test_a_table(tmp_path: Path, alone: list[Any]) -> None:
    rows = [[i / 2, i % 7, "good" if i % 2 else "bad"] for i in range(40)]
    path = table(tmp_path / "wines.csv", ["acid", "a number", "quality"], rows)
    found = hub(path=path, target="quality")
    assert found.info.classes == ("bad", "good") and found.info.num_train == 28
    assert len(found.train[0][0]) == 2 and not alone


def test_classes_and_splits_of_a_saved_dataset(tmp_path: Path) -> None:
    features = datasets.Features(
        {
            "text": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["neg", "pos"]),
            "id": datasets.Value("int64"),
        }
    )
    parts = {
        split: datasets.Dataset.from_dict(
            {
                "text": [f"the film {i} was {('bad', 'fine')[i % 2]}" for i in range(count)],
                "label": [i % 2 for i in range(count)],
                "id": list(range(count)),
            },
            features=features,
        )
        for split, count in (("train", 30), ("test", 10), ("unsupervised", 5))
    }
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "films"))
    found = hub(path=tmp_path / "films", validation=0.2)
    assert found.info.classes == ("neg", "pos") and found.info.num_test == 10
    assert found.info.num_train + found.info.num_validation == 30
    texts = [found.test.sample_text(index) for index in range(10)]
    assert all(("fine" in text) == bool(i % 2) for i, text in enumerate(texts))
    seen = look_hub(tmp_path / "films", {})
    assert seen.data == {"kind": "text", "target": "label"} and seen.certainty == 1
    assert seen.problem == "classification"


@pytest.mark.parametrize(
    ("label", "problem", "classes"),
    [
        (lambda i: ("x", "y")[i % 2], "classification", ("x", "y")),
        (lambda i: i % 3, "classification", ("0", "1", "2")),
        (lambda i: i / 3, "regression", ()),
        (lambda i: [["a"], ["a", "b"], []][i % 3], "multilabel", ("a", "b")),
    ],
)
def test_targets_of_images(tmp_path: Path, label: Any, problem: str, classes: Any) -> None:
    shots = [Image.new("L", (6, 5), 8 * i) for i in range(30)]
    made = datasets.Dataset.from_dict(
        {"shot": shots, "what": [label(i) for i in range(30)]},
        features=None
        if problem != "multilabel"
        else datasets.Features(
            {"shot": datasets.Image(), "what": datasets.List(datasets.Value("string"))}
        ),
    )
    made.save_to_disk(str(tmp_path / "made"))
    info = hub(path=tmp_path / "made").info
    assert (info.problem, info.classes, info.input_shape) == (problem, classes, (1, 5, 6))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "data.name or data.path is needed"),
        ({"name": "a/b", "path": "x"}, "data.name or data.path is needed, one of them"),
        ({"path": "nowhere"}, "nowhere in data.path does not exist"),
        ({"path": "wines.csv", "target": "qualty"}, "column 'qualty' in data.target is none"),
        ({"path": "wines.csv", "kind": "songs"}, "kind ('songs') in data.kind; choose"),
        ({"path": "wines.csv", "kind": "images"}, "has no column of images"),
        ({"path": "wines.csv", "options": {"colour": 1}}, "data.options can't be used for table"),
        ({"path": "notes.xyz"}, "is a file of no kind that is read here"),
        ({"path": "empty"}, "empty in data.path can't be opened by datasets"),
    ],
)
def test_what_is_wrong_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    table(tmp_path / "wines.csv", ["acid", "quality"], [[i, i % 2] for i in range(20)])
    (tmp_path / "notes.xyz").write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError) as error:
        hub(**options)
    assert told in str(error.value) and "\n" not in str(error.value)
    assert look_hub(Path("nowhere"), {}).certainty == 0


def test_offline_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"ylecun/mnist in data\.name can't be had .*data\.path"):
        hub("ylecun/mnist")


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"needs the datasets library .*pip install 'fivestep\[hub"):
        hub(path=tmp_path)
