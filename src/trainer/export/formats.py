"""The forms that an artefact can have, what stands in their files, and how one is opened.

No torch, no onnxruntime: each form's own file imports what it needs, and nothing of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.export.subject import Subject

    Runner: TypeAlias = Callable[[Sequence[NDArray[Any]]], NDArray[Any]]

# By form: the module with its class and with `load`, and the main file that it writes.
MODULES = {
    "torch_export": "trainer.export.torch_export",
    "onnx": "trainer.export.onnx",
    "torchscript": "trainer.export.torchscript",
}
FILES = {
    "torch_export": "model.pt2",
    "onnx": "model.onnx",
    "torchscript": "model.ts",
}
# What takes time to import, and is imported while the model is still being converted.
NEEDS = {
    "torch_export": ("torch.export", "torch.export.pt2_archive"),
    "onnx": ("onnxruntime",),
    "torchscript": ("torch",),
}
# Loading one of these runs code that lies in the file.
RUNS_CODE = ("torch_export", "torchscript")


class NotPossible(Exception):
    """A model that can't be turned into this form: why, and what could be done, in one line."""


class Format(Protocol):
    """Turns a model into the files of one form; `form` is a key of FILES."""

    form: str

    def convert(self, subject: Subject, folder: Path) -> dict[str, Any]:
        """Write the files into `folder`; return what the manifest says of them beside the proof.

        Raises NotPossible, and CannotWrite.
        """
        ...


def load(form: str, path: Path, names: Sequence[str], threads: int) -> Runner:
    """Open an artefact: a function from its inputs, in order, to its output.

    Its origin has to be known: what lies in the file may be run.
    """
    runner: Runner = import_module(MODULES[form]).load(path, names, threads)
    return runner
