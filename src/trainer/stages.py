"""The stages of a run, in order: preflight, train, evaluate, export. Plain functions over a `Run`.

The five steps themselves are in loop.py; here is what happens between them.
"""

import math
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from trainer.errors import (
    CannotWrite,
    Diverged,
    Failed,
    Interrupted,
    NoUsableCheckpoint,
    Refused,
    UserError,
)
from trainer.explanation import explained
from trainer.journal import Journal
from trainer.measuring import GivenUp, evaluate, measure
from trainer.preemption import Interruption, resuming
from trainer.preflight import preflight
from trainer.profiling import profiling
from trainer.progress import Progress
from trainer.run import Run
from trainer.seeding import random_state, restore_random_state, seed_all
from trainer.storage.checkpoint import Checkpoint

# A file that is flushed to the disk costs a millisecond: short epochs don't write it each time.
STATUS_SECONDS = 2.0


@dataclass(frozen=True)
class Result:
    """What a run came to."""

    folder: Path
    metrics: Mapping[str, float]  # validation/accuracy, test/accuracy, ...
    reason: str  # why training ended
    selected: float | None  # the metric that chose the weights, for sweeps
    refused: str | None = None  # why an export was refused; all else is done


def execute(run: Run) -> Result:
    """Run every stage; `status.json` says at any time where it stands.

    Raises errors with an exit code for all that a user can mend; a run that was refused before its
    first step leaves no folder behind. An export that failed its proof is raised as Failed when the
    run itself is finished.
    """
    begun = False
    try:
        with run.console, explained(run):
            preflight(run)
            begun = True
            result = work(run)
            tell(run, "finished", result.reason, exit_code=0, metrics=result.metrics)
    except BaseException as error:
        if begun or run.resumed:
            end_early(run, error)
        else:
            run.folder.discard()
        raise
    finally:
        for loader in run.loaders:
            if loader is not None:
                loader.close()
        run.folder.release()
    if result.refused:
        raise Failed(f"the run is finished, but not its export: {result.refused}")
    return result


def end_early(run: Run, error: BaseException) -> None:
    """Write down why a run ends before its end, and add to the error how it goes on."""
    try:
        run.checkpoints.finish()  # nothing may write here any more once the lock is given back
    except Exception as second:
        error.add_note(f"a checkpoint was not saved: {second}")
    stopped = isinstance(error, KeyboardInterrupt)
    code = getattr(error, "exit_code", 130 if stopped else 1)
    reason = str(error) or ("interrupted" if stopped else type(error).__name__)
    running = run.folder.read_status().get("state") == "running"
    if code == Refused.exit_code and not running:
        return  # a refusal to go on changes nothing
    # What ended the run is the reason, not that a full disk has no room for it either; "running"
    # without the lock says the rest.
    with suppress(CannotWrite):
        state = "preempted" if code in (130, 143) else "failed"
        tell(run, state, reason=reason, exit_code=code)
    saved = run.checkpoints.steps()
    if saved and not isinstance(error, Interrupted | Diverged | NoUsableCheckpoint):
        error.add_note(f"saved up to step {saved[-1]}; go on with: {resuming(run.folder.path)}")


def tell(
    run: Run,
    state: str,
    reason: str | None = None,
    exit_code: int | None = None,
    metrics: Mapping[str, float] | None = None,
) -> None:
    """Write into status.json where the run stands."""
    step, epoch = run.trainer.steps, run.trainer.epoch
    run.folder.status(state, reason, step=step, epoch=epoch, exit_code=exit_code, metrics=metrics)


def work(run: Run) -> Result:
    """Train, evaluate, export; the journal is closed whatever happens."""
    progress = Progress()
    seed_all(run.seed, "training")
    if run.resumed:
        progress = resume(run)
    journal = Journal(run, progress)
    try:
        journal.introduce()
        tell(run, "running")
        reason = train(run, journal, progress)
        run.checkpoints.finish()
        pass_on(run)
        run.console.finish()
        run.console.say(f"Training ended: {reason}.")
        load_best(run, progress)
        metrics, reports = evaluate(run, journal)
        refused = export(run, progress, metrics)
        journal.finish(metrics)
        journal.conclude(reports)
    finally:
        journal.close()
    return Result(run.folder.path, metrics, reason, progress.best, refused)


def export(run: Run, progress: Progress, metrics: Mapping[str, float]) -> str | None:
    """Turn the evaluated weights into artefacts; returns why one of them failed its proof."""
    trained = run.trained(progress.best_step or run.trainer.steps, metrics)
    try:
        run.export.write(trained, run.folder.export, run.console)
    except Failed as error:
        return str(error)
    return None


def train(run: Run, journal: Journal, progress: Progress) -> str:
    """Train until an end is reached; returns why it ended."""
    trainer = run.trainer
    progress.ticked = time.monotonic()
    if trainer.steps and not progress.due and (over := why_stop(run, progress)):
        return over  # the run had been stopped after its last step
    journal.begin()
    for module in trainer.modules.values():
        module.train()
    try:
        return steps(run, journal, progress)
    except Exception as error:
        # Data or workers that fail between two steps leave a state that is worth keeping.
        if trainer.whole and getattr(error, "exit_code", None) == Failed.exit_code:
            keep(run, journal, progress, error)
        raise


def steps(run: Run, journal: Journal, progress: Progress) -> str:
    """Take steps; record, evaluate and save between them; returns why it ended."""
    trainer, options = run.trainer, run.options
    folder, pieces = run.folder.path, trainer.splitting.pieces
    with (
        Interruption() as interruption,
        profiling(options.profile, folder / "profile", run.device) as profiler,
    ):
        if progress.due and (reason := end_epoch(run, journal, progress, interruption)):
            return reason
        for losses in trainer.fit(run.loaders.train, options.epochs):
            if losses:
                journal.take(losses)
                profiler.step()
            if trainer.splitting.pieces > pieces:
                pieces = trainer.splitting.pieces
                journal.split()
            if trainer.skipped:
                journal.settle()  # ends the run here where such steps aren't skipped
                if trainer.skipped >= options.max_nonfinite:
                    raise journal.divergence.endless()
            if trainer.steps % options.record_every == 0:
                journal.record()
                run.checkpoints.check()
            reason = stop_now(run, progress)
            if trainer.batch == 0 or reason:
                reason = end_epoch(run, journal, progress, interruption)
            elif run.checkpoints.every and trainer.steps % run.checkpoints.every == 0:
                save(run, journal, progress)
            if interruption.requested:
                save(run, journal, progress)
                run.checkpoints.finish()
                raise interruption.error(folder, trainer.steps)
            if reason:
                return reason
            journal.show()
    return f"all {options.epochs} epochs are done"


def why_stop(run: Run, progress: Progress) -> str:
    """The end that has been reached, or nothing."""
    return stop_now(run, progress) or progress.out_of_patience(run.evaluation)


def stop_now(run: Run, progress: Progress) -> str:
    """An end that needs no evaluation: steps or minutes."""
    options = run.options
    if options.steps is not None and run.trainer.steps >= options.steps:
        return f"trainer.steps={options.steps} are done"
    if options.max_minutes is not None:
        progress.tick()
        if progress.seconds >= 60 * options.max_minutes:
            return f"trainer.max_minutes={options.max_minutes:g} are over"
    return ""


def end_epoch(run: Run, journal: Journal, progress: Progress, interruption: Interruption) -> str:
    """Evaluate if due, move the schedules, save if due; returns why training ends here.

    A request to stop is heeded between two batches of the evaluation, too: the state is saved as it
    is after the last step, and the evaluation is made when the run goes on.
    """
    trainer, complete = run.trainer, run.trainer.batch == 0
    done = complete and trainer.epoch == run.options.epochs
    last = bool(stop_now(run, progress))
    values: dict[str, float] = {}
    is_best = False
    progress.due = True
    if run.loaders.validation is not None and (
        last or done or trainer.epoch % run.evaluation.every == 0
    ):
        try:
            values = measure(run, run.loaders.validation, interruption=interruption).values()
        except GivenUp:
            save(run, journal, progress)
            run.checkpoints.finish()
            raise interruption.error(run.folder.path, trainer.steps) from None
        epoch = trainer.epoch + (not complete)
        is_best = progress.take(values, run.evaluation, trainer.steps, epoch)
        if not math.isfinite(values["loss"]):
            run.console.warn(
                f"the validation loss is {values['loss']} after step {trainer.steps}: such weights "
                "are never the best"
            )
    progress.due = False
    journal.evaluated(values, is_best)
    if complete:
        for schedule in trainer.schedules.values():
            schedule.end_epoch(values)
    every = run.checkpoints.every
    if is_best or last or done or every is None or trainer.steps % every == 0:
        save(run, journal, progress, best=is_best)
    if time.monotonic() - journal.told > STATUS_SECONDS:
        journal.told = time.monotonic()
        tell(run, "running", metrics=values)
    return why_stop(run, progress)


def save(run: Run, journal: Journal, progress: Progress, *, best: bool = False) -> None:
    """A checkpoint of everything, once all steps and weights are known to be finite."""
    journal.settle()
    journal.divergence.refuse_spoilt()
    progress.tick()
    progress.pending = list(journal.read)
    progress.lines = journal.lines if progress.due else []
    progress.skipped = journal.divergence.skipped
    trainer = run.trainer
    run.checkpoints.finish()
    pass_on(run)
    run.checkpoints.save(
        trainer.steps,
        modules=trainer.trained,
        ema=trainer.ema.modules if trainer.ema else None,
        training=trainer.state_dict() | {"random": random_state()},
        state=asdict(progress) | {"epoch": trainer.epoch, "batch": trainer.batch},
        best=best,
        metric=progress.best if best else None,
    )


def pass_on(run: Run) -> None:
    """Say what the checkpoints have noticed and worked around."""
    while run.checkpoints.warnings:
        run.console.warn(run.checkpoints.warnings.pop(0))


def keep(run: Run, journal: Journal, progress: Progress, error: Exception) -> None:
    """Save where a run failed between two steps; what speaks against that is told beside it."""
    if run.trainer.steps == 0:
        return
    try:
        save(run, journal, progress)
        run.checkpoints.finish()
    except UserError as second:
        error.add_note(f"the state at step {run.trainer.steps} is lost: {second}")


def load_best(run: Run, progress: Progress) -> None:
    """Go back to the weights that validation chose; without validation the last ones stay."""
    best = run.checkpoints.best()
    pass_on(run)
    if best is None:
        why = "no evaluation was finite" if run.loaders.validation else "there is no validation"
        run.console.say(f"Evaluating the last weights: {why}, so none is the best.")
        return
    best.load_into(run.trainer.trained, run.trainer.ema.modules if run.trainer.ema else None)
    run.console.say(
        f"Evaluating the weights of epoch {progress.best_epoch} (step {progress.best_step}), "
        f"the best {run.evaluation.select} on validation."
    )


def resume(run: Run) -> Progress:
    """Stand where the newest checkpoint that verifies was saved; from the start without any."""
    checkpoint = run.checkpoints.newest()
    pass_on(run)
    if checkpoint is None:
        run.checkpoints.tidy()
        run.console.say("No checkpoint yet; starting from the beginning.")
        return Progress()
    progress = restore(run, checkpoint)
    run.checkpoints.tidy()  # not before: it may rename what was loaded
    run.console.say(f"Continuing from step {run.trainer.steps}, epoch {run.trainer.epoch}.")
    return progress


def restore(run: Run, checkpoint: Checkpoint) -> Progress:
    """Put everything back to where it was when a checkpoint was saved."""
    checkpoint.load_into(run.trainer.trained, run.trainer.ema.modules if run.trainer.ema else None)
    training, state = checkpoint.training(), checkpoint.state()
    try:
        random_numbers = training.pop("random")
        run.trainer.load_state_dict(training)
        restore_random_state(random_numbers)
        return Progress.of(state)
    except Exception as error:  # what was put together elsewhere may fail anywhere
        told = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise NoUsableCheckpoint(
            f"{checkpoint.path} does not fit this run ({told}); use the settings and the version "
            "with which it was saved, or start anew in another folder"
        ) from error
