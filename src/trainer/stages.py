"""The stages of a run, in order: preflight, train, evaluate, export. Plain functions over a `Run`.

The five steps themselves are in loop.py; here is what happens between them.
"""

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainer.evaluation import report
from trainer.evaluation.baselines import MAX_TRAIN, baselines, draw
from trainer.evaluation.counts import Counts
from trainer.journal import Journal
from trainer.preemption import Interruption
from trainer.preflight import preflight
from trainer.profiling import profiling
from trainer.protocols import Loader
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
    pending: list[float] = field(default_factory=list)  # losses not yet recorded
    told: float = 0.0  # when status.json was last written, on this process's clock


@dataclass(frozen=True)
class Result:
    """What a run came to."""

    folder: Path
    metrics: Mapping[str, float]  # validation/accuracy, test/accuracy, ...
    reason: str  # why training ended
    selected: float | None  # the metric that chose the weights, for sweeps


def execute(run: Run) -> Result:
    """Run every stage; `status.json` says at any time where it stands.

    Raises errors with an exit code for all that a user can mend; a run that was refused before its
    first step leaves no folder behind.
    """
    begun = False
    try:
        with run.console:
            preflight(run)
            begun = True
            result = work(run)
            run.folder.status("finished", exit_code=0, metrics=dict(result.metrics), **place(run))
            return result
    except BaseException as error:
        code = getattr(error, "exit_code", 130 if isinstance(error, KeyboardInterrupt) else 1)
        if begun or run.resumed:
            state = "preempted" if code in (130, 143) else "failed"
            reason = str(error) or type(error).__name__
            run.folder.status(state, reason=reason, exit_code=code, **place(run))
        else:
            run.folder.discard()
        raise
    finally:
        for loader in run.loaders:
            if loader is not None:
                loader.close()
        run.folder.release()


def place(run: Run) -> dict[str, int]:
    """Where the run stands, for its status."""
    return {"step": run.trainer.steps, "epoch": run.trainer.epoch}


def work(run: Run) -> Result:
    """Train, evaluate, export; the journal is closed whatever happens."""
    progress = Progress()
    seed_all(run.seed, "training")
    if run.resumed:
        progress = resume(run)
    journal = Journal(run, progress.pending, run.trainer.steps if run.resumed else None)
    try:
        journal.introduce()
        run.folder.status("running", **place(run))
        reason = train(run, journal, progress)
        run.console.finish()
        run.console.say(f"Training ended: {reason}.")
        metrics, reports = evaluate(run, journal, progress)
        journal.finish(metrics)
        journal.conclude(reports)
    finally:
        journal.close()
    return Result(run.folder.path, metrics, reason, progress.best)


def train(run: Run, journal: Journal, progress: Progress) -> str:
    """Train until an end is reached; returns why it ended."""
    trainer, options = run.trainer, run.options
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
    if time.monotonic() - progress.told > STATUS_SECONDS:
        progress.told = time.monotonic()
        run.folder.status("running", metrics=values, **place(run))


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
    progress.best_epoch = run.trainer.epoch
    return True


def save(run: Run, journal: Journal, progress: Progress, *, best: bool = False) -> None:
    """A checkpoint of everything, once the losses up to here are known to be finite."""
    journal.settle()
    progress.pending = [losses["loss"] for losses in journal.read if "loss" in losses]
    trainer = run.trainer
    run.checkpoints.save(
        trainer.steps,
        modules=trainer.trained,
        ema=trainer.ema.modules if trainer.ema else None,
        training=trainer.state_dict() | {"random": random_state()},
        state=asdict(progress) | {"epoch": trainer.epoch, "batch": trainer.batch},
        best=best,
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
    return Progress(**{name: state[name] for name in Progress.__dataclass_fields__} | {"told": 0.0})


def evaluation_modules(run: Run) -> dict[str, nn.Module]:
    """The modules that are evaluated: averaged weights stand in for the trained ones."""
    return run.trainer.modules | (run.trainer.ema.modules if run.trainer.ema else {})


def measure(run: Run, loader: Loader, *, keep: bool = False) -> Counts:
    """Run the evaluated modules over a split; nothing is read back before the end."""
    modules, info = evaluation_modules(run), run.splits.info
    counts = run.evaluation.start(info.num_classes, run.device, keep=keep, classes=info.classes)
    for module in modules.values():
        module.eval()
    with torch.no_grad():
        for batch in loader.epoch(0):
            with run.trainer.precision.context:
                prediction = run.task.predict(modules, batch)
            counts.update(
                prediction.outputs.float(), prediction.target, prediction.loss, prediction.weight
            )
    for module in run.trainer.modules.values():
        module.train()
    return counts


def evaluate(
    run: Run, journal: Journal, progress: Progress
) -> tuple[dict[str, float], dict[str, dict[str, Any]]]:
    """Measure the best weights on validation and on the test split, and write the reports."""
    best = run.checkpoints.best()
    if best is not None:
        best.load_into(run.trainer.trained, run.trainer.ema.modules if run.trainer.ema else None)
        run.console.say(
            f"Evaluating the weights of epoch {progress.best_epoch} "
            f"(step {progress.best_step}), the best {run.evaluation.select} on validation."
        )
    metrics: dict[str, float] = {}
    reports: dict[str, dict[str, Any]] = {}
    for split in ("validation", "test"):
        loader: Loader | None = getattr(run.loaders, split)
        if loader is None:
            continue
        counts = measure(run, loader, keep=True)
        values = counts.values()
        if not all(math.isfinite(value) for value in values.values()):
            run.console.warn(f"some metrics on {split} are not finite: {values}")
        metrics |= {f"{split}/{name}": value for name, value in values.items()}
        reports[split] = write_report(run, split, loader, counts)
        journal.measured(split, values, counts)
    return metrics, reports


def write_report(run: Run, split: Any, loader: Loader, counts: Counts) -> dict[str, Any]:
    """The files of one split under evaluation/."""
    dataset, info = getattr(run.splits, split), run.splits.info
    baseline = None
    if split == "test" and run.evaluation.baselines:
        test = (pair for pair in loader.epoch(0) if isinstance(pair, tuple))
        baseline = baselines(plain_batches(run), test, seed=run.seed)
    return report.write(
        run.folder.path,
        split,
        counts,
        info.classes,
        indices=list(sample_indices(loader)),
        names=getattr(dataset, "names", None),
        picture=getattr(dataset, "picture", None),
        mistakes=run.evaluation.mistakes if split == "test" else 0,
        baseline=baseline,
    )


def plain_batches(run: Run) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Training samples without augmentation, as many as the baselines look at."""
    dataset = run.splits.train
    chosen = draw(len(dataset), MAX_TRAIN, run.seed)
    for first in range(0, len(chosen), 256):
        pairs = [dataset[index] for index in chosen[first : first + 256]]
        inputs = torch.stack([torch.as_tensor(pair[0]) for pair in pairs])
        yield inputs, torch.tensor([int(pair[1]) for pair in pairs])


def sample_indices(loader: Loader) -> Iterator[int]:
    """Which samples an evaluation saw, in its order."""
    for batch in range(len(loader)):
        yield from loader.indices(0, batch)
