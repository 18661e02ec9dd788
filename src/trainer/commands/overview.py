"""What `predict` shows on the console: the first rows, and what came of all of them."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from trainer.commands import tables
from trainer.inference.stream import Row

MOST = 20  # rows that are shown as they are
FIRST = 10  # of more than that, so many
LABELS = 10  # classes in the summary
CELL = 60  # characters of a value


class Overview:
    """Collects what is shown; its size doesn't depend on how many rows there are."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = columns
        self.first: list[Row] = []
        self.number = self.errors = 0
        self.labels: Counter[str] = Counter()
        self.certainty: defaultdict[str, float] = defaultdict(float)  # sums of probabilities
        self.spans: dict[str, tuple[float, float, float]] = {}  # least, sum, largest by column

    def add(self, row: Row) -> None:
        """Take one row into account."""
        self.number += 1
        if self.number <= MOST:
            self.first.append(row)
        if not row.answer:
            self.errors += 1
            return
        if "label" in row.answer:
            label = str(row.answer["label"])
            self.labels[label] += 1
            self.certainty[label] += row.answer.get("probability") or 0.0
        for label in row.answer.get("labels") or ():
            self.labels[str(label)] += 1
        for name, value in row.answer.items():
            if isinstance(value, float) and name != "probability":
                least, total, largest = self.spans.get(name, (value, 0.0, value))
                self.spans[name] = min(least, value), total + value, max(largest, value)

    def show(self, stream: TextIO) -> None:
        """Print the rows; of many the first ones, and a summary."""
        shown = self.first if self.number <= MOST else self.first[:FIRST]
        tables.show(stream, row_table(shown, self.columns, tables.width_of(stream)))
        if self.number > MOST:
            hint = f"... and {self.number - FIRST:,} more; all of them: --output FILE.csv"
            tables.show(stream, [[(hint, "dim")], []])
            self.summarise(stream)

    def summarise(self, stream: TextIO, written: Path | None = None) -> None:
        """Print how often each class was found, or what the numbers span, and where rows are."""
        common, width = self.labels.most_common(LABELS), tables.width_of(stream)
        if common:
            tables.show(stream, self.label_table(common, width))
            if len(self.labels) > LABELS:
                tables.show(stream, [[(f"... and {len(self.labels) - LABELS} more classes", "")]])
            tables.show(stream, [[]])
        elif self.spans:
            tables.show(stream, [*self.span_table(width), []])
        unread = f", {self.errors:,} of them not readable" if self.errors else ""
        where = f"; written to {tables.printable(str(written))}" if written else ""
        tables.show(stream, [[(f"{self.number:,} inputs{unread}{where}", "")]])

    def label_table(self, common: Sequence[tuple[str, int]], width: int) -> list[tables.Styled]:
        """One line a class: how many inputs, which share, how sure the model was on average."""
        done = self.number - self.errors
        columns = [
            tables.Column("label", [tables.printable(n) for n, _ in common], least=8),
            tables.Column("inputs", [f"{count:,}" for _, count in common], right=True),
            tables.Column("share", [f"{count / done:.1%}" for _, count in common], right=True),
        ]
        if self.certainty:
            means = [f"{self.certainty[name] / count:.4f}" for name, count in common]
            columns.append(tables.Column("mean probability", means, right=True, rank=1))
        return tables.table(columns, width)

    def span_table(self, width: int) -> list[tables.Styled]:
        """One line a column of numbers: the least, the mean, the largest."""
        done = self.number - self.errors
        found = {
            name: (least, total / done, largest)
            for name, (least, total, largest) in [*self.spans.items()][:LABELS]
        }
        heads = ("least", "mean", "largest")
        return tables.table(
            [
                tables.Column("column", [tables.printable(name) for name in found], least=8),
                *(
                    tables.Column(head, [f"{v[place]:.6g}" for v in found.values()], right=True)
                    for place, head in enumerate(heads)
                ),
            ],
            width,
        )


def row_table(rows: Sequence[Row], columns: Sequence[str], width: int) -> list[tables.Styled]:
    """One line an input: what is said of it."""
    names = [tables.printable(row.input) for row in rows]
    first = tables.Column("input", names, least=16, cut="start")
    shown = class_columns(rows) if "top_k" in columns else value_columns(rows, columns)
    return tables.table([first, *shown], width)


def class_columns(rows: Sequence[Row]) -> list[tables.Column]:
    """The likeliest class, how probable it is, and what comes next."""
    styles = ["red" if row.error else "bold" for row in rows]
    labels = [tables.printable(str(row.answer.get("label", "-"))) for row in rows]
    probable = [percent(row.answer.get("probability")) for row in rows]
    return [
        tables.Column("label", labels, style=styles, least=8),
        tables.Column("probability", probable, right=True),
        tables.Column("next", list(map(following, rows)), style="dim", least=12, rank=1),
    ]


def value_columns(rows: Sequence[Row], columns: Sequence[str]) -> list[tables.Column]:
    """A column for each value of an answer; what is wrong with an input stands in the last."""
    found = [
        tables.Column(
            name,
            [shortly(row.answer.get(name)) if row.answer else "-" for row in rows],
            right=any(isinstance(row.answer.get(name), int | float) for row in rows),
            least=8,
            rank=place,  # where space is short, the first ones stay
        )
        for place, name in enumerate(columns)
    ]
    if any(row.error for row in rows):
        errors = [tables.printable(row.error or "") for row in rows]
        found.append(tables.Column("error", errors, style="red", least=12))
    return found


def shortly(value: Any) -> str:
    """A value in few characters."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    if hasattr(value, "dtype"):
        return f"{'x'.join(map(str, value.shape))} picture"
    if isinstance(value, dict):
        value = {k: round(v, 4) if isinstance(v, float) else v for k, v in value.items()}
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tables.printable(", ".join(value)) or "-"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = tables.printable(text)
    return text if len(text) <= CELL else f"{text[: CELL - 1]}…"


def percent(probability: float | None) -> str:
    """Four decimals."""
    return "-" if probability is None else f"{probability:.4f}"


def following(row: Row) -> str:
    """The classes behind the likeliest one; or what is wrong with the input."""
    if row.error is not None:
        return tables.printable(row.error)
    top = row.answer.get("top_k", ())[1:]
    return ", ".join(f"{tables.printable(label)} {value:.4f}" for label, value in top)
