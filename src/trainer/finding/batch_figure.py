"""The picture of a search for the batch size: speed and memory against the size."""

from typing import TYPE_CHECKING, Any

from trainer.evaluation import style
from trainer.finding.batch_size import SLOWER, Search, Trial
from trainer.recording.layout import rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEFT, RIGHT, WIDTH = 0.95, 0.4, 7.4


def draw(search: Search, what: str) -> "Figure":
    """Draw a search; `what` says with which model and on which device."""
    title = f"Batch size {search.chosen}: {search.method}"
    shown = f"{what}\nUpper end: {search.bound}. Shaded: within 5 % of the best."
    made = style.figure(WIDTH, 5.2, title, shown)
    measured = [trial for trial in search.trials if trial.state == "measured"]
    speed = style.axes(made, LEFT, 2.15, RIGHT, 1.2)
    speeds = [trial.samples_per_second or 0.0 for trial in measured]
    best = max(speeds)
    speed.axhspan((1 - SLOWER) * best, best, color=style.BLUE, alpha=0.12, lw=0)
    line(speed, measured, speeds, style.BLUE)
    finish(speed, search, "samples a second")
    speed.yaxis.set_major_formatter(lambda value, _: rate(value))
    speed.tick_params(labelbottom=False)
    memory = style.axes(made, LEFT, 0.6, RIGHT, 3.35)
    line(memory, measured, [(trial.memory or 0) / 1e6 for trial in measured], style.GREEN)
    finish(memory, search, "peak memory, MB")
    memory.set_xlabel("batch size", color=style.QUIET, size=9)
    label(speed, search.chosen)
    return made


def line(ax: "Axes", trials: list[Trial], values: list[float], colour: str) -> None:
    """A value by size."""
    sizes = [trial.size for trial in trials]
    ax.plot(sizes, values, "o-", color=colour, lw=1.8, ms=5, mec="white", zorder=3)


def finish(ax: "Axes", search: Search, name: str) -> None:
    """Scales, the sizes as labels, a line at the chosen one and crosses where memory ended."""
    sizes = [trial.size for trial in search.trials]
    powers = [size for size in sizes if size & (size - 1) == 0]
    ax.set_xscale("log", base=2)
    ax.set_xlim(min(sizes) / 1.25, max(sizes) * 1.25)
    ax.set_xticks(powers, [str(size) for size in powers])
    ax.minorticks_off()
    ax.set_ylim(0, 1.12 * max(ax.get_ylim()[1], 1e-9))
    top: Any = ax.get_xaxis_transform()
    for trial in search.trials:
        if trial.state == "no memory":
            ax.plot(trial.size, 0.06, "x", color=style.VERMILLION, transform=top, clip_on=False)
    ax.axvline(search.chosen, color=style.VERMILLION, lw=1.6, zorder=2)
    ax.set_ylabel(name, color=style.QUIET, size=9)
    ax.yaxis.set_label_coords(-0.72 / (WIDTH - LEFT - RIGHT), 0.5)
    ax.grid(axis="y", color=style.RULE, lw=0.8)
    ax.set_axisbelow(True)


def label(ax: "Axes", chosen: int) -> None:
    """The chosen size above its line."""
    ax.annotate(
        str(chosen),
        (chosen, 1),
        xycoords=ax.get_xaxis_transform(),
        xytext=(0, 4),
        textcoords="offset points",
        ha="center",
        size=10,
        weight="bold",
        color=style.VERMILLION,
        annotation_clip=False,
    )
