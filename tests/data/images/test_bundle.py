"""predict.py of the bundle: one file, without torch or fivestep, with the pixels of validation."""

import ast
import csv
import hashlib
import importlib
import io
import json
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data.images import bundle, standalone
from data.images.reader import ImageReader

CLASSES = ["black", "gray, or so", "white"]
DRAWN = Path(__file__).parents[2] / "users" / "drawn_digits"
READER = ImageReader(height=6, width=8, channels=3, fit="crop", mean=[0.5, 0.4, 0.3], std=[1, 2, 3])
WEIGHTS = np.random.default_rng(0).normal(size=(3 * 6 * 8, 3)).astype(np.float32)

Run = Callable[..., Any]


def write_manifest(folder: Path, **changes: Any) -> None:
    model = (folder / "model.onnx").read_bytes()
    content = {
        "classes": CLASSES,
        "reader": READER.node,
        "inputs": [{"name": "images", "dtype": "float32", "shape": [None, 3, 6, 8]}],
        "artefacts": {"onnx": {"file": "model.onnx", "sha256": hashlib.sha256(model).hexdigest()}},
    }
    (folder / "manifest.json").write_text(json.dumps(content | changes))


def export(folder: Path) -> Path:
    """A linear model as an ONNX bundle."""
    from onnx import TensorProto, helper, numpy_helper, save

    def values(name: str, shape: list[Any]) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["images"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        ],
        "linear",
        [values("images", ["batch", 3, 6, 8])],
        [values("logits", ["batch", 3])],
        [numpy_helper.from_array(WEIGHTS, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    save(model, folder / "model.onnx")
    write_manifest(folder)
    (folder / "predict.py").write_text(READER.script(), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The only packages of an environment: numpy, Pillow and onnxruntime."""
    folder = tmp_path_factory.mktemp("packages")
    for name in ("numpy", "PIL", "onnxruntime"):
        spec = find_spec(name)
        assert spec and spec.origin
        place = Path(spec.origin).parent
        (folder / name).symlink_to(place)
        # Wheels keep shared libraries beside the package.
        for beside in place.parent.glob(f"{'pillow' if name == 'PIL' else name}.libs"):
            (folder / beside.name).symlink_to(beside)
    return folder


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(tmp_path_factory.mktemp("export"))


@pytest.fixture
def run(bare: Path, exported: Path, tmp_path: Path) -> Run:
    """Runs predict.py as `python predict.py ...` does where nothing else is installed."""

    def command(*words: str, packages: Path = bare, script: Path = exported, **options: Any) -> Any:
        start = (
            "import runpy, sys; path, *sys.argv = sys.argv[1:]; sys.path.append(path)\n"
            "runpy.run_path(sys.argv[0], run_name='__main__')"
        )
        line = [sys.executable, "-I", "-S", "-c", start, str(packages), str(script / "predict.py")]
        return subprocess.run(
            [*line, *words], capture_output=True, cwd=tmp_path, **{"text": True, **options}
        )

    return command


def pictures(folder: Path) -> list[str]:
    """Files of several sizes and modes, one of them no image."""
    random = np.random.default_rng(1)
    for number, mode in enumerate(("RGB", "L", "RGBA", "P")):
        pixels = random.integers(0, 256, (9 + number, 20 - number, 3), dtype=np.uint8)
        (folder / "some").mkdir(exist_ok=True)
        Image.fromarray(pixels).convert(mode).save(folder / "some" / f"{number}.png")
    return sorted(f"some/{path.name}" for path in (folder / "some").iterdir())


def expected(folder: Path, name: str) -> dict[str, float]:
    """Probabilities by what `fivestep` itself does with a file."""
    batch = READER.batch([READER.read(str(folder / name))])
    logits = (batch.reshape(1, -1) @ WEIGHTS).astype(np.float64)[0]
    powers = np.exp(logits - logits.max())
    return dict(zip(CLASSES, (powers / powers.sum()).tolist(), strict=True))


def test_there_is_neither_torch_nor_fivestep_in_that_environment(bare: Path) -> None:
    code = (
        f"import sys; sys.path.append({str(bare)!r}); import numpy, PIL, onnxruntime\n"
        "for name in ('torch', 'trainer', 'data', 'models', 'hydra'):\n"
        "    try: __import__(name)\n"
        "    except ModuleNotFoundError: continue\n"
        "    sys.exit(name)\n"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)


def test_rows_are_those_of_the_models_own_reader(run: Run, tmp_path: Path) -> None:
    names = pictures(tmp_path)
    (tmp_path / "some" / "4.png").write_text("no picture")
    done = run("some", "--format", "jsonl", "--top", "3")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["input"] for row in rows] == [*names, "some/4.png"]
    for name, row in zip(names, rows, strict=False):
        right = expected(tmp_path, name)
        assert dict(row["top_k"]) == pytest.approx(right, abs=2e-6)
        assert row["label"] == max(right, key=lambda label: right[label])
        assert row["probability"] == row["top_k"][0][1] and row["error"] is None
    assert rows[-1] | {"error": ""} == {
        "input": "some/4.png", "label": None, "probability": None, "top_k": [], "error": ""
    }  # fmt: skip
    # The unreadable one is named, the others went through, and the exit code tells.
    assert done.returncode == 7
    assert done.stderr.startswith("error: some/4.png is not an image") and len(done.stderr) < 150

    assert run("some/[0-3].png", "--format", "csv").returncode == 0
    lines = list(csv.DictReader(io.StringIO(run("some", "--format", "csv").stdout)))
    for line, row in zip(lines, rows, strict=True):
        assert list(line) == ["input", "label", "probability", "top_k", "error"]
        assert line["label"] == (row["label"] or "") and line["error"] == (row["error"] or "")
        assert json.loads(line["top_k"] or "[]") == row["top_k"]


def test_the_table_and_standard_input(run: Run, tmp_path: Path) -> None:
    names = pictures(tmp_path)
    header, *lines = run(*names, "--top", "2").stdout.splitlines()
    assert header.split() == ["label", "probability", "others", "input"]
    right = expected(tmp_path, names[0])
    best = sorted(right, key=lambda label: -right[label])
    assert lines[0].startswith(best[0])
    assert f"{right[best[0]]:.4f}  {best[1]} {right[best[1]]:.4f}" in lines[0]
    assert [line.rpartition(" ")[2] for line in lines] == names
    starts = {line.index(name) for line, name in zip(lines, names, strict=True)}
    assert starts == {header.index("input")}

    content = (tmp_path / names[0]).read_bytes()
    done = run("-", "--top", "1", input=content, text=False)
    assert done.returncode == 0 and done.stdout.split()[-1] == b"-"


def test_more_images_than_a_batch_come_in_order(run: Run, tmp_path: Path) -> None:
    names = pictures(tmp_path)
    words = [names[number % 4] for number in range(70)]
    rows = [json.loads(line) for line in run(*words, "--format", "jsonl").stdout.splitlines()]
    assert [row["input"] for row in rows] == words
    assert len({json.dumps(row) for row in rows}) == 4


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["sme"], "error: sme does not exist; did you mean some?"),
        (["some/*.gif"], "error: some/*.gif matches no image"),
        (["some", "--top", "0"], "0 is not a number from 1 on"),
        (["some", "--format", "xml"], "invalid choice: 'xml'"),
        ([], "required: images"),
    ],
)
def test_what_is_asked_for_wrongly_starts_nothing(
    run: Run, tmp_path: Path, words: list[str], text: str
) -> None:
    pictures(tmp_path)
    done = run(*words)
    assert done.returncode == 2 and done.stdout == ""
    assert text in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "damage", "text"),
    [
        ("model.onnx", b"other bytes", "model.onnx is not the file that was exported (its SHA-256"),
        ("model.onnx", None, "model.onnx can't be read (No such file or directory); keep"),
        ("manifest.json", None, "manifest.json can't be read (No such file"),
        ("manifest.json", b"{", "manifest.json describes no ONNX model for images"),
        ("manifest.json", b'{"artefacts": {}}', "describes no ONNX model for images (KeyError"),
        ("manifest.json", b"[]", "describes no ONNX model for images (TypeError"),
    ],
)
def test_a_damaged_bundle_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, damage: bytes | None, text: str
) -> None:
    export(tmp_path)
    (tmp_path / name).unlink()
    if damage is not None:
        (tmp_path / name).write_bytes(damage)
    assert standalone.main([str(DRAWN / "3.png")], tmp_path) == 2
    assert text in capsys.readouterr().err


def test_a_file_of_weights_beside_the_model_is_checked_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "weights.data").write_bytes(b"1")
    entry = manifest["artefacts"]["onnx"]
    entry["external"] = {"weights.data": {"sha256": hashlib.sha256(b"1").hexdigest()}}
    write_manifest(tmp_path, artefacts={"onnx": entry})
    assert standalone.main([str(DRAWN / "3.png")], tmp_path) == 0
    (tmp_path / "weights.data").write_bytes(b"2")
    assert standalone.main([str(DRAWN / "3.png")], tmp_path) == 2
    assert "weights.data is not the file that was exported" in capsys.readouterr().err


def test_a_model_that_onnxruntime_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"no model")
    write_manifest(tmp_path)
    assert standalone.main([str(DRAWN / "3.png")], tmp_path) == 2
    assert "can't load" in capsys.readouterr().err


def test_an_output_that_is_not_finite_is_the_error_of_that_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export(tmp_path)
    write_manifest(tmp_path, reader=READER.node | {"mean": [3e38, 3e38, 3e38]})
    assert standalone.main([str(DRAWN / "3.png"), "--format", "jsonl"], tmp_path) == 7
    assert "3.png: the model's output is not finite" in capsys.readouterr().err


def test_missing_packages_are_all_named(run: Run, tmp_path: Path, bare: Path) -> None:
    (tmp_path / "numpy").symlink_to(bare / "numpy")
    done = run("x.png", packages=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "error: not installed: pillow onnxruntime; pip install pillow onnxruntime\n"
    )


def test_a_reader_of_its_output_may_stop(run: Run, exported: Path, bare: Path) -> None:
    start = (
        f"import runpy, sys; sys.argv = sys.argv[1:]; sys.path.append({str(bare)!r})\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    words = [str(DRAWN / "3.png")] * 3000
    command = [sys.executable, "-I", "-S", "-c", start, str(exported / "predict.py")]
    done = subprocess.run(
        ["bash", "-c", '"$@" | head -n 1', "bash", *command, *words, "--format", "csv"],
        capture_output=True,
        text=True,
    )
    assert done.stdout == "input,label,probability,top_k,error\n" and done.stderr == ""


def test_it_is_the_code_that_runs_here() -> None:
    """Every definition of the modules, unchanged, and no name twice."""
    tree = ast.parse(bundle.script())
    found = {node.name: ast.unparse(node) for node in tree.body if hasattr(node, "name")}
    count = 0
    names: set[Any] = set()
    for module in bundle.MODULES:
        source = Path(str(importlib.import_module(f"data.{module}").__file__)).read_text()
        for node in ast.parse(source).body:
            if hasattr(node, "name"):
                assert found[node.name] == ast.unparse(node)
                count += 1
            targets = getattr(node, "targets", [getattr(node, "target", None)])
            own = {getattr(node, "name", None), *(getattr(each, "id", None) for each in targets)}
            assert not own - {None} & names
            names |= own - {None}
    assert count == len(found) > 40


def test_it_imports_nothing_but_the_three(exported: Path) -> None:
    tree = ast.parse((exported / "predict.py").read_text(encoding="utf-8"))
    modules = {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    modules |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    others = {name.split(".")[0] for name in modules} - sys.stdlib_module_names
    assert others == {"numpy", "PIL", "onnxruntime"}
