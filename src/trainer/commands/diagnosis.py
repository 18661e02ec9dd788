"""The checks as lines of at most 80 columns."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from textwrap import wrap
from typing import TextIO

from trainer.commands import tables
from trainer.doctor.check import Check

COLOURS = {"ok": "green", "note": "yellow", "problem": "bold red"}
WIDEST = 80
GRADE = max(map(len, COLOURS)) + 2


def lines(checks: Sequence[Check], width: int) -> list[tables.Styled]:
    """Grade, topic and value in columns; what to do stands below, after an arrow."""
    topic = max(len(check.topic) for check in checks) + 2
    room = max(20, min(width, WIDEST) - GRADE - topic)
    found: list[tables.Styled] = []
    for check in checks:
        first, *rest = folded(check.value, room)
        found.append(
            [
                (f"{check.grade:{GRADE}}", COLOURS[check.grade]),
                (f"{check.topic:{topic}}", "bold"),
                (first, ""),
            ]
        )
        found += [[(" " * (GRADE + topic) + line, "")] for line in rest]
        if check.advice:
            start, *rest = folded(check.advice, room - 3)
            margin = " " * (GRADE + topic)
            found.append([(f"{margin}-> {start}", "")])
            found += [[(f"{margin}   {line}", "")] for line in rest]
    return found


def folded(text: str, width: int) -> list[str]:
    """A text in lines; words and paths stay whole, so that they can be copied."""
    text = tables.printable(" ".join(text.split()))
    return wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


def summary(checks: Sequence[Check]) -> str:
    """How many problems and notes there are."""
    problems = sum(check.grade == "problem" for check in checks)
    notes = sum(check.grade == "note" for check in checks)
    noted = f", {notes} note{'s' if notes > 1 else ''}" if notes else ""
    if not problems:
        return f"No problems{noted}."
    return f"{problems} problem{'s' if problems > 1 else ''}{noted}: see the arrows."


def show(checks: Sequence[Check], stream: TextIO) -> None:
    """Print the checks; in colours on a terminal, where rich is there to make them."""
    shown = lines(checks, tables.width_of(stream))
    if importlib.util.find_spec("rich") is not None:
        tables.show(stream, shown)
    else:
        for line in shown:
            stream.write("".join(text for text, _ in line).rstrip() + "\n")
    stream.write(f"\n{summary(checks)}\n")
