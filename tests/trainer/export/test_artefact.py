"""What is loaded is what was proven: whole, from here, and by someone who is believed."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from subjects import Net, Words, pairs, sentences, trained

from trainer.errors import Failed, Refused
from trainer.export.artefact import load_artefact
from trainer.export.contents import described, entry_of
from trainer.export.formats import FILES, Format
from trainer.export.manifest import read_manifest, write_manifest
from trainer.export.onnx import Onnx, external_files
from trainer.export.subject import Subject
from trainer.export.torch_export import TorchExport
from trainer.export.torchscript import TorchScript
from trainer.storage import signature
from trainer.trained import Trained

FORMATS: list[Format] = [TorchExport(), Onnx(), TorchScript()]
FEATURES = np.linspace(-1, 1, 24, dtype=np.float32).reshape(3, 8)


def exported(made: Trained, folder: Path) -> Subject:
    """All forms and a signed manifest, without the proof."""
    assert made.loaders is not None
    subject = Subject(made, list(made.loaders.train.epoch(0)))
    content = described(made, subject)
    for each in FORMATS:
        told = {"parity": {}, **each.convert(subject, folder)}
        content["artefacts"][each.form] = entry_of(folder, FILES[each.form], told)
    write_manifest(folder, content)
    return subject


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    torch.manual_seed(3)
    model = Net().eval()
    folder = tmp_path_factory.mktemp("export")
    exported(trained(model, pairs(6)), folder)
    with torch.no_grad():
        return folder, model(torch.from_numpy(FEATURES)).numpy()


@pytest.fixture
def folder(original: tuple[Path, Any], tmp_path: Path) -> Path:
    return Path(shutil.copytree(original[0], tmp_path / "export"))


def to_stranger(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the manifest be signed by somebody else."""
    monkeypatch.setenv("FIVESTEP_HOME", str(folder.parent / "another"))
    assert signature.home() == folder.parent / "another"


@pytest.mark.parametrize("form", FILES)
def test_an_artefact_is_a_function_of_arrays(original: tuple[Path, Any], form: str) -> None:
    folder, expected = original
    artefact = load_artefact(folder, form)
    assert artefact.form == form
    for found in (artefact(FEATURES), artefact(features=FEATURES)):
        assert found.dtype == np.float32 and np.abs(found - expected).max() < 1e-6
    assert np.abs(artefact(FEATURES[:1]) - expected[:1]).max() < 1e-6


WRONG: list[tuple[Callable[[Any], Any], str]] = [
    (lambda call: call(), "takes features, and was given nothing"),
    (lambda call: call(FEATURES, FEATURES), "takes features"),
    (lambda call: call(FEATURES, features=FEATURES), "takes features"),
    (lambda call: call(words=FEATURES), "was given words"),
    (lambda call: call(FEATURES.astype(np.float64)), r"is float64 \[3, 8\]; it has to be float32"),
    (lambda call: call(FEATURES[:, :7]), r"is float32 \[3, 7\]; it has to be float32 \[batch, 8\]"),
    (lambda call: call(FEATURES[0]), r"is float32 \[8\]"),
    (lambda call: call(FEATURES[:0]), "at least one sample"),
]


@pytest.mark.parametrize(("use", "reason"), WRONG)
def test_arrays_that_dont_fit_are_refused(
    original: tuple[Path, Any], use: Callable[[Any], Any], reason: str
) -> None:
    with pytest.raises(Refused, match=reason):
        use(load_artefact(original[0], "onnx"))


def test_several_inputs_go_by_name_and_by_position(tmp_path: Path) -> None:
    words = {"tokens": "ids", "mask": "attention"}
    made = trained(Words(), sentences(5, 7), inputs=words, target="label", output="logits")
    subject = exported(made, tmp_path)
    tokens, mask = subject.arrays(subject.batches[0])
    expected = subject.expected(subject.batches[0]).outputs.numpy()
    for form in FILES:
        artefact = load_artefact(tmp_path, form)
        for found in (artefact(tokens, mask), artefact(mask=mask, tokens=tokens)):
            assert np.abs(found - expected).max() < 1e-5
        assert np.abs(artefact(tokens, mask=mask) - expected).max() < 1e-5
    # What the graph itself can't take is a failure, told in one line.
    with pytest.raises(Failed, match="the onnx artefact failed: "):
        load_artefact(tmp_path, "onnx")(tokens + 999, mask)


CHANGED = "model.onnx is not the file that was proven: its size or SHA-256 differs"
DAMAGES = {
    "short": CHANGED,
    "other": CHANGED,
    "missing": "model.onnx is missing",
    "link": "model.onnx can't be read",
    "folder": "model.onnx can't be read",
    "pipe": "model.onnx can't be read",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_not_loaded(folder: Path, damage: str) -> None:
    path = folder / "model.onnx"
    content = path.read_bytes()
    path.unlink()
    if damage in ("short", "other"):
        path.write_bytes(content[:-1] + b"\0" * (damage == "other"))
    elif damage == "link":
        (folder / "whole").write_bytes(content)
        path.symlink_to("whole")
    elif damage == "folder":
        path.mkdir()
    elif damage == "pipe":
        os.mkfifo(path)
    with pytest.raises(Refused, match=DAMAGES[damage]):
        load_artefact(folder, "onnx")
    load_artefact(folder, "torchscript")


@pytest.mark.parametrize("form", ["torch_export", "torchscript"])
def test_a_strangers_file_that_could_run_code_needs_trust(
    folder: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_stranger(folder, monkeypatch)
    assert read_manifest(folder).origin == "stranger"
    with pytest.raises(Refused, match=f"was not exported by you .*--trust {form}"):
        load_artefact(folder, form)
    assert load_artefact(folder, form, trusted=[form])(FEATURES).shape == (3, 3)
    assert load_artefact(folder, "onnx")(FEATURES).shape == (3, 3)


def test_a_strangers_onnx_may_refer_to_nothing_outside(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx

    path = folder / "model.onnx"
    model = onnx.load(str(path))
    onnx.external_data_helper.convert_model_to_external_data(
        model, location="weights.bin", size_threshold=0
    )
    onnx.save(model, str(path))
    assert external_files(path) == {"weights.bin"}
    content = json.loads((folder / "manifest.json").read_text())
    del content["signature"]
    content["artefacts"]["onnx"] = entry_of(folder, "model.onnx", {})
    (folder / "manifest.json").write_text(json.dumps(content))
    assert read_manifest(folder).origin == "stranger"
    with pytest.raises(Refused, match=r"refers to weights\.bin, which its manifest doesn"):
        load_artefact(folder, "onnx")


def test_a_form_that_isnt_there_is_told(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    with pytest.raises(Refused, match=r"is no export \(it has no manifest.json\)"):
        load_artefact(folder, "onnx")
    with pytest.raises(Refused, match="is no export"):
        load_artefact(folder / "nowhere", "onnx")


def test_a_form_that_failed_says_why(tmp_path: Path) -> None:
    made = trained(Net(), pairs(6))
    content = described(made, None)
    write_manifest(tmp_path, {**content, "failed": {"onnx": "no operator"}})
    with pytest.raises(Refused, match=r"has no artefact of the form onnx \(no operator\); there"):
        load_artefact(tmp_path, "onnx")
    with pytest.raises(Refused, match="'onxx' is no form of export; choose torch_export, onnx"):
        load_artefact(tmp_path, "onxx")


def edited(folder: Path, edit: Callable[[Any], Any], *, sign: bool = False) -> None:
    """Change the manifest, and sign it again or not."""
    content = json.loads((folder / "manifest.json").read_text())
    edit(content)
    if sign:
        content.pop("signature"), content.pop("format")
        write_manifest(folder, content)
    else:
        (folder / "manifest.json").write_text(json.dumps(content))


def test_a_manifest_that_was_changed_is_not_believed(folder: Path) -> None:
    edited(folder, lambda content: content["classes"].reverse())
    with pytest.raises(Refused, match="it was changed after it was signed; export the run again"):
        read_manifest(folder)


ILL_FORMED: list[Callable[[Any], Any]] = [
    lambda content: content.pop("inputs"),
    lambda content: content.update(classes="ab"),
    lambda content: content.update(classes=[1, 2]),
    lambda content: content.update(reader="data.images.reader.ImageReader"),
    lambda content: content["artefacts"].update(onnx=None),
    lambda content: content["artefacts"].update(other=content["artefacts"]["onnx"]),
    lambda content: content["artefacts"]["onnx"].update(file="../model.onnx"),
    lambda content: content["artefacts"]["onnx"].update(file="/etc/passwd"),
    lambda content: content["artefacts"]["onnx"].update(sha256="0"),
    lambda content: content["artefacts"]["onnx"].update(external={"../x": {}}),
    lambda content: content["inputs"][0].update(shape=["batch"]),
    lambda content: content.update(failed={"onnx": 1}),
]


@pytest.mark.parametrize("number", range(len(ILL_FORMED)))
def test_an_ill_formed_manifest_is_refused_whoever_signed_it(folder: Path, number: int) -> None:
    edited(folder, ILL_FORMED[number], sign=True)
    with pytest.raises(Refused, match="can't be used: it is not as fivestep writes it"):
        read_manifest(folder)


def test_a_newer_manifest_asks_for_an_update(folder: Path) -> None:
    edited(folder, lambda content: content.update(format=2))
    with pytest.raises(Refused, match="has format 2, of a newer version; update fivestep"):
        read_manifest(folder)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
MODEL = ("format", "classes", "inputs", "output", "reader", "answer")
KEYS = (*MODEL, "artefacts", "failed", "metrics", "run")


@settings(max_examples=150)
@given(
    st.one_of(
        st.binary(max_size=60),
        JSON.map(lambda value: json.dumps(value).encode()),
        st.fixed_dictionaries(dict.fromkeys(KEYS, JSON)).map(lambda v: json.dumps(v).encode()),
    )
)
def test_anything_else_is_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.getbasetemp() / "anything"
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_bytes(data)
    with pytest.raises(Refused):
        read_manifest(folder)
