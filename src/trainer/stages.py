"""The stages of a run, in order: preflight, train, evaluate, export. Plain functions over a `Run`.

The five steps themselves are in loop.py; here is what happens between them.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from trainer.errors import CannotWrite, Diverged, Failed, Interrupted, NoUsableCheckpoint, Refused
from trainer.explanation import explained
from trainer.journal import Journal
from trainer.measuring import evaluate, measure
from trainer.preemption import Interruption, resuming
from trainer.preflight import preflight
from trainer.profiling import profiling
from trainer.run import Run
from trainer.seeding import random_state, restore_random_state, seed_all

# A file that is flushed to the disk costs a millisecond: short epochs don't write it each time.
STATUS_SECONDS = 2.0


@dataclass
class Progress:
    """What a run remembers beside its weights, its optimizers and its position."""

    best: float | None = None  # best value of the selected metric so far
    best_loss: float | None = None  # the validation loss beside it; decides between equal values
    best_step: int = 0
    best_epoch: int = 0
    improved_to: float | None = None  # value at the last improvement that early stopping counted
    stale: int = 0  # evaluations since then
    seconds: float = 0.0  # spent training, over all starts
    pending: list[dict[str, float]] = field(default_factory=list)  # steps not yet recorded


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
    journal = Journal(run, progress.pending, run.trainer.steps + 1 if run.resumed else None)
    try:
        journal.introduce()
        tell(run, "running")
        reason = train(run, journal, progress)
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
    trainer, options = run.trainer, run.options
    if trainer.steps and (
        over := why_stop(run, progress.seconds) or patience_ran_out(run, progress)
    ):
        return over  # the run had been stopped after its last step
    started = time.monotonic() - progress.seconds
    journal.begin()
    for module in trainer.modules.values():
        module.train()
    with (
        Interruption() as interruption,
        profiling(options.profile, run.folder.path / "profile", run.device) as profiler,
    ):
        for losses in trainer.fit(run.loaders.train, options.epochs):
            journal.take(losses)
            profiler.step()
            if trainer.steps % options.record_every == 0:
                journal.record()
            reason = why_stop(run, time.monotonic() - started)
            if trainer.batch == 0 or reason:
                progress.seconds = time.monotonic() - started
                end_epoch(run, journal, progress, last=bool(reason))
                reason = reason or patience_ran_out(run, progress)
            elif run.checkpoints.every and trainer.steps % run.checkpoints.every == 0:
                progress.seconds = time.monotonic() - started
                save(run, journal, progress)
            if interruption.requested:
                progress.seconds = time.monotonic() - started
                save(run, journal, progress)
                raise interruption.error(run.folder.path, trainer.steps)
            if reason:
                return reason
            journal.show()
    return f"all {options.epochs} epochs are done"


def why_stop(run: Run, seconds: float) -> str:
    """The end that has been reached, or nothing."""
    options = run.options
    if options.steps is not None and run.trainer.steps >= options.steps:
        return f"trainer.steps={options.steps} are done"
    if options.max_minutes is not None and seconds >= 60 * options.max_minutes:
        return f"trainer.max_minutes={options.max_minutes:g} are over"
    return ""


def patience_ran_out(run: Run, progress: Progress) -> str:
    """Early stopping: too many evaluations without improvement."""
    patience = run.evaluation.patience
    if patience is None or progress.stale < patience or progress.best is None:
        return ""
    return (
        f"{run.evaluation.select} has not improved for {progress.stale} evaluations; "
        f"the best was {progress.best:.4f} in epoch {progress.best_epoch}"
    )


def end_epoch(run: Run, journal: Journal, progress: Progress, *, last: bool) -> None:
    """Evaluate if due, move the schedules, save if due."""
    trainer, complete = run.trainer, run.trainer.batch == 0
    done = complete and trainer.epoch == run.options.epochs
    values: dict[str, float] = {}
    is_best = False
    due = last or done or trainer.epoch % run.evaluation.every == 0
    if run.loaders.validation is not None and due:
        # Dropout and augmentation go on afterwards as if nobody had looked.
        numbers = random_state()
        values = measure(run, run.loaders.validation).values()
        restore_random_state(numbers)
        is_best = take_best(run, progress, values)
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


def take_best(run: Run, progress: Progress, values: Mapping[str, float]) -> bool:
    """Whether these are the best values so far; remembers them, for early stopping too.

    Small validation splits give equal accuracies again and again: then the lower loss is better.
    """
    value = values[run.evaluation.select]
    if run.evaluation.improved(value, progress.improved_to):
        progress.improved_to, progress.stale = value, 0
    else:
        progress.stale += 1
    better = run.evaluation.better(value, progress.best)
    if progress.best_loss is not None and value == progress.best:
        better = values["loss"] < progress.best_loss
    if not better:
        return False
    progress.best, progress.best_step = value, run.trainer.steps
    progress.best_loss = values["loss"]
    progress.best_epoch = run.trainer.epoch + (run.trainer.batch > 0)
    return True


def save(run: Run, journal: Journal, progress: Progress, *, best: bool = False) -> None:
    """A checkpoint of everything, once the losses up to here are known to be finite."""
    journal.settle()
    progress.pending = list(journal.read)
    trainer = run.trainer
    run.checkpoints.save(
        trainer.steps,
        modules=trainer.trained,
        ema=trainer.ema.modules if trainer.ema else None,
        training=trainer.state_dict() | {"random": random_state()},
        state=asdict(progress) | {"epoch": trainer.epoch, "batch": trainer.batch},
        best=best,
        metric=progress.best if best else None,
    )


def load_best(run: Run, progress: Progress) -> None:
    """Go back to the weights that validation chose; without validation the last ones stay."""
    best = run.checkpoints.best()
    if best is None:
        run.console.say("Evaluating the last weights: without validation there is no best.")
        return
    best.load_into(run.trainer.trained, run.trainer.ema.modules if run.trainer.ema else None)
    run.console.say(
        f"Evaluating the weights of epoch {progress.best_epoch} (step {progress.best_step}), "
        f"the best {run.evaluation.select} on validation."
    )


def resume(run: Run) -> Progress:
    """Stand where the newest checkpoint that verifies was saved; from the start without any."""
    checkpoint = run.checkpoints.newest()
    for warning in run.checkpoints.warnings:
        run.console.warn(warning)
    if checkpoint is None:
        run.console.say("No checkpoint yet; starting from the beginning.")
        return Progress()
    checkpoint.load_into(run.trainer.trained, run.trainer.ema.modules if run.trainer.ema else None)
    training = checkpoint.training()
    random_numbers = training.pop("random")
    run.trainer.load_state_dict(training)
    restore_random_state(random_numbers)
    run.console.say(f"Continuing from step {run.trainer.steps}, epoch {run.trainer.epoch}.")
    state = checkpoint.state()
    return Progress(**{name: state[name] for name in Progress.__dataclass_fields__})
