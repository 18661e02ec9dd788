"""The worst mistakes as one picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainer.evaluation import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TILE = 1.45  # inches, the side of one picture
CAPTION = 0.62  # inches, the room for three lines below it
COLUMNS = 5


@dataclass(frozen=True)
class Mistake:
    """One sample that was taken for another class."""

    index: int
    label: str
    prediction: str
    probability: float  # that the model gave to its prediction


def mistakes(
    pictures: Sequence[NDArray[np.uint8]],
    entries: Sequence[Mistake],
    *,
    num_wrong: int,
    num_samples: int,
    split: str = "test",
) -> "Figure":
    """Draw each entry's picture (uint8 [H, W, C]) with its true label, prediction and probability.

    `entries` are the worst first, `num_wrong` is how many mistakes there are in all.
    """
    title = f"{split.capitalize()}: {num_wrong:,} of {num_samples:,} wrong"
    if not entries:
        made = style.figure(6.0, 1.5, f"{split.capitalize()}: no mistakes")
        text = f"All {num_samples:,} samples are right, so there is nothing to draw here."
        made.text(style.LEFT_MARGIN / 6.0, 0.42, text, size=10, color=style.INK)
        return made
    if num_wrong > len(entries):
        subtitle = f"The {len(entries)} worst: the true class was given the lowest probability."
    else:
        subtitle = "All of them, the worst first: the true class was given the lowest probability."
    columns = min(COLUMNS if len(entries) <= 25 else 10, len(entries))
    rows = -(-len(entries) // columns)
    step = TILE + 0.25
    width = max(2 * style.LEFT_MARGIN + columns * step - 0.25, 6.4)
    height = 1.0 + rows * (TILE + CAPTION) + 0.1
    made = style.figure(width, height, title, subtitle)
    for place, (picture, entry) in enumerate(zip(pictures, entries, strict=True)):
        row, column = divmod(place, columns)
        left = style.LEFT_MARGIN + column * step
        top = 1.0 + row * (TILE + CAPTION)
        ax = style.axes(made, left, height - top - TILE, width - left - TILE, top)
        _tile(ax, picture, entry)
    return made


def _tile(ax: "Axes", picture: NDArray[np.uint8], entry: Mistake) -> None:
    image = _drawable(picture)
    # Small pictures stay as they are, pixel by pixel: that is what the model has seen.
    smooth = "nearest" if max(image.shape[:2]) <= 64 else "antialiased"
    ax.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation=smooth)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_anchor("SW")
    lines = (
        (f"true  {style.shorten(entry.label, 16)}", style.BLUE, "normal"),
        (f"said  {style.shorten(entry.prediction, 16)}", style.VERMILLION, "bold"),
        (f"{_certainty(entry.probability)} · no. {entry.index}", style.QUIET, "normal"),
    )
    for number, (text, colour, weight) in enumerate(lines):
        ax.annotate(
            text,
            (0, 0),
            xycoords="axes fraction",
            xytext=(0, -4 - 11 * number),
            textcoords="offset points",
            va="top",
            size=8,
            color=colour,
            weight=weight,
            parse_math=False,
        )


def _certainty(probability: float) -> str:
    return f"{style.percent(probability, 1.0)} sure" if probability == probability else "not finite"


def _drawable(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if picture.ndim == 2:
        return picture
    if picture.ndim != 3 or picture.dtype != np.uint8:
        raise ValueError(f"a picture is uint8 [H, W, C], not {picture.dtype} {picture.shape}")
    # Two channels, or more than three, are no colours: the first one is shown.
    return picture if picture.shape[2] in (3, 4) else picture[:, :, 0]
