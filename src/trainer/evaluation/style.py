"""One look for all figures: palette, type, and text that comes from a user's data."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette (2008), which people of all kinds of colour vision can tell apart.
BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
INK, QUIET, RULE = "#22262B", "#6B7280", "#E5E7EB"
DPI = 120
LEFT_MARGIN = 0.3  # inches


def figure(width: float, height: float, title: str, subtitle: str = "") -> "Figure":
    """A white figure of `width` x `height` inches with a headline that says the result.

    No pyplot: nothing is shared with a user's own figures, and nothing has to be closed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(made)
    left = LEFT_MARGIN / width
    top = 1 - 0.22 / height
    made.text(left, top, title, size=13, weight="bold", color=INK, va="top", parse_math=False)
    if subtitle:
        below = 1 - 0.53 / height
        made.text(
            left, below, subtitle, size=9, color=QUIET, va="top", parse_math=False, linespacing=1.5
        )
    return made


def axes(made: "Figure", left: float, bottom: float, right: float, top: float) -> "Axes":
    """Bare axes with margins in inches from the figure's edges."""
    width, height = made.get_size_inches()
    box = (left / width, bottom / height, (width - left - right) / width)
    ax = made.add_axes((*box, (height - bottom - top) / height))
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.tick_params(length=0, colors=INK, labelsize=9)
    return ax


def share_axes(ax: "Axes", names: Sequence[str], size: float = 9.0) -> None:
    """Prepare axes for a bar a name, the first at the top, over shares from 0 to 1."""
    ax.set_xlim(0, 1.005)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_yticks(range(len(names)), names, size=size, parse_math=False)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"], color=QUIET)
    ax.grid(axis="x", color=RULE, lw=0.8)
    ax.set_axisbelow(True)


def columns_beside(
    ax: "Axes", columns: Sequence[tuple[float, str, Sequence[str]]], size: float = 9.0
) -> None:
    """Write columns of texts beside the bars: (where its right end is, its title, a text a bar)."""
    turn = ax.get_yaxis_transform()
    title: Any = {"transform": ax.transAxes, "ha": "right", "va": "bottom", "color": QUIET}
    for x, name, texts in columns:
        ax.text(x, 1.0, name, size=8, **title)
        for y, text in enumerate(texts):
            ax.text(x, y, text, transform=turn, ha="right", va="center", size=size, color=INK)


def as_pixels(made: "Figure") -> NDArray[np.uint8]:
    """The figure as uint8 [H, W, 3], for a recorder."""
    import warnings

    canvas: Any = made.canvas
    with warnings.catch_warnings():
        # A script that no installed font has is drawn as boxes; nothing else can be done here.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        canvas.draw()
    pixels: NDArray[np.uint8] = np.array(canvas.buffer_rgba(), dtype=np.uint8)[..., :3]
    return np.ascontiguousarray(pixels)


def encode(made: "Figure") -> bytes:
    """The figure as a PNG file; the same figure gives the same bytes."""
    from io import BytesIO

    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(as_pixels(made)).save(buffer, format="PNG")
    return buffer.getvalue()


def shorten(text: object, length: int) -> str:
    """One line of at most `length` characters; the middle goes, the ends tell names apart."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split()) or "(empty)"
    if len(line) <= length:
        return line
    tail = (length - 1) // 3
    return f"{line[: length - 1 - tail]}…{line[len(line) - tail :]}" if tail else line[:length]


def percent(part: float, whole: float) -> str:
    """A share with one decimal, never rounded up to 100 % nor down to 0 %."""
    share = 100 * part / whole if whole else 0.0
    if 99.95 <= share < 100:
        return "> 99.9 %"
    if 0 < share < 0.05:
        return "< 0.1 %"
    return "100 %" if share == 100 else f"{share:.1f} %"


def tint(colour: str, strength: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shades of one hue from white (0) to nearly full (1): [...] -> RGB [..., 3]."""
    from matplotlib.colors import to_rgb

    full: Any = np.array(to_rgb(colour))
    return np.asarray(1 - strength[..., None] * (1 - full))
