"""The picture of a range test: loss against rate, with what the rules say."""

from typing import TYPE_CHECKING

import numpy as np

from trainer.evaluation import style
from trainer.finding.learning_rate import RangeTest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OTHERS = {"steepest": style.ORANGE, "minimum/10": style.GREEN}
WORDS = {
    "halfway": "half of the fall",
    "steepest": "steepest",
    "minimum/10": "a tenth of the minimum",
}


def draw(test: RangeTest, what: str) -> "Figure":
    """Draw a range test; `what` says of which model and optimizer it is."""
    if test.chosen is None:
        title = "No learning rate: the loss never fell"
    else:
        title = f"Learning rate {test.chosen:g}: half of the fall is made"
    made = style.figure(7.4, 4.4, title, f"{what}\n{len(test.losses)} steps; {test.ended}.")
    ax = style.axes(made, 0.75, 0.62, 0.35, 1.2)
    smooth = test.suggestion.smooth
    ax.plot(test.rates, test.losses, color=style.BLUE, alpha=0.25, lw=1, label="loss of a step")
    ax.plot(test.rates, smooth, color=style.BLUE, lw=2.2, label="smoothed")
    ax.set_xscale("log")
    ax.minorticks_off()
    ax.set_xlim(test.rates[0], test.rates[-1])
    ax.set_ylim(*limits(test))
    mark(ax, test)
    ax.set_xlabel("learning rate, growing with every step", color=style.QUIET, size=9)
    ax.set_ylabel("training loss", color=style.QUIET, size=9)
    ax.grid(axis="y", color=style.RULE, lw=0.8)
    ax.set_axisbelow(True)
    ax.legend(loc="lower left", frameon=False, fontsize=8.5, labelcolor=style.INK)
    return made


def limits(test: RangeTest) -> tuple[float, float]:
    """The range of losses that is shown: what diverges leaves the picture at the top."""
    smooth = test.suggestion.smooth
    low, start = min(test.losses), float(smooth[: max(3, len(smooth) // 10)].mean())
    span = max(start - low, 0.05 * abs(start), 1e-9)
    return low - 0.12 * span, start + 0.4 * span


def mark(ax: "Axes", test: RangeTest) -> None:
    """A line at the rate that is chosen, and a dot on the curve for each other rule."""
    found, smooth = test.suggestion.rates, test.suggestion.smooth
    for name, colour in OTHERS.items():
        if name in found:
            loss = float(np.interp(np.log(found[name]), np.log(test.rates), smooth))
            label = f"{WORDS[name]}: {found[name]:.2g}"
            ax.plot(found[name], loss, "o", color=colour, ms=8, mec="white", zorder=4, label=label)
    if test.chosen is not None:
        ax.axvline(test.chosen, color=style.VERMILLION, lw=1.6, zorder=3)
        ax.annotate(
            f"{test.chosen:g}",
            (test.chosen, 1),
            xycoords=ax.get_xaxis_transform(),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            size=10,
            weight="bold",
            color=style.VERMILLION,
            annotation_clip=False,
        )
