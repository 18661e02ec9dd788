"""What a manifest says: of the model, and of each artefact that stands."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.facts import ACTIVATIONS, answer_node, problem_of
from trainer.storage import atomic

if TYPE_CHECKING:
    from trainer.export.subject import Subject
    from trainer.trained import Trained


def described(trained: Trained, subject: Subject | None) -> dict[str, Any]:
    """What the manifest says of the model, whatever becomes of its artefacts."""
    node = getattr(trained.info, "reader", None) if trained.reader is not None else None
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    run = {"name": trained.folder.absolute().name, "step": trained.step, "exported": now}
    content: dict[str, Any] = {
        "classes": [str(name) for name in getattr(trained.info, "classes", ())],
        "inputs": [],
        "output": {},
        "reader": None if node is None else dict(node),
        "answer": answer_node(trained.info),
        "artefacts": {},
        "failed": {},
        "metrics": {},
        "run": run,
    }
    if subject is not None:
        run["weights"] = subject.weights
        content["inputs"] = [each.entry() for each in subject.inputs]
        content["output"] = {
            "name": subject.output,
            "dtype": "float32",
            "shape": [None, *subject.output_shape[1:]],
            "activation": ACTIVATIONS.get(problem_of(trained.info)),
        }
    return content


def summary(entry: Mapping[str, Any]) -> str:
    """`model.onnx (292.6 kB, differs by 4.1e-08)`."""
    largest = entry["parity"]["largest_absolute_difference"]
    return f"{entry['file']} ({atomic.human(entry['size'])}, differs by {largest:.2g})"


def entry_of(building: Path, file: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """What the manifest says of an artefact: its files with size and SHA-256, and its proof."""
    entry: dict[str, Any] = {"file": file, **_sized(building / file)}
    # Weights that don't fit into one file of ONNX lie in others named after it.
    if others := sorted(building.glob(f"{file}?*")):
        entry["external"] = {path.name: _sized(path) for path in others}
    return {**entry, **told}


def _sized(path: Path) -> dict[str, Any]:
    size, sha256 = atomic.digest(path)
    return {"size": size, "sha256": sha256}
