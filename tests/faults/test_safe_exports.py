"""A stranger's export, and how single files are read: no name, no program and no path of theirs."""

import os
from typing import Any

import pytest
from payloads import pickled, put, torch_zip
from strangers import Handed, change, handed, own, reseal_export  # noqa: F401  # fixtures

PREDICT = ("predict", "run", "picture.png")
ARTEFACT = (*PREDICT, "--artefact", "onnx")


@pytest.mark.parametrize("kind", ["pickle", "pipe", "link", "deep"])
def test_the_manifest_of_an_export(handed: Handed, kind: str) -> None:  # noqa: F811
    put(handed.run / "export/manifest.json", kind, handed.canary)
    assert handed.opened("predict", "run/export", "picture.png").code == 2


@pytest.mark.parametrize("kind", ["zip", "pipe", "link", "long"])
def test_an_onnx_file(handed: Handed, kind: str) -> None:  # noqa: F811
    put(handed.run / "export/model.onnx", kind, handed.canary)
    if kind == "zip":
        reseal_export(handed.run / "export")
    assert handed.opened(*ARTEFACT).code == 2


@pytest.mark.parametrize("form", ["torch_export", "torchscript"])
def test_a_program(handed: Handed, form: str) -> None:  # noqa: F811
    """What torch has for these runs what lies in it: it isn't opened at all."""
    name = {"torch_export": "model.pt2", "torchscript": "model.ts"}[form]
    torch_zip(handed.run / "export" / name, pickled(handed.canary))

    def add(content: Any) -> None:
        content["artefacts"][form] = {**content["artefacts"]["onnx"], "file": name}

    change(handed.run / "export/manifest.json", add)
    reseal_export(handed.run / "export")
    ended = handed.opened(*PREDICT, "--artefact", form)
    assert ended.code == 2 and f"--trust {form}" in ended.err


READERS: dict[str, Any] = {
    "another name": {"_target_": "os.system", "command": "touch canary"},
    "an interpolation": {
        "_target_": "data.images.reader.ImageReader",
        "height": "${oc.create:{_target_: os.mkdir, path: canary}}",
    },
    "an interpolation in a name of ours": {
        "_target_": "data.digits.digits",
        "augment": {"a": ["${oc.create:{_target_: os.mkdir, path: canary}}"]},
    },
    "a secret": {"_target_": "data.images.reader.ImageReader", "height": "${oc.env:HOME}"},
    "a name within": {
        "_target_": "data.digits.digits",
        "augment": [{"_target_": "os.mkdir", "path": "canary"}],
    },
    "a list": [1],
    "a number": 3,
    "a name that is a number": {"_target_": 3},
    "no name": {"height": 8},
}


@pytest.mark.parametrize("part", ["reader", "answer"])
@pytest.mark.parametrize("name", READERS)
def test_the_reader_and_the_answer(handed: Handed, name: str, part: str) -> None:  # noqa: F811
    node = {part: READERS[name]}
    change(handed.run / "info.json", lambda info: info.update(node))
    reseal_export(handed.run / "export", lambda content: content.update(node))
    for command in (PREDICT, ARTEFACT) if "interpolation" in name else (PREDICT,):
        ended = handed.opened(*command)
        assert ended.code == 2, ended.err
        assert os.environ.get("HOME", "none") not in ended.err


def test_a_reader_of_large_pictures(handed: Handed) -> None:  # noqa: F811
    """What it is told to make of a small one may be larger than any memory."""

    def grow(content: Any) -> None:
        content["reader"].update(height=50_000, width=50_000, fit="stretch")

    change(handed.run / "info.json", grow)
    assert handed.opened(*PREDICT).code == 2


def test_other_classes_than_the_model_has(handed: Handed) -> None:  # noqa: F811
    change(handed.run / "info.json", lambda info: info["answer"].update(classes=["a", "b"]))
    ended = handed.opened(*PREDICT)
    assert ended.code == 7, ended.err
