"""How numbers, progress and evaluations are laid out as lines; knows nothing of terminals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

Styled = list[tuple[str, str]]  # pieces of a line, each with a rich style ("" for none)

GAP = "  "
WIDEST = 120  # beyond that a line is harder to read, not richer
LONGEST_NAME = 16


def number(value: float) -> str:
    """Four decimals, or three digits and an exponent where those would say little."""
    if not math.isfinite(value):
        return str(value)
    size = abs(value)
    return f"{value:.4f}" if value == 0 or 1e-3 <= size < 1e4 else f"{value:.2e}"


def duration(seconds: float) -> str:
    """`4.2 s`, then `1:07`, then `2:03:12`."""
    return f"{seconds:.1f} s" if seconds < 59.95 else clock(seconds)


def clock(seconds: float) -> str:
    """`0:04`, `1:07`, `2:03:12`: whole seconds, for a figure that changes all the time."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def size(num_bytes: float) -> str:
    """`412 MB`, `3.2 GB`."""
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.0f} MB"


def rate(per_second: float) -> str:
    """`7.3`, `812`, `21.3k`, `1.2M`."""
    for limit, unit in ((1e6, "M"), (1e4, "k")):
        if per_second >= limit:
            return f"{per_second / {'M': 1e6, 'k': 1e3}[unit]:.1f}{unit}"
    return f"{per_second:,.0f}" if per_second >= 10 else f"{per_second:.1f}"


def of(done: int, total: int | None) -> str:
    """`412/2,760`, or `412` where the end is unknown."""
    return f"{done:,}" if total is None else f"{done:,}/{total:,}"


def short(name: str) -> str:
    """A metric's name without the split that it was measured on."""
    return name.removeprefix("validation/")[:LONGEST_NAME]


def joined(pieces: Sequence[tuple[str, str]], width: int) -> Styled:
    """`label value` pairs in a line, as many as fit into `width`; a pair is never cut.

    A label may be empty where the value says what it is.
    """
    line: Styled = []
    used = 0
    for label, value in pieces:
        space = GAP if line else ""
        between = " " if label else ""
        needed = len(space) + len(label) + len(between) + len(value)
        if used + needed > width:
            continue
        pair = [(label, "dim"), (value, "")]
        if label == "samples/s":  # a unit stands behind its number
            pair.reverse()
        line += [(space, ""), pair[0], (between, ""), pair[1]]
        used += needed
    return line


def bar(width: int, share: float, full: str, rest: str) -> Styled:
    """A bar of `width` characters, filled to `share` (0 to 1)."""
    filled = min(width, int(width * share))
    return [(full * filled, "cyan"), (rest * (width - filled), "bright_black")]


def plain(line: Styled) -> str:
    """The line without styles."""
    return "".join(text for text, _ in line).rstrip()


class EvaluationTable:
    """One line per evaluation in columns that stay where they are.

    The columns are chosen from the first evaluation's values: what is wider than the line is left
    out, first the metrics that were not chosen, then step, seconds and training loss.
    """

    def __init__(
        self, width: int, chosen: str, total_epochs: int | None, total_steps: int | None
    ) -> None:
        self.width = min(width, WIDEST)
        self.chosen = chosen
        self.total_epochs = total_epochs
        self.total_steps = total_steps
        self.columns: list[tuple[str, str, int]] = []  # name, title, width

    def header(self, values: Mapping[str, float]) -> Styled:
        """The line of titles; decides on the columns."""
        self.columns = self._choose(values)
        line: Styled = []
        for _, title, width in self.columns:
            line += [(GAP if line else "", ""), (title.rjust(width), "bold")]
        return line

    def row(
        self, epoch: int, step: int, values: Mapping[str, float], seconds: float, best: bool
    ) -> Styled:
        """The line of one evaluation; `epoch` counts from 0 and is shown from 1."""
        line: Styled = []
        cells = {
            "epoch": of(epoch + 1, self.total_epochs),
            "step": f"{step:,}",
            "seconds": duration(seconds),
            "best": "best" if best else "",
        }
        styles = {"epoch": "dim", "step": "dim", "seconds": "dim", "best": "bold green"}
        for name, _, width in self.columns:
            text = cells.get(name) or (number(values[name]) if name in values else "")
            style = styles.get(name, "bold" if name == self.chosen else "")
            line += [(GAP if line else "", ""), (text.rjust(width), style)]
        return line

    def _choose(self, values: Mapping[str, float]) -> list[tuple[str, str, int]]:
        metrics = [name for name in values if self._is_metric(name)]
        metrics.sort(key=lambda name: name != self.chosen)  # stable: the chosen one comes first
        epoch = len(of(self.total_epochs or 999, self.total_epochs))
        wanted = [("epoch", "epoch", max(5, epoch))]
        wanted += [("step", "step", max(5, len(f"{self.total_steps or 99999:,}")))]
        if "train/loss" in values:
            wanted += [("train/loss", "train loss", 10)]
        if "validation/loss" in values:
            wanted += [("validation/loss", "val loss", 9)]
        wanted += [(name, short(name), max(8, len(short(name)))) for name in metrics]
        wanted += [("seconds", "time", 7)]
        wanted += [("best", "", 4)] if self.chosen in values else []
        optional = ["train/loss", "seconds", "step"]
        optional += [name for name in metrics if name != self.chosen]
        while optional and sum(width + len(GAP) for *_, width in wanted) - len(GAP) > self.width:
            drop = optional.pop()
            wanted = [column for column in wanted if column[0] != drop]
        return wanted

    @staticmethod
    def _is_metric(name: str) -> bool:
        known = ("train/", "timing/")
        return name not in ("validation/loss", "epoch") and not name.startswith(known)
