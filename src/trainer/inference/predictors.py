"""Where a predictor comes from: a run's weights, or an artefact of its export."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.cpus import available_cpus
from trainer.errors import Refused
from trainer.facts import answer_node
from trainer.inference.stream import Outputs, Predictor
from trainer.pasting import nearest
from trainer.protocols import Answer, Reader
from trainer.storage.runs import no_run, read_status
from trainer.storage.stored_info import OWN_NODES

if TYPE_CHECKING:
    from trainer.export.manifest import Manifest
    from trainer.trained import Trained

MANIFEST = "manifest.json"
MOST_COPIES = 8
COPIED_BYTES = 1 << 29
# What a form of export is called on the command line, the preferred one first.
FORMS = {"onnx": "onnx", "pt2": "torch_export", "torchscript": "torchscript"}


def form_of(name: str | None) -> str | None:
    """The form that a name on the command line stands for; raises Refused for an unknown one."""
    if name is None or name in FORMS.values():
        return name
    if name not in FORMS:
        from trainer.config.catalogue import did_you_mean

        near = did_you_mean(name, FORMS)
        raise Refused(f"--artefact {name} is none{near or '; choose ' + ', '.join(FORMS)}")
    return FORMS[name]


def export_of(folder: Path, form: str | None) -> Path | None:
    """The export folder that is meant by a run's or an export's folder; None for a run's weights.

    Raises Refused where there is neither a run nor an export.
    """
    if (folder / MANIFEST).exists():
        return folder
    if read_status(folder) is None:
        raise Refused(no_run(folder.absolute()))
    return None if form is None else folder / "export"


def of_export(folder: Path, form: str | None, trusted: Sequence[str] = ()) -> Predictor:
    """The predictor of an artefact, without torch where it is ONNX; raises Refused.

    Where no form is asked for, ONNX is taken if it is there, then torch_export, then TorchScript.
    """
    from trainer.export.artefact import load_artefact
    from trainer.export.manifest import read_manifest

    manifest = read_manifest(folder)
    form = form or preferred(manifest, folder)
    if manifest.reader is None:
        raise Refused(unreadable(folder))
    nodes = (manifest.reader, manifest.answer) if manifest.origin == "own" else ()
    vouched = [str(node.get("_target_")) for node in nodes]
    reader: Reader = part_of(manifest.reader, [*trusted, *vouched])
    answer: Answer = part_of(manifest.answer, [*trusted, *vouched])
    artefact = load_artefact(folder, form, trusted)
    return Predictor(reader, answer, artefact)


def of_run(folder: Path, device: str = "auto", trusted: Sequence[str] = ()) -> Predictor:
    """The predictor of a run's evaluated weights; raises Refused, and what `reopen` raises."""
    from trainer.config.reopen import reopen

    trained = reopen(folder, trusted=trusted, device=device)
    if trained.reader is None:
        raise Refused(unreadable(folder))
    on_cpu = trained.device.type == "cpu"
    others = copies(trained) if on_cpu else []
    vouched = answer_targets(folder, trained.info)
    answer: Answer = part_of(answer_node(trained.info), [*trusted, *vouched])
    return Predictor(trained.reader, answer, trained.outputs, on_cpu, others)


def answer_targets(folder: Path, info: Any) -> list[str]:
    """What the user's own info.json names as the answer, which needs nobody else to vouch for."""
    from trainer.storage.folder import RunFolder

    whose = RunFolder.open(folder).read_info()[1]
    return [str(answer_node(info).get("_target_"))] if whose == "own" else []


def copies(trained: "Trained") -> list[Outputs]:
    """What computes batches beside the model, where cores are left: in copies of it.

    A module may keep something of its input while it computes, so it is never shared.
    """
    import torch

    from trainer.precision import Precision

    number = min(MOST_COPIES, available_cpus() // torch.get_num_threads()) - 1
    task: Any = trained.task
    num_bytes = sum(p.nbytes for p in (*task.parameters(), *task.buffers()))
    found: list[Outputs] = []
    for _ in range(number if num_bytes * number <= COPIED_BYTES else 0):
        try:
            other = copy.deepcopy(task)
        except Exception:
            break  # Of a user's own kind, that can't be copied: it computes alone.
        found.append(
            replace(
                trained,
                task=other,
                modules=dict(other.named_children()),
                precision=Precision(trained.precision.name, trained.device, None, None),
            ).outputs
        )
    return found


def preferred(manifest: "Manifest", folder: Path) -> str:
    """The first of FORMS that an export has; raises Refused where it has none."""
    for form in FORMS.values():
        if form in manifest.artefacts:
            return form
    raise Refused(f"{nearest(folder)} has no artefact; {'; '.join(manifest.failed.values())}")


def part_of(node: Mapping[str, Any], trusted: Sequence[str]) -> Any:
    """The reader or the answer that a manifest names; raises Refused where nobody vouches for it.

    fivestep's own are made without Hydra and torch, so that a single picture is answered at once.
    """
    target, arguments = node.get("_target_"), {k: v for k, v in node.items() if k != "_target_"}
    if target not in OWN_NODES:
        from trainer.config.check import make_importable
        from trainer.config.reopen import make_part

        make_importable(Path.cwd())
        return make_part(node, trusted)
    module, _, name = target.rpartition(".")
    try:
        return getattr(import_module(module), name)(**arguments)
    except (TypeError, ValueError) as error:
        raise Refused(f"{target} in {MANIFEST} can't be made: {error}; export again") from error


def unreadable(folder: Path) -> str:
    """The line about data that don't say how a file becomes an input."""
    return (
        f"the data of {nearest(folder)} doesn't say how a file becomes an input; let its info have "
        "a reader (docs/predict.md), or use the model from Python"
    )
