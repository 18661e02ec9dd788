"""Which configuration is best: the trials of a sweep by what they have in common, ranked."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.storage.atomic import write_text
from trainer.sweep.axes import REPEATS, key_of
from trainer.sweep.plan import Plan
from trainer.sweep.trials import Trial, briefly


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of some values."""

    mean: float
    std: float | None  # of the sample (n - 1); None for a single value
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        """The spread of the values; None where there are none."""
        if not values:
            return None
        mean = math.fsum(values) / len(values)
        squares = math.fsum((value - mean) ** 2 for value in values)
        std = math.sqrt(squares / (len(values) - 1)) if len(values) > 1 else None
        return cls(mean, std, len(values))


@dataclass(frozen=True)
class Row:
    """One configuration: all that was swept over but seed and fold, and its trials."""

    rank: int | None  # from 1; None where no trial is finished
    overrides: tuple[str, ...]
    trials: tuple[Trial, ...]
    validation: Spread | None  # over the finished trials
    test: Spread | None

    @property
    def told(self) -> str:
        """The configuration as one line."""
        return briefly(self.overrides) or "as given"

    @property
    def seconds(self) -> float:
        """The time of all its trials together."""
        return math.fsum(trial.seconds for trial in self.trials)

    def number(self, state: str) -> int:
        """How many of its trials are in a state."""
        return sum(trial.state == state for trial in self.trials)

    @property
    def unfinished(self) -> int:
        """How many of its trials have not come to their end."""
        return self.number("running") + self.number("preempted")


def leaderboard(trials: Iterable[Trial], plan: Plan) -> list[Row]:
    """The configurations, best first: by the mean of the validation metric, never by the test's.

    Those that are equal stay in the order in which they were tried; those without a finished trial
    come last, without a rank.
    """
    found: dict[tuple[str, ...], list[Trial]] = {}
    for trial in trials:
        kept = tuple(text for text in trial.overrides if key_of(text) not in REPEATS)
        found.setdefault(kept, []).append(trial)
    rows = []
    for overrides, group in found.items():
        done = [trial.metrics for trial in group if trial.state == "finished"]
        validation = Spread.of([m[plan.metric] for m in done if plan.metric in m])
        test = Spread.of([m[plan.test_metric] for m in done if plan.test_metric in m])
        rows.append(Row(None, overrides, tuple(group), validation, test))
    ranked = [row for row in rows if row.validation is not None]
    sign = -1 if plan.direction == "max" else 1
    ranked.sort(key=lambda row: sign * row.validation.mean if row.validation else 0.0)
    numbered = [
        Row(rank, row.overrides, row.trials, row.validation, row.test)
        for rank, row in enumerate(ranked, 1)
    ]
    return numbered + [row for row in rows if row.validation is None]


def best_trial(row: Row, plan: Plan) -> Trial:
    """The finished trial of a ranked configuration that has the best value; of equals the first."""
    done = [t for t in row.trials if t.state == "finished"]
    best = done[0]
    for trial in done[1:]:
        if plan.better(trial.metrics[plan.metric], best.metrics[plan.metric]):
            best = trial
    return best


def write_tables(rows: Sequence[Row], trials: Sequence[Trial], plan: Plan) -> None:
    """Write `leaderboard.csv`, a row a configuration, and `trials.csv`, a row a trial.

    Raises CannotWrite.
    """
    names = [plan.metric, plan.test_metric]
    header = ["rank", "overrides"]
    header += [column for name in names for column in (name, f"{name} std")]
    header += ["n", "seconds", "finished", "failed", "pruned", "unfinished", "trials"]
    lines: list[list[Any]] = [header]
    for row in rows:
        line: list[Any] = [row.rank, " ".join(row.overrides)]
        for spread in (row.validation, row.test):
            line += [None, None] if spread is None else [spread.mean, spread.std]
        line += [row.validation.count if row.validation else 0, round(row.seconds, 3)]
        line += [row.number(state) for state in ("finished", "failed", "pruned")]
        line += [row.unfinished, " ".join(trial.name for trial in row.trials)]
        lines.append(line)
    write_csv(plan.folder / "leaderboard.csv", lines)
    keys = list(dict.fromkeys(key_of(text) for trial in trials for text in trial.overrides))
    lines = [["trial", "state", *keys, *names, "seconds", "exit_code", "reason"]]
    for trial in trials:
        values = {key_of(text): text.partition("=")[2] for text in trial.overrides}
        lines.append(
            [trial.name, trial.state]
            + [values.get(key) for key in keys]
            + [trial.metrics.get(name) for name in names]
            + [trial.seconds, trial.exit_code, trial.reason]
        )
    write_csv(plan.folder / "trials.csv", lines)


def write_csv(path: Path, lines: Sequence[Sequence[Any]]) -> None:
    """Write a table; None is an empty cell, and a float comes back bit for bit."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    write_text(path, text.getvalue())
