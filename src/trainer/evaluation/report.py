"""What an evaluation leaves behind in the run folder: numbers, figures, predictions."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from trainer.evaluation.writing import Picture
from trainer.protocols import Measured
from trainer.storage import atomic

Split = Literal["validation", "test"]


def write(
    folder: Path,
    split: Split,
    measured: Measured,
    *,
    indices: Sequence[int] | None = None,
    names: Sequence[str] | None = None,
    picture: Picture | None = None,
    baseline: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Write `<folder>/evaluation/<split>.json`, its figures and tables; return what the JSON holds.

    `measured` is that of the split, started with `keep=True` for what is told of single samples.
    `indices[k]` is the index in the dataset of the k-th sample evaluated (by default k). `names[i]`
    names the i-th sample of the dataset (a file, say) and `picture(i)` gives it as uint8 [H, W, C];
    samples are drawn only where it is given.

    Each file is written whole or not at all, the JSON last. Raises CannotWrite (exit code 4).
    """
    place = Path(folder) / "evaluation"
    with atomic.writing(place):
        place.mkdir(parents=True, exist_ok=True)
    details = measured.report(place, split, indices=indices, names=names, picture=picture)
    summary: dict[str, Any] = {
        "split": split,
        **measured.values(),
        "num_samples": measured.num_samples,
        "baseline": None if baseline is None else dict(baseline),
        **details,
    }
    if split != "test":
        del summary["baseline"]
    summary = _strict(summary)
    atomic.write_text(place / f"{split}.json", _readable(summary))
    return summary


def _strict(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become null."""
    if isinstance(value, Mapping):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_strict(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _readable(summary: Mapping[str, Any]) -> str:
    """JSON with one line a key, and one for each part of a list of lists or of dicts."""
    lines = []
    for key, value in summary.items():
        text = _json(value)
        if isinstance(value, list) and value and isinstance(value[0], list | dict):
            text = "[\n    " + ",\n    ".join(map(_json, value)) + "\n  ]"
        lines.append(f"  {_json(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
