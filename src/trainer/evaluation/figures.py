"""The confusion matrix and the scores of each class as figures (matplotlib without pyplot).

Each function returns a matplotlib Figure; `style.encode` makes a PNG of it, `style.as_pixels` an
array for a recorder.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainer.evaluation import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MANY = 20  # classes; above this, cells have no numbers and rows have dots in place of bars
TOP = 1.15  # inches for the headline and two lines below it
KEY = "Blue is right, orange is wrong; the darker, the larger the share of its row."
LEGIBLE = 120  # classes; above this, not every row has a label
SCORES = (("precision", style.BLUE), ("recall", style.ORANGE), ("f1", style.GREEN))
TITLES = {"precision": "precision", "recall": "recall", "f1": "F1"}


def headline(matrix: NDArray[np.int64], split: str) -> str:
    """The result in one line: "Test: 356 of 360 right (98.9 %)"."""
    right, total = int(matrix.trace()), int(matrix.sum())
    return f"{split.capitalize()}: {right:,} of {total:,} right ({style.percent(right, total)})"


def confusion_matrix(
    matrix: NDArray[np.int64], classes: Sequence[str], split: str = "test"
) -> "Figure":
    """Draw counts [C, C] (rows: true class): right in blue, wrong in orange, by share of the row.

    Cells have their count up to 20 classes. Mistakes are shaded by the root of their share, so
    that a single one is still seen.
    """
    num = len(classes)
    cell = (
        1.0
        if num <= 4
        else 0.62
        if num <= 6
        else 0.46
        if num <= MANY
        else max(0.11, 9.0 / num if num > 80 else 0.16)
    )
    cell = cell if num <= LEGIBLE else 13.2 / num
    names = [style.shorten(name, 18) for name in classes]
    size = 9 if num <= MANY else 6 if num <= 80 else 5.5
    margin = 0.75 + max(map(len, names)) * size * 0.0088
    side = cell * num
    width = max(margin + side + 0.4, 6.2)
    made = style.figure(
        width,
        TOP + side + margin - 0.2,
        headline(matrix, split),
        f"{_most_confused(matrix, classes)}\n{KEY}",
    )
    ax = style.axes(made, margin, margin - 0.2, width - margin - side, TOP)
    ax.imshow(_colours(matrix), interpolation="nearest", aspect="auto")
    shown = range(0, num, 1 if num <= LEGIBLE else -(-num // 50))
    ax.set_yticks(list(shown), [names[i] for i in shown], size=size, parse_math=False)
    turned: dict[str, Any] = {"rotation": 90} if num > MANY or max(map(len, names)) > 3 else {}
    ax.set_xticks(list(shown), [names[i] for i in shown], size=size, parse_math=False, **turned)
    ax.set_ylabel("true class", color=style.QUIET, size=9)
    ax.set_xlabel("predicted class", color=style.QUIET, size=9)
    _grid(ax, num)
    if num <= MANY:
        _annotate(ax, matrix)
    return made


def _colours(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    colours = style.tint(style.VERMILLION, np.sqrt(share))
    diagonal = np.arange(len(matrix))
    colours[diagonal, diagonal] = style.tint(style.BLUE, share.diagonal())
    return colours


def _grid(ax: "Axes", num: int) -> None:
    edges = np.arange(num + 1) - 0.5
    line: dict[str, Any] = {
        "color": style.RULE,
        "lw": 0.8 if num <= MANY else 0.3,
        "clip_on": False,
    }
    if num <= LEGIBLE:
        ax.hlines(edges, -0.5, num - 0.5, **line)
        ax.vlines(edges, -0.5, num - 0.5, **line)
    ax.set_xlim(-0.5, num - 0.5)
    ax.set_ylim(num - 0.5, -0.5)


def _annotate(ax: "Axes", matrix: NDArray[np.int64]) -> None:
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            dark = share[row, column] > (0.7 if row == column else 0.45)
            text = f"{count:,}" if count < 100_000 else f"{count / 1000:,.0f}k"
            ax.text(
                column,
                row,
                text,
                ha="center",
                va="center",
                size=9 if len(text) <= 4 else 7,
                color="white" if dark else style.INK,
            )


def _most_confused(matrix: NDArray[np.int64], classes: Sequence[str]) -> str:
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    if not wrong.any():
        return "No class is taken for another."
    row, column = np.unravel_index(int(wrong.argmax()), wrong.shape)
    true, guess = (style.shorten(classes[int(place)], 18) for place in (row, column))
    if np.count_nonzero(wrong == wrong.max()) > 1:
        return f"No class is taken for another one more than {_times(wrong)}."
    return f"Most often mistaken: {true} for {guess} ({_times(wrong)})"


def _times(wrong: NDArray[np.int64]) -> str:
    most = int(wrong.max())
    return "once" if most == 1 else f"{most:,} times"


def per_class_bars(per_class: Sequence[Mapping[str, Any]], split: str = "test") -> "Figure":
    """Draw precision, recall and F1 of every class; dotted lines are their macro averages.

    `per_class` is what Counts.per_class gives. Above 20 classes there is one row of dots a class,
    the lowest F1 first.
    """
    many = len(per_class) > MANY
    rows = sorted(per_class, key=lambda row: row["f1"]) if many else list(per_class)
    names = [style.shorten(row["label"], 24) for row in rows]
    means = {score: float(np.mean([row[score] for row in rows])) for score, _ in SCORES}
    lowest = min(per_class, key=lambda row: row["f1"])
    title = f"{split.capitalize()}: F1 {means['f1']:.3f} on average over {len(rows)} classes"
    weakest = f"Lowest F1: {style.shorten(lowest['label'], 24)} ({lowest['f1']:.3f})"
    order = "; the lowest at the top" if many else ""
    subtitle = f"{weakest}{order}\nDotted: the averages over the classes (macro)."
    step = 0.48 if not many else 0.15 if len(rows) <= 300 else 45 / len(rows)
    size = 9.0 if not many else min(6.5, step * 43)
    margin = 0.4 + max(map(len, names)) * size * 0.0088
    made = style.figure(margin + 6.2, 1.75 + step * len(rows), title, subtitle)
    ax = style.axes(made, margin, 0.45, 1.25, 1.3)
    draw = _dots if many else _bars
    for place, (score, colour) in enumerate(SCORES):
        label = f"{TITLES[score]}  {means[score]:.3f}"
        draw(ax, [row[score] for row in rows], place, colour, label)
        ax.axvline(means[score], color=colour, lw=1.1, ls=(0, (1, 1.6)), zorder=1.5)
    style.share_axes(ax, names, size)
    _figures_beside(ax, rows, size)
    ax.legend(
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        ncols=3,
        frameon=False,
        fontsize=9,
        labelcolor=style.INK,
        borderaxespad=0.2 if not many else 0.6,
        handlelength=1.0,
    )
    return made


def _bars(ax: "Axes", values: list[float], place: int, colour: str, label: str) -> None:
    where = np.arange(len(values)) + (place - 1) * 0.25
    ax.barh(where, values, height=0.22, color=colour, label=label, zorder=2)


def _dots(ax: "Axes", values: list[float], place: int, colour: str, label: str) -> None:
    where = np.arange(len(values))
    marker = ("o", "s", "D")[place]
    ax.scatter(
        values, where, s=9, marker=marker, color=colour, label=label, zorder=2 + place, alpha=0.85
    )


def _figures_beside(ax: "Axes", rows: Sequence[Mapping[str, Any]], size: float) -> None:
    """F1 and the number of samples as figures at the end of each row, as in a table."""
    columns: tuple[tuple[float, str, list[str]], ...] = (
        (1.11, "F1", [f"{row['f1']:.3f}" for row in rows]),
        (1.24, "samples", [f"{row['support']:,}" for row in rows]),
    )
    style.columns_beside(ax, columns, size)
