"""The way from a file to a prediction: what the reader gives, and what the bundle says."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.batches import batches
from trainer.export.parity import softmax
from trainer.export.plain import on_cpu
from trainer.export.proof import split_of
from trainer.export.reasons import told_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trainer.export.subject import Subject
    from trainer.trained import Trained

MOST = 64  # samples that are read again
SHOWN = 4  # pictures that go through the bundle
ORDER = ("validation", "test", "train")
PREDICT = "predict.py"
PATIENCE = 300.0
# Printed with six decimals.
ROUNDING = 1e-6
# The bundle has to do without these; a module that is None can't be imported.
WITHOUT = ("torch", "trainer", "data", "models", "hydra", "omegaconf")
START = """
import runpy, sys
sys.path += [p for p in {paths!r} if p not in sys.path]
sys.modules.update(dict.fromkeys({without!r}))
sys.argv = [{script!r}, *sys.argv[1:]]
runpy.run_path({script!r}, run_name="__main__")
"""


def samples_of(trained: Trained) -> list[NDArray[Any]]:
    """The first samples that are evaluated, as the reader gives them; empty where there are none.

    A dataset has them as `raw(index)`, or where they are pictures as `picture(index)`.
    """
    split, loader = split_of(trained, ORDER)
    dataset = getattr(trained.splits, split, None)
    raw = getattr(dataset, "raw", None) or getattr(dataset, "picture", None)
    if trained.reader is None or raw is None:
        return []
    return [raw(index) for index in loader.indices(0, 0)[:MOST]]


def reader_problem(
    trained: Trained, subject: Subject, samples: Sequence[NDArray[Any]]
) -> str | None:
    """What is wrong where the reader gives other inputs for the samples than were evaluated."""
    split, loader = split_of(trained, ORDER)
    assert trained.reader is not None and trained.splits is not None
    if split == "train":  # its loader augments; the dataset gives samples as evaluation sees them
        indices = loader.indices(0, 0)[: len(samples)]
        expected = np.stack([np.asarray(trained.splits.train[index][0]) for index in indices])
    else:
        batch = on_cpu(next(batches(loader)))
        expected = subject.arrays(batch)[0][: len(samples)]
    try:
        found = trained.reader.batch(samples)
    except Exception as error:  # a reader may be the user's own
        return f"the reader can't make a batch of what is evaluated: {told_by(error)}"
    remedy = "mend the reader in the data's info, or export without one"
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return (
            f"the reader gives {found.dtype} {list(found.shape)} and the data {expected.dtype} "
            f"{list(expected.shape)}; {remedy}"
        )
    # On another device than the CPU, the last bit of a division may differ.
    exact = trained.device.type == "cpu"
    if np.array_equal(found, expected) or (
        not exact and np.allclose(found, expected, rtol=1e-5, atol=1e-6)
    ):
        return None
    largest = float(np.abs(found.astype(np.float64) - expected).max())
    return (
        f"the reader gives other inputs than those that were evaluated (they differ by up to "
        f"{largest:.2g}); {remedy}"
    )


def bundle_problem(
    folder: Path, pictures: Sequence[NDArray[Any]], logits: NDArray[Any], bound: float
) -> str | None:
    """What is wrong with what `predict.py` says of pictures, run by itself in a fresh process.

    `logits` [B, C] are the model's own for them, and `bound` is how far the probabilities may be.
    """
    from PIL import Image

    with tempfile.TemporaryDirectory() as place:
        names = []
        for number, picture in enumerate(pictures):
            path = Path(place) / f"{number}.png"
            Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).save(path)
            names.append(str(path))
        rows = predicted(folder, names, logits.shape[1])
    if isinstance(rows, str):
        return f"{PREDICT} fails: {rows}"
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for row, own in zip(rows, softmax(logits), strict=True):
        said = dict(row["top_k"])
        found = np.array([said.get(str(name), np.nan) for name in manifest["classes"]])
        largest = float(np.abs(found - own).max())
        if not largest <= bound + ROUNDING:
            return (
                f"{PREDICT} says {row['label']} with a probability of {row['probability']} where "
                f"the model says {manifest['classes'][int(own.argmax())]} with {own.max():.6f}"
            )
    return None


def predicted(folder: Path, names: Sequence[str], top: int) -> list[dict[str, Any]] | str:
    """The rows of `predict.py`, or the last line of what it complains of."""
    packages = [find_spec(name) for name in ("numpy", "PIL", "onnxruntime")]
    paths = sorted({str(Path(s.origin).parents[1]) for s in packages if s and s.origin})
    start = START.format(paths=paths, without=WITHOUT, script=str((folder / PREDICT).absolute()))
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", start, "--format", "jsonl", "--top", str(top), *names],
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer in {PATIENCE:.0f} seconds"
    try:
        rows = [json.loads(line) for line in done.stdout.splitlines()]
    except ValueError:
        rows = []
    if done.returncode or len(rows) != len(names):
        told = done.stderr.decode(errors="replace").strip().splitlines()
        return told[-1] if told else f"it ended with code {done.returncode} and {len(rows)} rows"
    return rows
