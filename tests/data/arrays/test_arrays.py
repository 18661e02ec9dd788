"""Arrays as samples: targets, layouts, statistics, splits, and what is wrong with them."""

import json
import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from sklearn.datasets import load_digits, load_iris
from sklearn.preprocessing import StandardScaler

from data.arrays.arrays import arrays, look_arrays
from data.arrays.reader import ArrayReader
from data.errors import DataError, SampleError
from data.loading.loaders import loader
from data.loading.sources import BatchSource

CONF = Path(__file__).resolve().parents[3] / "conf"
RANDOM = np.random.default_rng(0)


def everything(part: Any) -> tuple[torch.Tensor, torch.Tensor]:
    every = np.arange(len(part))
    inputs, targets = part.finish(part.fetch(every, 0, 0), every, 0, 0)
    return inputs, targets


def is_source(part: Any) -> bool:
    return isinstance(part, BatchSource)


def save(folder: Path, **named: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in named.items():
        np.save(folder / f"{name}.npy", values)
    return folder


def reader_of(info: Any) -> ArrayReader:
    """From info.json, as a run folder has it."""
    node = json.loads(json.dumps(asdict(info)))["reader"]
    assert node.pop("_target_") == "data.arrays.reader.ArrayReader"
    return ArrayReader(**node)


def test_features_are_scaled_as_scikit_learn_does(tmp_path: Path) -> None:
    iris = load_iris()
    splits = arrays(save(tmp_path / "my arrays", x=iris.data, y=iris.target))
    assert is_source(splits.train)
    scaler = StandardScaler().fit(iris.data[splits.train.rows].astype(np.float32))
    for part in (splits.train, splits.validation, splits.test):
        inputs, targets = everything(part)
        assert np.allclose(inputs, scaler.transform(iris.data[part.rows]), atol=1e-5)
        assert targets.tolist() == iris.target[part.rows].tolist()
        assert torch.equal(part[3][0], inputs[3]) and part[3][1] == targets[3]
    info = splits.info
    assert info.problem == "classification" and info.classes == ("0", "1", "2")
    assert (info.num_outputs, info.input_shape, info.class_counts) == (3, (4,), (35, 35, 35))
    plain = arrays(tmp_path / "my arrays", normalise=False)
    raw = torch.from_numpy(iris.data[plain.train.rows].astype(np.float32))
    assert torch.equal(everything(plain.train)[0], raw)


@pytest.mark.parametrize("kind", ["npz", "pt", "safetensors", "tuple.pt", "python"])
def test_every_file_gives_the_same(tmp_path: Path, kind: str) -> None:
    x, y = RANDOM.normal(size=(60, 5)).astype(np.float32), np.arange(60) % 3
    expected = arrays(save(tmp_path / "npy", x=x, y=y))
    file = tmp_path / f"a.{kind}"
    if kind == "npz":
        np.savez(file, inputs=x, labels=y)
    elif kind == "safetensors":
        from safetensors.numpy import save_file

        save_file({"X": x, "targets": y}, file)
    elif kind == "pt":
        torch.save({"data": torch.from_numpy(x), "target": torch.from_numpy(y)}, file)
    elif kind == "tuple.pt":
        torch.save((torch.from_numpy(x), torch.from_numpy(y)), file)
    given = (
        arrays(inputs=torch.from_numpy(x), targets=torch.from_numpy(y))
        if kind == "python"
        else arrays(file)
    )
    assert given.info.fingerprint == expected.info.fingerprint
    for ours, theirs in zip(everything(given.test), everything(expected.test), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("layout", ["hw", "chw", "hwc"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_pictures_are_scaled_by_channel(tmp_path: Path, layout: Any, dtype: Any) -> None:
    shape = {"hw": (9, 8), "chw": (3, 9, 8), "hwc": (9, 8, 3)}[layout]
    x = RANDOM.integers(0, 256, (40, *shape)).astype(dtype)
    if dtype == np.float32 and layout == "hw":
        x = x[:, :8]  # of other than square numbers nobody can tell
    splits = arrays(save(tmp_path, x=x, y=np.arange(40) % 2))
    assert splits.info.layout == layout
    chw = np.moveaxis(x, -1, 1) if layout == "hwc" else x.reshape(40, -1, *x.shape[-2:])
    chw = chw.astype(np.float64) / (255 if dtype == np.uint8 else 1)
    train = chw[splits.train.rows]
    mean, std = train.mean(axis=(0, 2, 3)), train.std(axis=(0, 2, 3))
    assert np.allclose(splits.info.mean, mean) and np.allclose(splits.info.std, std)
    inputs, _ = everything(splits.test)
    scaled = (chw - mean[:, None, None]) / std[:, None, None]
    assert np.allclose(inputs, scaled[splits.test.rows], atol=1e-5)
    assert splits.info.channels == inputs.shape[1] and splits.info.height == inputs.shape[2]
    picture = splits.test.picture(0)
    assert picture.dtype == np.uint8 and picture.shape[:2] == inputs.shape[2:]
    size = 1 if dtype == np.uint8 else 4
    assert splits.train.resident_bytes == x[0].size * len(splits.train) * size


@pytest.mark.parametrize(
    ("x", "layout"),
    [
        (RANDOM.integers(0, 256, (30, 8, 8), dtype=np.uint8), "hw"),
        (RANDOM.integers(0, 256, (30, 8, 8, 3), dtype=np.uint8), "hwc"),
        (RANDOM.normal(size=(30, 3, 8, 8)), "chw"),
        (RANDOM.normal(size=(30, 20, 2)), "sequence"),
        (RANDOM.normal(size=(30, 2, 3, 4, 5)), "any"),
        (RANDOM.integers(0, 9, (30, 6)), "flat"),
        (RANDOM.normal(size=30), "flat"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value.shape),
)
def test_the_reader_gives_the_bits_of_the_dataset(tmp_path: Path, x: Any, layout: str) -> None:
    folder = save(tmp_path, x=x, y=np.arange(30) % 2)
    splits = arrays(folder)
    assert splits.info.layout == layout
    reader = reader_of(splits.info)
    given = {each.name.replace("x.npy", "x"): each for each in reader.expand(str(folder / "x.npy"))}
    samples = [reader.read(given[name].source) for name in splits.test.names]
    expected = everything(splits.test)[0].numpy()
    assert reader.batch(samples).tobytes() == expected.tobytes()
    assert np.array_equal(samples[0], splits.test.raw(0))
    assert samples[0].dtype == splits.test.raw(0).dtype
    assert [each.name for each in reader.expand(str(folder))][:2] == ["x[0]", "x[1]"]


def test_a_file_may_hold_one_sample_alone_and_others_are_refused(tmp_path: Path) -> None:
    x = RANDOM.normal(size=(30, 6))
    splits = arrays(save(tmp_path, x=x, y=np.arange(30) % 2))
    reader = reader_of(splits.info)
    save(tmp_path / "new", one=x[3], wide=x[:, :5], text=np.array(["a"] * 6), nan=x[0] * np.nan)
    assert np.array_equal(reader.read(str(tmp_path / "new/one.npy")), x[3].astype(np.float32))
    assert np.array_equal(reader.read((tmp_path / "new/one.npy").read_bytes()), x[3].astype("f4"))
    for name, message in (
        ("wide", r"wide\.npy has shape \[30, 5\]"),
        ("text", "holds <U1"),
        ("nan", "NaN or infinite"),
    ):
        with pytest.raises(SampleError, match=message):
            reader.read(str(tmp_path / f"new/{name}.npy"))
    save(tmp_path, new=np.array([x[0], x[0] * np.nan]))
    (_, second) = reader.expand(str(tmp_path / "new.npy"))
    with pytest.raises(SampleError, match=r"^new\.npy\[1\] holds NaN"):
        reader.read(second.source)
    pixels = RANDOM.integers(0, 256, (30, 8, 8), dtype=np.uint8)
    reader = reader_of(arrays(save(tmp_path / "p", x=pixels, y=np.arange(30) % 2)).info)
    with pytest.raises(SampleError, match="trained on uint8"):
        reader.read(pixels[0] / 255)
    with pytest.raises(DataError, match="of a reader"):
        ArrayReader(shape=[3], layout="flat", mean=[0.0], std=[1.0])


@pytest.mark.parametrize(
    ("targets", "problem", "classes"),
    [
        (np.arange(40) % 10 + 1, "classification", tuple(map(str, range(1, 11)))),
        (np.where(np.arange(40) % 2, 1, -1), "classification", ("-1", "1")),
        (np.array(["cat", "dog"] * 20), "classification", ("cat", "dog")),
        (np.arange(40) % 2 == 0, "classification", ("0", "1")),
        ((np.arange(40) % 2)[:, None], "classification", ("0", "1")),
        (np.eye(4)[np.arange(40) % 4], "classification", ("0", "1", "2", "3")),
        (RANDOM.integers(0, 2, (40, 3)), "multilabel", ("label_0", "label_1", "label_2")),
        (RANDOM.normal(size=40), "regression", ()),
        (RANDOM.normal(size=(40, 2)), "regression", ()),
        (np.arange(400) * 7, "regression", ()),
    ],
    ids=[
        "from 1",
        "-1 and 1",
        "text",
        "bool",
        "column",
        "one-hot",
        "labels",
        "number",
        "two",
        "many",
    ],
)
def test_what_targets_are_is_seen(
    tmp_path: Path, targets: Any, problem: str, classes: tuple[str, ...]
) -> None:
    x = RANDOM.normal(size=(len(targets), 3))
    splits = arrays(save(tmp_path, x=x, y=targets))
    info = splits.info
    assert (info.problem, info.classes, info.num_classes) == (problem, classes, len(classes))
    assert look_arrays(tmp_path, {}).problem == problem
    _, batch = everything(splits.train)
    if problem == "classification":
        assert batch.dtype == torch.int64 and batch.max() < len(classes) == info.num_outputs
        assert sum(info.class_counts) == len(splits.train)
    elif problem == "multilabel":
        assert np.array_equal(batch, targets[splits.train.rows].astype(np.float32))
    else:
        own = batch.double().numpy() * info.target_std + info.target_mean
        assert np.allclose(own.ravel(), targets[splits.train.rows].ravel(), rtol=1e-5, atol=1e-5)
        assert np.allclose(batch.mean(dim=0), 0, atol=1e-5)


def test_given_splits_stay_apart_and_files_stay_mapped(tmp_path: Path) -> None:
    x = RANDOM.normal(size=(90, 4)).astype(np.float32)
    parts = {"train": slice(0, 60), "val": slice(60, 70), "test": slice(70, 90)}
    save(tmp_path, **{f"x_{k}": x[v] for k, v in parts.items()})
    save(tmp_path, **{f"y_{k}": np.arange(90)[v] % 2 for k, v in parts.items()})
    splits = arrays(tmp_path)
    sizes = (splits.info.num_train, splits.info.num_validation, splits.info.num_test)
    assert sizes == (60, 10, 20) and splits.train.inputs.is_mapped
    assert np.allclose(splits.info.mean, x[:60].mean(axis=0), atol=1e-6)
    assert np.array_equal(splits.test.raw(3), x[73])
    content = pickle.dumps(splits.test)
    assert len(content) < 5000 and x[:9].tobytes()[:32] not in content  # mapped again, not copied
    again = pickle.loads(content)  # noqa: S301  # our own
    assert torch.equal(everything(again)[0], everything(splits.test)[0])
    (tmp_path / "x_val.npy").unlink()
    assert arrays(tmp_path, validation=0.1).info.num_test == 20


def test_what_is_wrong_is_told_with_a_remedy(tmp_path: Path) -> None:
    x, y = RANDOM.normal(size=(40, 3)), np.arange(40) % 2
    x[[7, 20], 1] = (np.nan, 1e300)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"x": x, "y": y}, r"2 rows of x hold NaN, .*\(row 7, 20\)"),
        ({"x": np.ones((40, 3)), "y": y[:39]}, "40 samples and y .* as many targets as 39"),
        ({"x": np.ones((40, 3)), "z": y}, "has no targets beside it"),
        ({"a": y, "b": y}, r"no inputs among a \[40\], b \[40\]"),
        ({"x": np.array([["a"]] * 40), "y": y}, "x holds <U1; give numbers"),
        ({"x": np.ones((40, 3)), "y": np.zeros(40, int)}, "one class .* only"),
        ({"x": np.ones((40, 3)), "y": x[:, 1]}, "1 targets of y are NaN"),
    ]
    for number, (named, message) in enumerate(cases):
        with pytest.raises(DataError, match=message):
            arrays(save(tmp_path / str(number), **named))
    with pytest.raises(DataError, match=r"data\.path is needed"):
        arrays()
    with pytest.raises(DataError) as error:
        arrays(tmp_path / "0", problem="guess", layout="odd")  # type: ignore[arg-type]
    assert len(error.value.problems) == 2
    with pytest.raises(DataError, match=r"'z', but there are x \[40, 3\]"):
        arrays(tmp_path / "0", inputs="z")


def test_python_objects_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    np.save(tmp_path / "a/x.npy", np.array([{"a": 1}], dtype=object))
    np.save(tmp_path / "a/y.npy", np.array([1]))
    with pytest.raises(DataError, match="holds Python objects, which can run code"):
        arrays(tmp_path / "a")
    torch.save({"x": torch.nn.Linear(1, 1)}, tmp_path / "model.pt")
    with pytest.raises(DataError, match="holds other things than tensors, which can run code"):
        arrays(tmp_path / "model.pt")
    (tmp_path / "bad.npz").write_bytes(b"PK\3\4 no archive")
    with pytest.raises(DataError, match="can't be read"):
        arrays(tmp_path / "bad.npz")


def test_other_arrays_are_seen_as_the_model_sees_them(tmp_path: Path) -> None:
    x, names = RANDOM.normal(size=(60, 4)), np.array(["a", "b", "c"])[np.arange(60) % 3]
    own = arrays(save(tmp_path / "one", x=x, y=names))
    other = arrays(save(tmp_path / "two", x=x[:40], y=np.array(["c", "b"])[np.arange(40) % 2]))
    seen = other.test.seen_as(own.info, other.info.classes)
    told = [own.info.classes[label] for label in seen.labels.tolist()]
    assert told == [other.info.classes[label] for label in other.test.labels.tolist()]
    scaled = (x[:40][seen.rows].astype("f4") - np.array(own.info.mean, "f4")) / np.array(
        own.info.std, "f4"
    )
    assert np.allclose(everything(seen)[0], scaled)
    wide = arrays(save(tmp_path / "wide", x=x[:, :3], y=RANDOM.normal(size=60)))
    with pytest.raises(DataError) as error:
        wide.test.seen_as(own.info, ())
    assert len(error.value.problems) == 2
    with pytest.raises(DataError, match="class 'a' of the data is unknown"):
        own.test.seen_as(other.info, own.info.classes)


def test_a_look_chooses_the_model(tmp_path: Path) -> None:
    digits = load_digits()
    pixels = (digits.images * 15.9375).astype(np.uint8)
    look = look_arrays(save(tmp_path / "d", x=pixels, y=digits.target), {})
    assert (look.kind, look.model, look.problem) == ("arrays", "cnn", "classification")
    assert look_arrays(save(tmp_path / "f", x=digits.data, y=digits.target), {}).model == "mlp"
    waves = save(tmp_path / "w", x=RANDOM.normal(size=(30, 20, 2)), y=np.arange(30) % 2)
    assert look_arrays(waves, {}).model == "series_cnn"
    assert look_arrays(waves, {"problem": "regression"}).problem == "regression"
    assert look_arrays(tmp_path, {}).certainty == look_arrays(None, {}).certainty == 0
    explicit = arrays(waves, **look_arrays(waves, {}).data)
    assert explicit.info == arrays(waves).info


def test_the_config_builds_and_loaders_agree(tmp_path: Path) -> None:
    config = OmegaConf.load(CONF / "data/arrays.yaml")
    config.path = str(save(tmp_path, x=RANDOM.normal(size=(60, 4)), y=np.arange(60) % 3))
    splits = instantiate(config, _convert_="all")
    options: dict[str, Any] = {"shuffle": True, "seed": 0, "device": "cpu", "batch_size": 16}
    here, there = (
        list(loader(splits.train, resident=resident, **options).epoch(0))
        for resident in (True, False)
    )
    for first, second in zip(here, there, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert splits.train.sample_text(0).startswith("[")


def test_whole_numbers_that_are_fractions_by_type_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    x = RANDOM.normal(size=(60, 3))
    folder = save(tmp_path, x=x, y=np.arange(60) % 2.0)
    assert arrays(folder).info.problem == "regression"
    assert "float64" in caplog.text and "data.problem=classification" in caplog.text
    assert "data.problem=classification" in " ".join(look_arrays(folder, {}).about)
    caplog.clear()
    arrays(folder, problem="regression")
    arrays(save(tmp_path / "fractions", x=x, y=x[:, 0]))
    assert not caplog.text


def test_files_that_are_something_else_are_told_as_that(tmp_path: Path) -> None:
    lone = save(tmp_path / "lone", x=np.float32(3), y=np.arange(4))
    with pytest.raises(DataError, match="single number"):
        arrays(lone)
    text = tmp_path / "a.npz"
    text.write_bytes(b"hello")
    with pytest.raises(DataError, match=r"no \.npz file inside"):
        arrays(text)
    torch.save({"x": np.zeros((4, 2)), "y": np.arange(4)}, tmp_path / "a.pt")
    with pytest.raises(DataError, match=r"save tensors by name: torch\.save"):
        arrays(tmp_path / "a.pt")
