"""What array files seem to be, at a glance."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.arrays.files import ENDINGS, SEVERAL, SINGLE, open_arrays, pairs_in
from data.arrays.layout import PICTURES, layout_of
from data.arrays.targets import doubt_of, problem_of
from data.errors import DataError
from data.look import Look

SMALL_BYTES = 64 << 20
SMALLEST_SIDE = 8


def look_arrays(path: Path | None, options: Mapping[str, Any]) -> Look:
    """Return what the arrays at a path seem to be; certainty 0 where there are none.

    Headers and targets are read; of archives, which can't be read in part, those of up to 64 MB.
    """
    nothing = Look("arrays", "classification", "mlp", certainty=0.0)
    if path is None or not _has_arrays(path):
        return nothing
    files = [path] if path.is_file() else [f for f in path.iterdir() if f.suffix in SEVERAL]
    if sum(f.stat().st_size for f in files if f.suffix.lower() != SINGLE) > SMALL_BYTES:
        problem = options.get("problem") or "classification"
        return Look("arrays", problem, "mlp", ("a large archive of arrays",), certainty=0.8)
    try:
        pairs = pairs_in(open_arrays(path), options.get("inputs"), options.get("targets"))
        inputs, targets = pairs[0].inputs, pairs[0].targets
        shape = inputs.shape[1:]
        layout = layout_of(shape, inputs.dtype.kind, options.get("layout"), pairs[0].name)
    except (DataError, OSError):
        return nothing
    if targets is None:
        return nothing
    problem = options.get("problem") or problem_of(targets, pairs[0].target_name, say=False)
    model = "mlp"
    if layout in PICTURES:
        sides = shape[:2] if layout == "hwc" else shape[-2:]
        model = "cnn" if min(sides) >= SMALLEST_SIDE else "mlp"
    elif layout == "sequence":
        model = "series_cnn"
    about = (
        f"arrays: {pairs[0].name} {list(inputs.shape)} {inputs.dtype}, {pairs[0].target_name} "
        f"{list(targets.shape)} {targets.dtype}",
        f"samples are {layout}; {problem}{'' if options.get('problem') else doubt_of(targets)}",
    )
    return Look("arrays", problem, model, about, {"problem": problem, "layout": layout}, 1.0)


def _has_arrays(path: Path) -> bool:
    if path.is_file():
        return path.suffix.lower() in ENDINGS
    return path.is_dir() and any(file.suffix.lower() in ENDINGS for file in path.iterdir())
