"""What was predicted against what is true, as a figure (matplotlib without pyplot)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainer.evaluation import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = 6  # targets with a panel of their own
DOTS = 2_000  # samples drawn in a panel


def predicted_and_true(
    outputs: NDArray[np.float64],
    truth: NDArray[np.float64],
    targets: Sequence[str],
    per_target: Sequence[Mapping[str, Any]],
    split: str,
) -> "Figure":
    """Draw a panel for each of the first targets: true values across, predicted ones upwards.

    Args:
        outputs: what was predicted, in the units of the data [N, T].
        truth: what is true, likewise.
        targets: their names.
        per_target: their errors, as `Errors.details` gives them.
        split: for the headline.
    """
    shown = list(targets[:PANELS])
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    side, gap, left, top = 2.6, 0.75, 0.85, 1.15
    width = max(left + columns * (side + gap), 6.2)
    r2 = [row["r2"] for row in per_target if np.isfinite(row["r2"])]
    mean = f"R2 {np.mean(r2):.3f}" if r2 else "no spread in the targets"
    several = f" on average over {len(targets)} targets" if len(targets) > 1 else ""
    more = f"; the first {PANELS} targets" if len(targets) > PANELS else ""
    made = style.figure(
        width,
        top + rows * (side + gap),
        f"{split.capitalize()}: {mean}{several}",
        f"Each dot is a sample; on the line what was predicted is true{more}.",
    )
    height = top + rows * (side + gap)
    chosen = np.linspace(0, len(truth) - 1, min(DOTS, len(truth))).astype(int)
    for place, name in enumerate(shown):
        row, column = divmod(place, columns)
        x = left + column * (side + gap)
        y = height - top - row * (side + gap) - side
        ax = style.axes(made, x, y, width - x - side, height - y - side)
        _panel(ax, truth[chosen, place], outputs[chosen, place])
        errors = per_target[place]
        ax.set_title(
            f"{style.shorten(name, 22)}: RMSE {errors['rmse']:.4g}",
            size=9,
            color=style.INK,
            loc="left",
            parse_math=False,
        )
    return made


def _panel(ax: "Axes", truth: NDArray[np.float64], outputs: NDArray[np.float64]) -> None:
    sound = np.isfinite(truth) & np.isfinite(outputs)
    truth, outputs = truth[sound], outputs[sound]
    ends = [min(truth.min(initial=0), outputs.min(initial=0))] if not len(truth) else None
    low, high = (
        (0.0, 1.0)
        if ends is not None
        else (min(truth.min(), outputs.min()), max(truth.max(), outputs.max()))
    )
    room = (high - low) * 0.04 or 1.0
    limits = (low - room, high + room)
    ax.plot(limits, limits, color=style.RULE, lw=1.2, zorder=1)
    ax.scatter(truth, outputs, s=10, color=style.BLUE, alpha=0.55, linewidths=0, zorder=2)
    ax.set_xlim(*limits)
    ax.set_ylim(*limits)
    ax.set_xlabel("true", size=8, color=style.QUIET)
    ax.set_ylabel("predicted", size=8, color=style.QUIET)
    ax.locator_params(nbins=5)
    ax.grid(color=style.RULE, lw=0.6)
    ax.set_axisbelow(True)
