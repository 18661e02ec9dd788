"""The leaderboard as it is printed."""

import io
from collections.abc import Sequence

from trainer.pasting import nearest, pasteable
from trainer.recording.layout import duration, number
from trainer.sweep.leaderboard import Row, Spread, best_trial
from trainer.sweep.plan import Plan
from trainer.sweep.trials import Trial

TOP = 20  # configurations that are printed
REASONS = 10  # failures that are printed


def printed(rows: Sequence[Row], plan: Plan, width: int = 80) -> str:
    """The best configurations as a table of at most `width` columns, with what else to know."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("", justify="right")
    table.add_column("configuration", overflow="fold", ratio=1)
    titles = [f"validation\n{plan.select}", f"test\n{plan.select}", "time"]
    several = any(len(row.trials) > 1 for row in rows)
    wrong = any(row.number("finished") < len(row.trials) for row in rows)
    titles += ["n"] * several + ["not finished"] * wrong
    for title in titles:
        table.add_column(title, justify="right", no_wrap=title != "not finished")
    for row in rows[:TOP]:
        cells = [mean_of(row.validation), mean_of(row.test), duration(row.seconds)]
        cells += [str(row.validation.count if row.validation else 0)] * several
        cells += [troubles(row)] * wrong
        table.add_row(str(row.rank or ""), row.told, *cells)
    # Markup off: brackets in an override are its own.
    console = Console(file=io.StringIO(), width=width, markup=False, highlight=False, emoji=False)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]
    if len(rows) > TOP:
        lines.append(f"and {len(rows) - TOP} more in leaderboard.csv")
    return "\n".join(lines)


def mean_of(spread: Spread | None) -> str:
    """A mean with its standard deviation."""
    if spread is None:
        return ""
    return number(spread.mean) + ("" if spread.std is None else f" ± {spread.std:.4f}")


def troubles(row: Row) -> str:
    """What became of the trials that are not finished."""
    counts = {"failed": row.number("failed"), "pruned": row.number("pruned")}
    counts["unfinished"] = row.unfinished
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def failures(trials: Sequence[Trial], plan: Plan) -> list[str]:
    """A line for each way of failing, with the trials that failed so."""
    reasons: dict[str, list[Trial]] = {}
    for trial in trials:
        if trial.state == "failed":
            reasons.setdefault(trial.reason, []).append(trial)
    lines = []
    for reason, failed in list(reasons.items())[:REASONS]:
        names = ", ".join(trial.name for trial in failed[:REASONS])
        names += f" and {len(failed) - REASONS} more" if len(failed) > REASONS else ""
        told = f" ({failed[0].told})" if len(failed) == 1 and failed[0].overrides else ""
        log = nearest(plan.log(failed[0].name))
        lines.append(f"failed: {names}{told}: {reason}; see {log}")
    if len(reasons) > REASONS:
        lines.append(f"and {len(reasons) - REASONS} other ways of failing, in trials.csv")
    return lines


def conclusion(rows: Sequence[Row], trials: Sequence[Trial], plan: Plan, wall: float) -> list[str]:
    """What came of the sweep, and what to do with the best of it."""
    counts = {state: sum(t.state == state for t in trials) for state in ("failed", "pruned")}
    counts["unfinished"] = sum(t.state in ("running", "preempted") for t in trials)
    finished = sum(trial.state == "finished" for trial in trials)
    others = "".join(f", {count} {name}" for name, count in counts.items() if count)
    plural = "s" * (len(trials) != 1)
    lines = [f"{len(trials)} trial{plural} in {duration(wall)}: {finished} finished{others}"]
    files = [
        n
        for n in ("leaderboard.csv", "leaderboard.png", "trials.csv")
        if (plan.folder / n).exists()
    ]
    lines.append(f"sweep {nearest(plan.folder)}  ({', '.join(files)})")
    if rows and rows[0].validation is not None:
        best = nearest(plan.trial_folder(best_trial(rows[0], plan).name))
        after = "export" if plan.unexported else "evaluate"
        lines.append(f"best  {best}  next: {pasteable('fivestep', after, best)}")
    return lines
