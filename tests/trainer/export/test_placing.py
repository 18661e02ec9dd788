"""A new export takes an old one's place file by file; what nobody vouches for goes."""

from pathlib import Path
from typing import Any

import pytest

from trainer.errors import CannotWrite
from trainer.export.contents import entry_of
from trainer.export.formats import FILES
from trainer.export.manifest import read_manifest
from trainer.export.placing import Placing


def place(
    folder: Path,
    forms: dict[str, str],
    failed: dict[str, str] | None = None,
    weights: str = "one",
    predict: bool = True,
) -> None:
    """Export files of such contents, by form."""
    with Placing(folder) as placing:
        artefacts = {}
        for form, text in forms.items():
            (placing.building / FILES[form]).write_text(text)
            artefacts[form] = entry_of(placing.building, FILES[form], {"parity": {}})
        if "onnx" in forms and predict:
            (placing.building / "predict.py").write_text("print()")
        content: dict[str, Any] = {
            "classes": ["a", "b"],
            "inputs": [],
            "output": {},
            "reader": None,
            "answer": {"_target_": "data.answers.ClassAnswer", "classes": []},
            "artefacts": artefacts,
            "metrics": {},
            "run": {"weights": weights},
        }
        placing.place(content, failed or {}, [*forms, *(failed or {})])


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_forms_of_the_same_weights_stand_side_by_side(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    place(folder, {"onnx": "1"}, {"torch_export": "because"})
    place(folder, {"torchscript": "2"})
    manifest = read_manifest(folder)
    assert list(manifest.artefacts) == ["onnx", "torchscript"]
    assert manifest.failed == {"torch_export": "because"}
    assert names(folder) == {"manifest.json", "model.onnx", "model.ts", "predict.py"}
    place(folder, {"torch_export": "3"})
    assert read_manifest(folder).failed == {}
    assert names(tmp_path) == {"export"}


def test_what_fails_takes_its_older_file_along(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    place(folder, {"onnx": "1", "torchscript": "2"})
    (folder / "notes.txt").write_text("the user's own")
    place(folder, {}, {"onnx": "it differs"})
    assert names(folder) == {"manifest.json", "model.ts", "notes.txt"}
    manifest = read_manifest(folder)
    assert list(manifest.artefacts) == ["torchscript"] and manifest.failed == {"onnx": "it differs"}


def test_other_weights_and_touched_files_go(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    place(folder, {"onnx": "1", "torchscript": "2"})
    (folder / "model.ts").write_text("X")
    place(folder, {"torch_export": "3"})
    assert list(read_manifest(folder).artefacts) == ["torch_export", "onnx"]
    assert not (folder / "model.ts").exists()
    place(folder, {"torchscript": "2"}, weights="other")
    assert names(folder) == {"manifest.json", "model.ts"}


def test_files_without_a_manifest_go(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    for name in (*FILES.values(), "predict.py", "manifest.json"):
        (folder / name).write_text("from nowhere")
    place(folder, {"onnx": "1"}, predict=False)
    assert names(folder) == {"manifest.json", "model.onnx"}


def test_a_crash_leaves_nothing_half_built(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    with pytest.raises(KeyboardInterrupt), Placing(folder) as placing:
        (placing.building / "model.onnx").write_text("half")
        raise KeyboardInterrupt
    assert not names(tmp_path)


def test_a_folder_that_cant_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite, match="cannot write"):
        place(tmp_path / "file/export", {"onnx": "1"})


def test_weights_beside_the_file_belong_to_it(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_text("graph")
    (tmp_path / "model.onnx.data").write_text("weights")
    entry = entry_of(tmp_path, "model.onnx", {})
    assert entry["file"] == "model.onnx" and list(entry["external"]) == ["model.onnx.data"]
