"""Overlap of each class as bars, and images with their masks (matplotlib without pyplot)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainer.evaluation import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MANY = 40
TILE = 1.9  # inches, the side of one picture
TITLES = ("image and truth", "truth", "prediction", "wrong pixels")
# Okabe and Ito's palette again, the background dark, and further hues for many classes.
FIRST = ("#22262B", "#E69F00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#F0E442", "#D55E00")


def overlaps(per_class: Sequence[Mapping[str, Any]], split: str) -> "Figure":
    """Draw the intersection over union of every class; dotted is their mean.

    Classes that neither targets nor predictions have are left out; above 40 the lowest are drawn.
    """
    rows = [row for row in per_class if row["iou"] == row["iou"]]
    mean = float(np.mean([row["iou"] for row in rows]))
    title = f"{split.capitalize()}: mean IoU {mean:.3f} over {len(rows)} classes"
    subtitle = "Intersection over union of each class, over all pixels; dotted: their mean."
    if len(rows) > MANY:
        rows = sorted(rows, key=lambda row: float(row["iou"]))[:MANY]
        subtitle += f" The {MANY} lowest."
    names = [style.shorten(row["label"], 24) for row in rows]
    margin = 0.4 + max(map(len, names)) * 0.08
    made = style.figure(margin + 6.2, 1.6 + 0.3 * len(rows), title, subtitle)
    ax = style.axes(made, margin, 0.45, 1.6, 0.95)
    ax.barh(range(len(rows)), [row["iou"] for row in rows], height=0.6, color=style.BLUE)
    ax.axvline(mean, color=style.INK, lw=1.1, ls=(0, (1, 1.6)))
    style.share_axes(ax, names)
    columns = (
        (1.1, "IoU", [f"{row['iou']:.3f}" for row in rows]),
        (1.32, "pixels", [f"{row['support']:,}" for row in rows]),
    )
    style.columns_beside(ax, columns)
    return made


def examples(
    pictures: Sequence[NDArray[np.uint8]],
    truth: NDArray[np.uint8],
    prediction: NDArray[np.uint8],
    captions: Sequence[str],
    classes: Sequence[str],
    split: str,
) -> "Figure":
    """Draw a row for each image: with its mask, truth, prediction, and where they differ.

    Args:
        pictures: uint8 [H, W, C] each.
        truth: class numbers, uint8 [K, H, W], 255 where a pixel is ignored.
        prediction: class numbers, uint8 [K, H, W].
        captions: what is said of each.
        classes: class names.
        split: which split.
    """
    from matplotlib.patches import Patch

    # What was guessed where nothing counts, as in the padding, would look like mistakes.
    prediction = np.where(truth == 255, np.uint8(255), prediction)
    shown = [n for n in range(len(classes)) if (truth == n).any() or (prediction == n).any()]
    shown = shown[:16]
    columns = -(-len(shown) // (-(-len(shown) // 4) or 1)) or 1
    foot = 0.35 + 0.22 * -(-len(shown) // columns)
    width = 2 * style.LEFT_MARGIN + len(TITLES) * (TILE + 0.12)
    height = 1.15 + len(pictures) * (TILE + 0.3) + foot
    made = style.figure(
        width,
        height,
        f"{split.capitalize()}: the {len(pictures)} images with the least overlap",
        "White: ignored, counts for nothing.",
    )
    table = colours(len(classes))
    for row, (picture, wanted, found) in enumerate(zip(pictures, truth, prediction, strict=True)):
        wrong = np.where((wanted != found) & (wanted != 255), 0, 255).astype(np.uint8)
        red = np.repeat(wrong[..., None], 3, axis=2)
        red[..., 0] = np.where(wrong == 0, 213, 255)
        red[..., 1] = np.where(wrong == 0, 94, 255)
        for column, image in enumerate((picture, table[wanted], table[found], red)):
            left = style.LEFT_MARGIN + column * (TILE + 0.12)
            top = 1.15 + row * (TILE + 0.3)
            ax = style.axes(made, left, height - top - TILE, width - left - TILE, top)
            image = image[..., 0] if image.shape[2] == 1 else image
            ax.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            ax.set_xticks([])
            ax.set_yticks([])
            if not row:
                ax.set_title(TITLES[column], size=9, color=style.QUIET)
            if not column:
                ax.set_xlabel(captions[row], size=8, color=style.INK, parse_math=False)
    made.legend(
        handles=[
            Patch(color=table[n] / 255, label=style.shorten(classes[n], 18).lstrip("_") or "_")
            for n in shown
        ],
        loc="lower left",
        bbox_to_anchor=(style.LEFT_MARGIN / width, 0.1 / height),
        ncols=columns,
        frameon=False,
        fontsize=8,
        borderaxespad=0.0,
    )
    return made


def colours(count: int) -> NDArray[np.uint8]:
    """A colour for each class number, uint8 [256, 3]; 255, which is ignored, is white."""
    from matplotlib.colors import hsv_to_rgb, to_rgb

    table = np.full((256, 3), 255, dtype=np.uint8)
    for number in range(min(count, 255)):
        if number < len(FIRST):
            rgb = np.array(to_rgb(FIRST[number]))
        else:  # steps by the golden ratio keep neighbours apart
            rgb = hsv_to_rgb((number * 0.618 % 1, 0.55 + 0.15 * (number % 3), 0.85))
        table[number] = np.round(255 * rgb)
    return table
