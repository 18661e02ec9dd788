"""Average precision of each class as bars, and images with boxes (matplotlib without pyplot)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainer.evaluation import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MANY = 40
TILE = 2.4  # inches, the side of one picture
ACROSS = 3


def precisions(per_class: Sequence[Mapping[str, Any]], split: str) -> "Figure":
    """Draw average precision at IoU 0.5, and over 0.5 to 0.95, of each class with true boxes.

    Above 40 classes the lowest are drawn.
    """
    rows = [row for row in per_class if row["support"]]
    mean = float(np.mean([row["ap50"] for row in rows])) if rows else float("nan")
    title = f"{split.capitalize()}: mAP@0.5 {mean:.3f} over {len(rows)} classes"
    subtitle = "Average precision of each class: dark at IoU 0.5, light over IoU 0.5 to 0.95."
    if len(rows) > MANY:
        rows = sorted(rows, key=lambda row: float(row["ap50"]))[:MANY]
        subtitle += f" The {MANY} lowest."
    names = [style.shorten(row["label"], 24) for row in rows]
    margin = 0.4 + max(map(len, names), default=1) * 0.08
    made = style.figure(margin + 6.2, 1.6 + 0.34 * len(rows), title, subtitle)
    ax = style.axes(made, margin, 0.45, 2.1, 0.95)
    places = np.arange(len(rows))
    ax.barh(places - 0.18, [row["ap50"] for row in rows], height=0.34, color=style.BLUE)
    ax.barh(places + 0.18, [row["ap"] for row in rows], height=0.34, color="#8FBFDE")
    style.share_axes(ax, names)
    columns = (
        (1.14, "AP@0.5", [f"{row['ap50']:.3f}" for row in rows]),
        (1.3, "AP", [f"{row['ap']:.3f}" for row in rows]),
        (1.46, "boxes", [f"{row['support']:,}" for row in rows]),
    )
    style.columns_beside(ax, columns)
    return made


def examples(
    pictures: Sequence[NDArray[np.uint8]],
    found: Sequence[NDArray[np.float32]],
    captions: Sequence[str],
    classes: Sequence[str],
    split: str,
) -> "Figure":
    """Draw images, on which the true boxes are already, with the boxes that were found.

    Args:
        pictures: uint8 [H, W, C] each.
        found: boxes [n, 6] of each: class, probability, x1, y1, x2, y2.
        captions: what is said of each.
        classes: class names.
        split: which split.
    """
    from matplotlib.patches import Rectangle

    columns = min(ACROSS, max(len(pictures), 1))
    rows = -(-len(pictures) // columns)
    width = max(2 * style.LEFT_MARGIN + columns * (TILE + 0.2), 5.2)
    height = 1.0 + rows * (TILE + 0.4)
    made = style.figure(
        width,
        height,
        f"{split.capitalize()}: the {len(pictures)} images with the most mistakes",
        "Solid: true boxes. Dashed: found, with their probability.",
    )
    for place, picture in enumerate(pictures):
        row, column = divmod(place, columns)
        left = style.LEFT_MARGIN + column * (TILE + 0.2)
        top = 1.0 + row * (TILE + 0.4)
        ax = style.axes(made, left, height - top - TILE, width - left - TILE, top)
        image = picture[..., 0] if picture.shape[2] == 1 else picture
        ax.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_xlabel(captions[place], size=8, color=style.INK, parse_math=False)
        for label, score, x1, y1, x2, y2 in found[place][::-1].tolist():
            # Where imshow has it, the first pixel reaches from -0.5 to 0.5.
            ax.add_patch(
                Rectangle(
                    (x1 - 0.5, y1 - 0.5),
                    x2 - x1,
                    y2 - y1,
                    fill=False,
                    lw=1.3,
                    ls=(0, (3, 1.5)),
                    ec="white",
                )
            )
            ax.text(
                x1,
                y1,
                f"{style.shorten(classes[int(label)], 12)} {score:.2f}",
                size=6.5,
                color="white",
                va="top",
                parse_math=False,
                bbox={"fc": style.INK, "ec": "none", "pad": 0.8, "alpha": 0.75},
            )
    return made
