"""How a sweep ends: its tables, its picture, and what it says."""

import time

from trainer.errors import Failed, Interrupted
from trainer.sweep import figure
from trainer.sweep.display import Display
from trainer.sweep.leaderboard import leaderboard, write_tables
from trainer.sweep.sweep import Sweep, number_of_trials, settle
from trainer.sweep.table import conclusion, failures, printed
from trainer.sweep.trials import Book, Trial


def conclude(sweep: Sweep, began: float, going_on: str, stopped: Interrupted | None = None) -> None:
    """Rank what is there, write it down and print it.

    `began` is when the sweep was started (monotonic), `going_on` the command that goes on with it,
    "" where another sweeper would begin anew.
    Raises Interrupted where it was stopped, and Failed where trials have failed: with the exit code
    of all of them where they have one in common, else 7. CannotWrite.
    """
    plan = sweep.plan
    book = Book(plan.folder)
    settle(book, plan)
    trials = [book.trials[number] for number in sorted(book.trials)]
    rows = leaderboard(trials, plan)
    with Display(plan) as display:
        if trials:
            write_tables(rows, trials, plan)
            figure.draw(rows, trials, plan)
            display.say("")
            display.say(printed(rows, plan, display.width))
            for line in [
                "",
                *failures(trials, plan),
                *conclusion(rows, trials, plan, time.monotonic() - began),
            ]:
                display.say(line)
    again = f"; go on with: {going_on}" if going_on else ""
    if stopped is not None:
        ended = sum(trial.ended for trial in trials)
        total = number_of_trials(sweep.request) or len(trials)
        told = f"{stopped} when {ended} of {total} trials were done"
        raise Interrupted(told + again, stopped.exit_code)
    failed = [trial for trial in trials if is_failure(trial)]
    if failed:
        # One that diverged would diverge again.
        remedy = again.replace("; ", "; to try again, ") if any(not t.ended for t in failed) else ""
        raise failure(failed, len(trials), remedy)


def is_failure(trial: Trial) -> bool:
    """Whether something went wrong, be it only the export of a finished run."""
    return trial.state in ("failed", "running", "preempted") or (
        trial.state == "finished" and trial.exit_code != 0
    )


def failure(failed: list[Trial], count: int, remedy: str) -> Failed:
    """What to raise when trials have failed."""
    codes = {trial.exit_code for trial in failed}
    if len(failed) < count:
        return Failed(f"{len(failed)} of {count} trials failed{remedy}")
    who = "the trial" if count == 1 else f"all {count} trials"
    same = len({trial.reason for trial in failed}) == 1
    error = Failed(f"{who} failed{': ' + failed[0].reason if same else ''}{remedy}")
    if len(codes) == 1 and (code := codes.pop()):
        error.exit_code = code
    return error
