"""What `predict` shows on the console: the first rows, and what came of all of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from trainer.commands import tables
from trainer.inference.stream import Row

MOST = 20  # rows that are shown as they are
FIRST = 10  # of more than that, so many
LABELS = 10  # classes in the summary


class Overview:
    """Collects what is shown; its size doesn't depend on how many rows there are."""

    def __init__(self, classes: Sequence[str]) -> None:
        self.first: list[Row] = []
        self.number = self.errors = 0
        self.labels: Counter[str] = Counter()
        self.certainty: defaultdict[str, float] = defaultdict(float)  # sums of probabilities

    def add(self, row: Row) -> None:
        """Take one row into account."""
        self.number += 1
        if self.number <= MOST:
            self.first.append(row)
        if row.label is None:
            self.errors += 1
        else:
            self.labels[row.label] += 1
            self.certainty[row.label] += row.probability or 0.0

    def show(self, stream: TextIO) -> None:
        """Print the rows; of many the first ones, and a summary."""
        shown = self.first if self.number <= MOST else self.first[:FIRST]
        tables.show(stream, row_table(shown, tables.width_of(stream)))
        if self.number > MOST:
            hint = f"... and {self.number - FIRST:,} more; all of them: --output FILE.csv"
            tables.show(stream, [[(hint, "dim")], []])
            self.summarise(stream)

    def summarise(self, stream: TextIO, written: Path | None = None) -> None:
        """Print how often each class was found, and where all rows are."""
        common = self.labels.most_common(LABELS)
        if common:
            tables.show(stream, self.label_table(common, tables.width_of(stream)))
            if len(self.labels) > LABELS:
                tables.show(stream, [[(f"... and {len(self.labels) - LABELS} more classes", "")]])
            tables.show(stream, [[]])
        unread = f", {self.errors:,} of them not readable" if self.errors else ""
        where = f"; written to {tables.printable(str(written))}" if written else ""
        tables.show(stream, [[(f"{self.number:,} inputs{unread}{where}", "")]])

    def label_table(self, common: Sequence[tuple[str, int]], width: int) -> list[tables.Styled]:
        """One line a class: how many inputs, which share, how sure the model was on average."""
        done = self.number - self.errors
        return tables.table(
            [
                tables.Column("label", [tables.printable(n) for n, _ in common], least=8),
                tables.Column("inputs", [f"{count:,}" for _, count in common], right=True),
                tables.Column("share", [f"{count / done:.1%}" for _, count in common], right=True),
                tables.Column(
                    "mean probability",
                    [f"{self.certainty[name] / count:.4f}" for name, count in common],
                    right=True,
                    rank=1,
                ),
            ],
            width,
        )


def row_table(rows: Sequence[Row], width: int) -> list[tables.Styled]:
    """One line an input: what it is, how probable that is, and what comes next."""
    styles = ["red" if row.error else "bold" for row in rows]
    names = [tables.printable(row.input) for row in rows]
    return tables.table(
        [
            tables.Column("input", names, least=16, cut="start"),
            tables.Column(
                "label",
                ["-" if row.label is None else tables.printable(row.label) for row in rows],
                style=styles,
                least=8,
            ),
            tables.Column("probability", [percent(r.probability) for r in rows], right=True),
            tables.Column("next", list(map(following, rows)), style="dim", least=12, rank=1),
        ],
        width,
    )


def percent(probability: float | None) -> str:
    """Four decimals."""
    return "-" if probability is None else f"{probability:.4f}"


def following(row: Row) -> str:
    """The classes behind the likeliest one; or what is wrong with the input."""
    if row.error is not None:
        return tables.printable(row.error)
    return ", ".join(f"{tables.printable(label)} {value:.4f}" for label, value in row.top[1:])
