"""What the evaluation of a classifier leaves behind: its predictions, figures and mistakes."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainer.evaluation.kept import Kept
from trainer.evaluation.writing import Picture, harmless, in_order_of, write_figure
from trainer.storage import atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = ("index", "input", "label", "prediction", "probability", "correct")


def write_details(
    place: Path,
    split: str,
    kept: Kept,
    classes: Sequence[str],
    *,
    indices: Sequence[int] | None,
    names: Sequence[str] | None,
    picture: Picture | None,
    mistakes: int,
) -> None:
    """Write what is known of every sample: the table of predictions, and the worst mistakes."""
    order = in_order_of(indices, len(kept.target))
    table = predictions(kept, classes, order, names)
    atomic.write_bytes(place / f"{split}_predictions.csv", table)
    if picture is not None and mistakes:
        drawn = draw_mistakes(kept, classes, order, picture, mistakes, split)
        write_figure(place / f"{split}_mistakes.png", drawn)


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
    labels = [harmless(str(name)) for name in classes]
    for position in np.argsort(np.asarray(indices), kind="stable"):
        index = indices[position]
        target, guess = kept.target[position], kept.prediction[position]
        writer.writerow(
            (
                index,
                "" if names is None else harmless(str(names[index])),
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
    split: str,
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


def write_figures(
    place: Path,
    split: str,
    matrix: NDArray[np.int64],
    per_class: Sequence[Mapping[str, Any]],
    classes: Sequence[str],
) -> None:
    """Draw the confusion matrix [C, C] and the scores of each class."""
    from trainer.evaluation import figures

    confusion = figures.confusion_matrix(matrix, classes, split)
    write_figure(place / f"{split}_confusion_matrix.png", confusion)
    write_figure(place / f"{split}_per_class.png", figures.per_class_bars(per_class, split))
