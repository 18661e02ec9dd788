"""An exported model opened again: checked first, then a function from arrays to an array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.cpus import available_cpus
from trainer.errors import Failed, Refused
from trainer.export.formats import FILES, RUNS_CODE, load
from trainer.export.manifest import Manifest, changed, files_of, read_manifest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.export.formats import Runner


class Artefact:
    """A model as it was exported; `inputs` is what the manifest says of what it takes."""

    def __init__(self, form: str, inputs: Sequence[Mapping[str, Any]], runner: Runner) -> None:
        self.form = form
        self.inputs = list(inputs)
        self._runner = runner

    def __call__(self, *inputs: NDArray[Any], **named: NDArray[Any]) -> NDArray[np.float32]:
        """The outputs, float32 [B, ...], for arrays in the order of `inputs`, or by name.

        Raises Refused for arrays of another number, dtype or shape, and Failed where the artefact
        can't take them all the same.
        """
        arrays = self._bound(inputs, named)
        for entry, array in zip(self.inputs, arrays, strict=True):
            if told := misfit(entry, array):
                raise Refused(told)
        try:
            found = self._runner(arrays)
        except Exception as error:  # torch and onnxruntime have no exception in common
            told = " ".join(str(error).split())[:300]
            raise Failed(
                f"the {self.form} artefact failed: {told}; export the run again"
            ) from error
        return np.asarray(found, dtype=np.float32)

    def _bound(
        self, inputs: Sequence[NDArray[Any]], named: Mapping[str, NDArray[Any]]
    ) -> list[NDArray[Any]]:
        names = [entry["name"] for entry in self.inputs]
        rest = names[len(inputs) :]
        if len(inputs) > len(names) or set(rest) != set(named):
            given = [*(f"{len(inputs)} by position" for _ in inputs[:1]), *named]
            raise Refused(
                f"the {self.form} artefact takes {', '.join(names)}, and was given "
                f"{', '.join(given) or 'nothing'}; give each of them once"
            )
        return [np.ascontiguousarray(array) for array in (*inputs, *(named[n] for n in rest))]


def load_artefact(folder: Path, form: str, trusted: Sequence[str] = ()) -> Artefact:
    """Open the artefact of a form, `onnx`, `torch_export` or `torchscript`, in an export folder.

    Size and SHA-256 of its files are checked before anything is loaded. A .pt2 or TorchScript file
    that this user hasn't signed could run what it likes: it needs its form in `trusted`. An ONNX
    file runs no code; it may refer to no file but those that the manifest lists.
    Raises Refused for all that speaks against it.
    """
    manifest = read_manifest(folder)
    entry = found(manifest, folder, form)
    if manifest.origin != "own" and form in RUNS_CODE and form not in trusted:
        raise Refused(
            f"{folder} was not exported by you on this machine (its signature is not yours), and "
            f"loading {entry['file']} can run code that lies in it; use the ONNX artefact, or, if "
            f"you know where it comes from, add --trust {form}"
        )
    if told := changed(folder, entry):
        raise Refused(f"{folder}: {told}; export the run again, or restore it from a copy")
    if form == "onnx" and manifest.origin != "own":
        refuse_outside(folder, entry)
    names = [str(each["name"]) for each in manifest.inputs]
    try:
        runner = load(form, folder / entry["file"], names, available_cpus())
    except Exception as error:  # torch and onnxruntime have no exception in common
        told = " ".join(str(error).split())[:300]
        raise Refused(
            f"{folder / entry['file']} can't be loaded: {told}; it was made with "
            f"{versions(entry)}: install these, or export the run again"
        ) from error
    return Artefact(form, manifest.inputs, runner)


def found(manifest: Manifest, folder: Path, form: str) -> Mapping[str, Any]:
    """What the manifest says of a form; raises Refused where it has none."""
    if form in manifest.artefacts:
        return manifest.artefacts[form]
    if form not in FILES:
        raise Refused(f"{form!r} is no form of export; choose {', '.join(FILES)}")
    why = f" ({manifest.failed[form]})" if form in manifest.failed else ""
    there = ", ".join(manifest.artefacts) or "none"
    raise Refused(f"{folder} has no artefact of the form {form}{why}; there is {there}")


def refuse_outside(folder: Path, entry: Mapping[str, Any]) -> None:
    """Raise Refused where an ONNX file refers to files that the manifest doesn't list."""
    from trainer.export.onnx import external_files

    try:
        named = external_files(folder / entry["file"])
    except Exception as error:  # protobuf has errors of its own; onnx may not be installed
        told = " ".join(str(error).split())[:300]
        raise Refused(
            f"{folder / entry['file']} can't be looked into: {told}; install onnx, or export the "
            "run again"
        ) from error
    outside = sorted(named - set(files_of(entry)))
    if outside:
        raise Refused(
            f"{folder / entry['file']} refers to {', '.join(outside)}, which its manifest doesn't "
            "list; export the run again"
        )


def misfit(entry: Mapping[str, Any], array: NDArray[Any]) -> str | None:
    """What is wrong with an array for an input."""
    shape, names = entry["shape"], entry.get("dimensions") or []
    labels = [name or "any" for name in names] + ["any"] * len(shape)
    wanted = [label if size is None else size for size, label in zip(shape, labels, strict=False)]
    fits = array.ndim == len(shape) and all(
        size is None or size == given for size, given in zip(shape, array.shape, strict=True)
    )
    if fits and str(array.dtype) == entry["dtype"] and array.size:
        return None
    told = ", ".join(map(str, wanted))
    return (
        f"the input {entry['name']} is {array.dtype} {list(array.shape)}; it has to be "
        f"{entry['dtype']} [{told}], with at least one sample"
    )


def versions(entry: Mapping[str, Any]) -> str:
    """`torch 2.14.1, onnx 1.23.2`."""
    told = entry.get("versions", {})
    return ", ".join(f"{name} {version}" for name, version in told.items()) or "another version"
