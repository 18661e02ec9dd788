"""ONNX: runs with onnxruntime alone, without torch.

Source: https://docs.pytorch.org/docs/stable/onnx_export.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from trainer.export.formats import FILES, NotPossible
from trainer.export.silence import silence
from trainer.options import Range

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.export.formats import Runner
    from trainer.export.subject import Subject

# A file of protobuf holds 2 GiB at most; larger weights lie in a second file beside it.
ONE_FILE = 1_800_000_000


class Onnx:
    """Writes `model.onnx`; `opset` is the version of the operators, None for the exporter's own."""

    form = "onnx"

    def __init__(self, opset: Annotated[int, Range(ge=18)] | None = None) -> None:
        self.opset = opset

    def convert(self, subject: Subject, folder: Path) -> dict[str, Any]:
        """Translate the exported program; raises NotPossible with the reason, and CannotWrite."""
        program = subject.program()
        import onnx
        import torch

        from trainer.export.reasons import reason
        from trainer.storage.atomic import writing

        path = folder / FILES[self.form]
        try:
            with silence(), torch.no_grad():
                translated = torch.onnx.export(
                    program,
                    dynamo=True,
                    verbose=False,
                    opset_version=self.opset,
                    input_names=list(subject.names),
                    output_names=[subject.output],
                    dynamic_shapes=subject.dynamic_shapes(),
                )
        except Exception as error:  # an exporter meets foreign models, and raises anything
            raise NotPossible(reason(error, self.form)) from error
        assert translated is not None
        for node in translated.model.graph.all_nodes():
            # It names the folders of this machine, which are nobody's business elsewhere.
            node.metadata_props.pop("pkg.torch.onnx.stack_trace", None)
        with silence(), writing(path, subject.num_bytes):
            translated.save(path, external_data=subject.num_bytes > ONE_FILE)
        opset = translated.model.opset_imports.get("", self.opset)
        return {"opset": opset, "versions": {"torch": torch.__version__, "onnx": onnx.__version__}}


def load(path: Path, names: Sequence[str], threads: int) -> Runner:
    """Open an ONNX file with onnxruntime, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    with silence():
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    wanted = {each.name for each in session.get_inputs()}

    def run(inputs: Sequence[NDArray[Any]]) -> NDArray[Any]:
        feed = {k: v for k, v in zip(names, inputs, strict=True) if k in wanted}
        found: NDArray[Any] = session.run(None, feed)[0]
        return found

    return run


def external_files(path: Path) -> set[str]:
    """The files outside of itself that an ONNX file refers to, as they are written in it."""
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    graphs = [model.graph, *model.functions]
    return {
        entry.value
        for graph in graphs
        for tensor in tensors(graph)
        for entry in tensor.external_data
        if entry.key == "location"
    }


def tensors(graph: Any) -> Iterator[Any]:
    """Every stored tensor of a graph or a function, at any depth."""
    yield from getattr(graph, "initializer", ())
    for sparse in getattr(graph, "sparse_initializer", ()):
        yield from (sparse.values, sparse.indices)
    for attribute in (each for node in graph.node for each in node.attribute):
        yield from (attribute.t, *attribute.tensors)
        for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
            yield from (sparse.values, sparse.indices)
        for inner in (attribute.g, *attribute.graphs):
            yield from tensors(inner)
