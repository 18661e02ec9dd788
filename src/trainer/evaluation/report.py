"""What an evaluation leaves behind in the run folder: numbers, figures, predictions."""

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from trainer.evaluation.counts import Counts, Kept
from trainer.storage import atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Split = Literal["validation", "test"]
Picture = Callable[[int], NDArray[np.uint8]]
COLUMNS = ("index", "input", "label", "prediction", "probability", "correct")


def write(
    folder: Path,
    split: Split,
    counts: Counts,
    classes: Sequence[str],
    *,
    indices: Sequence[int] | None = None,
    names: Sequence[str] | None = None,
    picture: Picture | None = None,
    mistakes: int = 25,
    baseline: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Write `<folder>/evaluation/<split>.json`, its figures and tables; return what the JSON holds.

    `counts` are those of the split, started with `keep=True` for the predictions and the mistakes.
    `indices[k]` is the index in the dataset of the k-th sample evaluated (by default k). `names[i]`
    names the i-th sample of the dataset (a file, say) and `picture(i)` gives it as uint8 [H, W, C].
    Mistakes are drawn where `picture` is given and `mistakes` is not 0.

    Each file is written whole or not at all, the JSON last. Raises CannotWrite (exit code 4).
    """
    place = Path(folder) / "evaluation"
    with atomic.writing(place):
        place.mkdir(parents=True, exist_ok=True)
    matrix = counts.confusion().numpy()
    per_class = counts.per_class(classes)
    _write_figures(place, split, matrix, per_class, classes)
    if counts.keeps:
        kept = counts.kept()
        order = list(range(len(kept.target))) if indices is None else list(indices)
        if len(order) != len(kept.target):
            raise ValueError(f"{len(order)} indices for {len(kept.target)} samples")
        table = predictions(kept, classes, order, names)
        atomic.write_bytes(place / f"{split}_predictions.csv", table)
        if picture is not None and mistakes:
            drawn = draw_mistakes(kept, classes, order, picture, mistakes, split)
            _write_figure(place / f"{split}_mistakes.png", drawn)
    summary: dict[str, Any] = {
        "split": split,
        **counts.values(),
        "num_samples": int(matrix.sum()),
        "baseline": None if baseline is None else dict(baseline),
        "classes": [str(name) for name in classes],
        "per_class": per_class,
        "confusion_matrix": matrix.tolist(),
    }
    if split != "test":
        del summary["baseline"]
    summary = _strict(summary)
    atomic.write_text(place / f"{split}.json", _readable(summary))
    return summary


def predictions(
    kept: Kept, classes: Sequence[str], indices: Sequence[int], names: Sequence[str] | None = None
) -> bytes:
    """A CSV file in UTF-8, one row a sample in the order of the dataset, with COLUMNS.

    `probability` is the one of the prediction. Text that a spreadsheet would run as a formula gets
    a leading apostrophe (OWASP, "CSV Injection").
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    labels = [_harmless(str(name)) for name in classes]
    for position in np.argsort(np.asarray(indices), kind="stable"):
        index = indices[position]
        target, guess = kept.target[position], kept.prediction[position]
        writer.writerow(
            (
                index,
                "" if names is None else _harmless(str(names[index])),
                labels[target],
                labels[guess],
                f"{kept.probability[position]:.6f}",
                "true" if target == guess else "false",
            )
        )
    # File names that are no UTF-8 reach us with lone surrogates, which UTF-8 can't hold.
    return text.getvalue().encode("utf-8", "backslashreplace")


def worst(kept: Kept, limit: int) -> list[int]:
    """Positions of at most `limit` mistakes, the least probable true class first."""
    wrong = np.flatnonzero(kept.target != kept.prediction)
    order = np.lexsort((-kept.probability[wrong], kept.probability_of_target[wrong]))
    return [int(position) for position in wrong[order][:limit]]


def draw_mistakes(
    kept: Kept,
    classes: Sequence[str],
    indices: Sequence[int],
    picture: Picture,
    limit: int,
    split: Split,
) -> "Figure":
    """The worst mistakes as one figure; `picture(i)` is asked only for those that are drawn."""
    from trainer.evaluation import gallery

    chosen = worst(kept, limit)
    entries = [
        gallery.Mistake(
            index=int(indices[position]),
            label=classes[kept.target[position]],
            prediction=classes[kept.prediction[position]],
            probability=float(kept.probability[position]),
        )
        for position in chosen
    ]
    return gallery.mistakes(
        [picture(entry.index) for entry in entries],
        entries,
        num_wrong=int((kept.target != kept.prediction).sum()),
        num_samples=len(kept.target),
        split=split,
    )


def _write_figures(
    place: Path,
    split: Split,
    matrix: NDArray[np.int64],
    per_class: Sequence[Mapping[str, Any]],
    classes: Sequence[str],
) -> None:
    from trainer.evaluation import figures

    confusion = figures.confusion_matrix(matrix, classes, split)
    _write_figure(place / f"{split}_confusion_matrix.png", confusion)
    _write_figure(place / f"{split}_per_class.png", figures.per_class_bars(per_class, split))


def _write_figure(path: Path, figure: "Figure") -> None:
    from trainer.evaluation import style

    atomic.write_bytes(path, style.encode(figure))


def _harmless(text: str) -> str:
    # One line a sample: not every reader takes line breaks within a cell.
    text = text.replace("\r", "\\r").replace("\n", "\\n")
    if not text.startswith(("=", "+", "-", "@", "\t", "＝", "＋", "－", "＠")):
        return text
    # "-1" is a number to a spreadsheet as well, and a common label.
    return text if text[1:].isdecimal() and text[0] in "+-" else f"'{text}"


def _strict(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become null."""
    if isinstance(value, Mapping):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_strict(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _readable(summary: Mapping[str, Any]) -> str:
    """JSON with one line a key, one a class and one a row of the matrix."""
    lines = []
    for key, value in summary.items():
        text = _json(value)
        if key in ("per_class", "confusion_matrix"):
            text = "[\n    " + ",\n    ".join(map(_json, value)) + "\n  ]"
        lines.append(f"  {_json(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
