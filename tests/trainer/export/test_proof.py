"""The gate bites: whatever is not the model's is refused, and leaves nothing that looks usable."""

import json
import os
import re
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from subjects import Branch, Convolution, Fixed, Net, Noisy, Undefined, pairs, trained

from trainer.errors import CannotWrite, Failed, Refused
from trainer.export import Artefacts
from trainer.export.formats import FILES
from trainer.export.fresh import Broken, Fresh
from trainer.export.manifest import read_manifest
from trainer.export.metrics import measure
from trainer.export.onnx import Onnx
from trainer.export.parity import Parity
from trainer.export.proof import Case, compare_sizes
from trainer.export.subject import Subject
from trainer.export.torchscript import TorchScript
from trainer.trained import Trained


class Told:
    """A console that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.warned: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.warned.append(text)


def net() -> Net:
    """The same weights each time."""
    torch.manual_seed(0)
    return Net()


def write(made: Trained, folder: Path, *formats: Any, **options: Any) -> Told:
    console: Any = Told()
    named = {f"format {number}": each for number, each in enumerate(formats or (Once(),))}
    Artefacts(named, **options).write(made, folder, console)
    told: Told = console
    return told


class Once(Onnx):
    """An exporter that translates the same weights once: what is tested here comes after it."""

    known: ClassVar[dict[str, tuple[bytes, dict[str, Any]]]] = {}

    def convert(self, subject: Subject, folder: Path) -> dict[str, Any]:
        path = folder / FILES["onnx"]
        if subject.weights not in self.known:
            told = super().convert(subject, folder)
            self.known[subject.weights] = path.read_bytes(), told
        content, told = self.known[subject.weights]
        path.write_bytes(content)
        return dict(told)


class Perturbed(Once):
    """An exporter that gets one weight slightly wrong."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def convert(self, subject: Subject, folder: Path) -> dict[str, Any]:
        import onnx
        from onnx import numpy_helper

        told = super().convert(subject, folder)
        path = str(folder / FILES["onnx"])
        model = onnx.load(path)
        weight = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
        numbers = numpy_helper.to_array(weight).copy()
        numbers.flat[3] += self.by
        weight.CopyFrom(numpy_helper.from_array(numbers, weight.name))
        onnx.save(model, path)
        return told


class OneSize(Onnx):
    """An exporter that fixes the batch size."""

    def convert(self, subject: Subject, folder: Path) -> dict[str, Any]:
        for each in subject.inputs:
            each.dynamic.clear()  # type: ignore[attr-defined]
        return super().convert(subject, folder)


class Cut(Once):
    """A disk that loses the end of a file."""

    def convert(self, subject: Subject, folder: Path) -> dict[str, Any]:
        told = super().convert(subject, folder)
        path = folder / FILES["onnx"]
        path.write_bytes(path.read_bytes()[:-500])
        return told


class Full(Onnx):
    """A disk without room."""

    def convert(self, subject: Subject, folder: Path) -> dict[str, Any]:
        raise CannotWrite("cannot write: no room")


GATES = [
    (Perturbed(0.01), r"an output differs by 0\.0\d+, and [\d.e-]+ is allowed.*export.rtol="),
    (OneSize(), r"it fails on \[1, 8\]: .*Got invalid dimensions"),
    (Cut(), "it can't be loaded: InvalidProtobuf"),
]


@pytest.mark.parametrize(("each", "reason"), GATES)
def test_a_false_artefact_is_refused_and_an_older_one_goes(
    each: Onnx, reason: str, tmp_path: Path
) -> None:
    made = trained(net(), pairs(12, 5))
    folder = tmp_path / "export"
    folder.mkdir()
    for name in ("model.onnx", "predict.py", "mine.txt"):
        (folder / name).write_text("from before")
    with pytest.raises(
        Failed, match=f"failed its proof, and nothing of it is kept: onnx: {reason}"
    ):
        write(made, folder, each)
    assert {path.name for path in folder.iterdir()} == {"manifest.json", "mine.txt"}
    assert [path.name for path in tmp_path.iterdir()] == ["export"]
    manifest = read_manifest(folder)
    assert manifest.artefacts == {} and re.match(reason, manifest.failed["onnx"])


def test_what_is_within_the_tolerance_stands(tmp_path: Path) -> None:
    made = trained(net(), pairs(12, 5))
    told = write(made, tmp_path / "export", Perturbed(1e-6))
    assert "model.onnx" in told.said[0] and not told.warned
    parity = read_manifest(tmp_path / "export").artefacts["onnx"]["parity"]
    assert 0 < parity["largest_absolute_difference"] < 1e-5
    assert parity["batch_sizes"] == [1, 2, 5, 7, 12] and parity["samples"] == 22 + 17
    assert parity["equal_decisions"] == 1.0


def test_the_metrics_are_measured_on_the_artefact(tmp_path: Path) -> None:
    made = trained(net(), pairs(12, 5))
    write(made, tmp_path / "export")
    manifest = read_manifest(tmp_path / "export")
    found = manifest.artefacts["onnx"]["metrics"]
    assert made.loaders is not None
    batches: list[Any] = list(made.loaders.train.epoch(0))
    with torch.no_grad():
        outputs = torch.cat([made.modules["model"](inputs) for inputs, _ in batches])
    target = torch.cat([target for _, target in batches])
    right = float((outputs.argmax(1) == target).double().mean())
    assert found["test/accuracy"] == manifest.metrics["test/accuracy"] == pytest.approx(right)
    loss = float(torch.nn.functional.cross_entropy(outputs, target))
    assert found["test/loss"] == pytest.approx(loss, abs=1e-5)


class Pictures:
    """A dataset whose pictures are its inputs, times 255."""

    def __init__(self, inputs: NDArray[Any]) -> None:
        self.inputs = inputs

    def picture(self, index: int) -> NDArray[np.uint8]:
        picture: NDArray[np.uint8] = np.rint(self.inputs[index] * 255).astype(np.uint8)
        return picture.transpose(1, 2, 0)


class Reader:
    """Reads pictures; `apart` is what it gets wrong."""

    def __init__(self, apart: float = 0.0) -> None:
        self.apart = np.float32(apart)

    def batch(self, samples: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        found = np.stack(samples).transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
        return np.asarray(found + self.apart, dtype=np.float32)

    def script(self) -> str:
        return PREDICT


PREDICT = """
import json, sys
from pathlib import Path
import numpy, onnxruntime
from PIL import Image
here = Path(__file__).parent
session = onnxruntime.InferenceSession(here / "model.onnx")
for name in sys.argv[5:]:
    pixels = numpy.asarray(Image.open(name), dtype=numpy.float32)[None, None] / 255
    logits = session.run(None, {"images": pixels})[0][0].astype(float)
    powers = numpy.exp(logits - logits.max())
    found = [[f"class {n}", round(p, 6)] for n, p in enumerate(powers / powers.sum())]
    print(json.dumps({"label": "", "probability": 0, "top_k": found}))
"""


def with_pictures(reader: Any) -> Trained:
    torch.manual_seed(1)
    feed = pairs(6, 4, shape=(1, 8, 8))
    grid = [torch.rand(size, 1, 8, 8).mul(255).round().div(255) for size in (6, 4)]
    targets = [target for _, target in feed.batches]
    feed.batches = list(zip(grid, targets, strict=True))
    dataset = Pictures(torch.cat(grid).numpy())
    splits: Any = SimpleNamespace(train=dataset, validation=dataset, test=dataset)
    torch.manual_seed(0)
    return replace(trained(Convolution(), feed), reader=reader, splits=splits)


def test_the_bundle_is_tried_by_itself(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    write(with_pictures(Reader()), folder)
    names = {path.name for path in folder.iterdir()}
    assert names == {"manifest.json", "model.onnx", "predict.py"}


@pytest.mark.parametrize("apart", [np.nextafter(np.float32(1), np.float32(2)) - 1, 0.1])
def test_other_preprocessing_is_refused(apart: float, tmp_path: Path) -> None:
    with pytest.raises(Failed, match="the reader gives other inputs than those that were eval"):
        write(with_pictures(Reader(apart)), tmp_path / "export")
    assert [path.name for path in (tmp_path / "export").iterdir()] == ["manifest.json"]


BUNDLES = {
    PREDICT.replace("/ 255", "/ 256"): "predict.py says  with a probability of",
    PREDICT.replace("import numpy", "import torch, numpy"): "predict.py fails: .*torch",
    PREDICT.replace('"class {n}"', '"klass {n}"'): "predict.py says",
    "raise SystemExit(3)": "predict.py fails: it ended with code 3 and 0 rows",
}


@pytest.mark.parametrize("source", BUNDLES)
def test_a_bundle_that_says_something_else_is_refused(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reader, "script", lambda self: source)
    with pytest.raises(Failed, match=BUNDLES[source]):
        write(with_pictures(Reader()), tmp_path / "export")
    assert [path.name for path in (tmp_path / "export").iterdir()] == ["manifest.json"]


def test_a_reader_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reader, "batch", lambda self, samples: samples[99])
    with pytest.raises(Failed, match="the reader can't make a batch of what is evaluated: Index"):
        write(with_pictures(Reader()), tmp_path / "export")


@pytest.mark.parametrize("model", [Undefined, Noisy])
def test_a_model_without_numbers_or_with_random_ones_is_refused(model: type[Branch]) -> None:
    made = trained(model(), pairs(6))
    assert made.loaders is not None
    subject = Subject(made, list(made.loaders.train.epoch(0)))
    nobody: Any = None
    case = Case("onnx", nobody, Parity(1e-5, 1e-4))
    compare_sizes([case], subject, subject.batches[0], (1, 2))
    assert case.refusal is not None
    told = "gives NaN" if model is Undefined else "gives other outputs each time"
    assert told in case.refusal
    if model is Undefined:
        metrics = measure([case], subject, made, "test", made.loaders.train, 100)
        assert metrics == {}


def test_what_cant_be_converted_is_a_warning(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "model.onnx").write_text("from before")
    told = write(trained(Branch(), pairs(6)), folder)
    assert len(told.warned) == 1 and told.warned[0].startswith("not exported as onnx: what the mod")
    assert not told.said and not (folder / "model.onnx").exists()
    assert "torch.where" in read_manifest(folder).failed["onnx"]
    # Scripting takes the loop that torch.export can't.
    told = write(trained(Fixed(), pairs(6)), folder, Onnx(), TorchScript())
    assert "fixes the size of batch" in told.warned[0]
    manifest = read_manifest(folder)
    assert list(manifest.artefacts) == ["torchscript"] and list(manifest.failed) == ["onnx"]


def test_nothing_is_left_of_an_export_that_the_disk_ended(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite):
        write(trained(net(), pairs(6)), tmp_path / "export", Full())
    assert not list(tmp_path.iterdir())


def test_formats_that_dont_go_together_are_refused() -> None:
    for formats in ({}, {"one": Onnx(), "other": Onnx(18)}):
        with pytest.raises(Refused, match=r"export\.formats"):
            Artefacts(formats)


@pytest.fixture(scope="module")
def onnx_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("onnx")
    made = trained(net(), pairs(6))
    assert made.loaders is not None
    Once().convert(Subject(made, list(made.loaders.train.epoch(0))), folder)
    return folder


def test_a_process_that_dies_is_told(onnx_folder: Path) -> None:
    features = np.ones((2, 8), dtype=np.float32)
    with Fresh("onnx", 1) as process:
        assert process.open(onnx_folder, ["features"]) > 0
        assert process.run([features]).shape == (2, 3)
        with pytest.raises(Broken, match="InvalidArgument"):
            process.run([np.ones((2, 9), dtype=np.float32)])
        assert process.run([features]).shape == (2, 3)  # an error is no end
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(Broken, match="was ended by SIGKILL"):
            process.run([features])


def test_a_process_that_hangs_is_ended(onnx_folder: Path) -> None:
    with Fresh("onnx", 1, patience=0.2) as process:
        os.kill(process.pid, signal.SIGSTOP)
        begin = time.monotonic()
        with pytest.raises(Broken, match="no answer for too long"):
            process.open(onnx_folder, ["features"])
        assert time.monotonic() - begin < 30
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]


def test_the_process_of_onnx_never_sees_torch(onnx_folder: Path) -> None:
    maps = Path("/proc")
    with Fresh("onnx", 1) as process:
        process.open(onnx_folder, ["features"])
        process.run([np.ones((2, 8), dtype=np.float32)])
        loaded = (maps / str(process.pid) / "maps").read_text()
    assert "onnxruntime" in loaded and "libtorch" not in loaded


def test_a_manifest_is_plain_json(tmp_path: Path) -> None:
    write(trained(net(), pairs(6)), tmp_path / "export")
    content = json.loads((tmp_path / "export/manifest.json").read_text())
    assert content["inputs"][0]["shape"] == [None, 8] and content["reader"] is None
    assert content["output"] == {
        "name": "logits",
        "dtype": "float32",
        "shape": [None, 3],
        "activation": "softmax",
    }
    assert set(content["artefacts"]["onnx"]["latency_ms"]) == {"1", "32"}
    assert content["run"]["step"] == 7


class Bare(torch.nn.Module):
    """A task without `example`."""

    def __init__(self, task: Any) -> None:
        super().__init__()
        self.model, self.task = task.model, [task]

    def predict(self, modules: Any, batch: Any) -> Any:
        return self.task[0].predict(modules, batch)


def test_a_task_of_another_kind_says_what_it_lacks(tmp_path: Path) -> None:
    made = trained(net(), pairs(6))
    task: Any = Bare(made.task)
    told = write(replace(made, task=task), tmp_path / "export")
    assert (
        "the task Bare doesn't say what is exported; give it a method `example`" in told.warned[0]
    )
    assert read_manifest(tmp_path / "export").inputs == []
