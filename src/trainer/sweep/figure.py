"""The picture of a sweep: the metric against each parameter that was swept over."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainer.storage.atomic import write_bytes
from trainer.sweep.axes import REPEATS, key_of
from trainer.sweep.leaderboard import Row
from trainer.sweep.plan import Plan
from trainer.sweep.trials import Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS, MOST = 3, 9  # panels in a row, and in all
# Inches: the head with the headline, one panel, and what is around it.
HEAD, WIDTH, HEIGHT, LEFT, RIGHT, BELOW = 1.2, 2.45, 2.1, 0.65, 0.2, 0.75
DECADE = 10  # numbers whose largest is so many times the smallest get a logarithmic axis
CATEGORIES = 12


def draw(rows: Sequence[Row], trials: Sequence[Trial], plan: Plan) -> bool:
    """Write `leaderboard.png`; returns False, and writes nothing, where there is nothing to see.

    Blue points are finished trials, orange ones those of the best configuration, and rings the last
    values of pruned ones. Raises CannotWrite.
    """
    seen = [t for t in trials if t.state in ("finished", "pruned") and plan.metric in t.metrics]
    names = parameters(seen)
    if not names:
        return False
    from trainer.evaluation import style

    shown = names[:MOST]
    across = min(COLUMNS, len(shown))
    down = math.ceil(len(shown) / across)
    # One panel alone is as wide as its headline.
    wide = WIDTH if across > 1 else 2 * WIDTH
    width = LEFT + across * (wide + RIGHT) + 0.2
    height = HEAD + down * (HEIGHT + BELOW) - 0.2
    best = rows[0]
    title = "No trial is finished"
    if best.validation is not None:
        told = f"with {best.told}" if len(rows) > 1 else "on average"
        title = f"{plan.select} {best.validation.mean:.4f} {told}"
    finished = sum(trial.state == "finished" for trial in trials)
    pruned = "; rings: pruned" if finished < len(seen) else ""
    more = f"; {len(names) - MOST} more parameters are in trials.csv" * (len(names) > MOST)
    winners = {trial.number for trial in best.trials if len(rows) > 1 and best.rank}
    orange = "; orange: the best" if winners else ""
    subtitle = f"{plan.metric} of {finished} finished trials{orange}{pruned}{more}"
    made = style.figure(width, height, style.shorten(title, int((width - 0.45) * 8.6)), subtitle)
    for place, name in enumerate(shown):
        row, column = divmod(place, across)
        left, top = LEFT + column * (wide + RIGHT), HEAD + row * (HEIGHT + BELOW)
        ax = style.axes(made, left, height - top - HEIGHT, width - left - wide, top)
        one_panel(ax, name, seen, winners, plan)
        if column:
            ax.tick_params(labelleft=False)
    write_bytes(plan.folder / "leaderboard.png", style.encode(made))
    return True


def parameters(trials: Sequence[Trial]) -> list[str]:
    """The keys with several values; seed and fold only where there is no other."""
    values: dict[str, set[str]] = {}
    for trial in trials:
        for text in trial.overrides:
            values.setdefault(key_of(text), set()).add(text.partition("=")[2])
    several = [name for name, found in values.items() if len(found) > 1]
    return [name for name in several if name not in REPEATS] or several


def numbers(texts: Sequence[str]) -> list[float] | None:
    """The texts as finite numbers; None where one of them is none."""
    try:
        found = [float(text) for text in texts]
    except ValueError:
        return None
    return found if all(map(math.isfinite, found)) else None


def one_panel(
    ax: "Axes", name: str, trials: Sequence[Trial], winners: set[int], plan: Plan
) -> None:
    """Draw the metric against one parameter."""
    from matplotlib.ticker import NullFormatter

    from trainer.evaluation import style

    points = [
        (text.partition("=")[2], t) for t in trials for text in t.overrides if key_of(text) == name
    ]
    texts = [text for text, _ in points]
    places = numbers(texts)
    if places is None:
        places = strips(ax, texts)
    else:
        if min(places) > 0 and max(places) >= DECADE * min(places):
            ax.set_xscale("log")
            ax.xaxis.set_minor_formatter(NullFormatter())
            ax.tick_params(which="minor", length=0)
        distinct = sorted(set(places))
        if len(distinct) <= 6:
            ax.set_xticks(distinct, [f"{value:g}" for value in distinct])
            ax.set_xticks([], minor=True)
        ax.margins(x=0.1)
    values = [trial.metrics[plan.metric] for _, trial in points]
    for x, value, (_, trial) in zip(places, values, points, strict=True):
        best, pruned = trial.number in winners, trial.state == "pruned"
        colour = style.QUIET if pruned else style.ORANGE if best else style.BLUE
        ax.plot(
            [x],
            [value],
            "o",
            markersize=6,
            color=colour,
            markerfacecolor="white" if pruned else colour,
            alpha=1 if best else 0.75,
            zorder=3 if best else 2,
        )
    ax.grid(axis="y", color=style.RULE)
    ax.set_axisbelow(True)
    ax.set_title(
        style.shorten(name, 34), loc="left", fontsize=10, color=style.INK, parse_math=False
    )
    ax.set_ylim(*limits(values))


def strips(ax: "Axes", texts: Sequence[str]) -> list[float]:
    """Places for categories: a strip each, in which equal values stand side by side."""
    from trainer.evaluation import style

    names = list(dict.fromkeys(texts))
    counts = {name: texts.count(name) for name in names}
    used = dict.fromkeys(names, 0)
    places = []
    for text in texts:
        share = (used[text] + 0.5) / counts[text] - 0.5
        places.append(names.index(text) + 0.5 * share)
        used[text] += 1
    step = math.ceil(len(names) / CATEGORIES)
    length = max(5, 30 // min(len(names), CATEGORIES))
    labels = [style.shorten(name.strip("'\""), length) for name in names[::step]]
    ax.set_xticks(range(0, len(names), step), labels, parse_math=False)
    ax.set_xlim(-0.6, len(names) - 0.4)
    return places


def limits(values: Sequence[float]) -> tuple[float, float]:
    """The ends of the metric's axis, the same in each panel."""
    low, high = min(values), max(values)
    space = 0.08 * (high - low) or 0.05 * abs(high) or 0.05
    return low - space, high + space
