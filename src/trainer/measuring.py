"""The evaluation stage: run the trained modules over a split, and write down what came out."""

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import nn

from trainer.batches import batches
from trainer.evaluation import report
from trainer.evaluation.baselines import MAX_TRAIN, draw
from trainer.journal import Journal
from trainer.preemption import Interruption
from trainer.protocols import Evaluation, Loader, Measured
from trainer.run import Run
from trainer.seeding import random_state, restore_random_state
from trainer.task import Task


class GivenUp(Exception):
    """An evaluation that was left early, since the run was asked to stop."""


def count(
    task: Task,
    modules: Mapping[str, nn.Module],
    loader: Loader,
    *,
    evaluation: Evaluation,
    info: Any,
    device: torch.device,
    context: AbstractContextManager[object],
    keep: bool = False,
    interruption: Interruption | None = None,
) -> Measured:
    """Run modules over a split, in eval mode; nothing is read back before the end.

    Raises GivenUp between two batches once an interruption is requested.
    """
    counts = evaluation.start(info, device, keep=keep)
    for module in modules.values():
        module.eval()
    with torch.no_grad():
        for batch in batches(loader):
            if interruption is not None and interruption.requested:
                raise GivenUp
            with context:
                prediction = task.predict(modules, batch)
            counts.update(
                prediction.outputs.float(), prediction.target, prediction.loss, prediction.weight
            )
    return counts


def measure(
    run: Run, loader: Loader, *, keep: bool = False, interruption: Interruption | None = None
) -> Measured:
    """Run the evaluated modules of a run over a split; training goes on afterwards.

    Dropout and augmentation go on as if nobody had looked. Raises GivenUp like `count`.
    """
    numbers = random_state()
    try:
        return count(
            run.task,
            run.evaluated_modules(),
            loader,
            evaluation=run.evaluation,
            info=run.splits.info,
            device=run.device,
            context=run.trainer.precision.context,
            keep=keep,
            interruption=interruption,
        )
    finally:
        restore_random_state(numbers)
        for module in run.trainer.modules.values():
            module.train()


def evaluate(run: Run, journal: Journal) -> tuple[dict[str, float], dict[str, dict[str, Any]]]:
    """Measure the weights on validation and on the test split, and write the reports."""
    metrics: dict[str, float] = {}
    reports: dict[str, dict[str, Any]] = {}
    for split in ("validation", "test"):
        loader: Loader | None = getattr(run.loaders, split)
        if loader is None:
            continue
        measured = measure(run, loader, keep=True)
        values = measured.values()
        if not all(math.isfinite(value) for value in values.values()):
            run.console.warn(f"some metrics on {split} are not finite: {values}")
        metrics |= {f"{split}/{name}": value for name, value in values.items()}
        report_of = write_report(run, split, loader, measured)
        reports[split] = {**report_of, "shown": measured.shown}
        journal.drawn(split, measured)
    return metrics, reports


def write_report(run: Run, split: Any, loader: Loader, measured: Measured) -> dict[str, Any]:
    """The files of one split under evaluation/."""
    dataset = getattr(run.splits, split)
    baseline = None
    beside = getattr(run.evaluation, "beside", None)
    # Of a dict, or of more than two fields, nobody says here which is input and which is target.
    sample = dataset[next(sample_indices(loader))]
    pairs = isinstance(sample, tuple | list) and len(sample) == 2
    wanted = getattr(run.evaluation, "baselines", False)
    if split == "test" and beside is not None and wanted and pairs:
        test = (batch[:2] for batch in batches(loader) if isinstance(batch, tuple))
        baseline = beside(plain_batches(run), test, run.seed)
    return report.write(
        run.folder.path,
        split,
        measured,
        indices=list(sample_indices(loader)),
        names=getattr(dataset, "names", None),
        picture=getattr(dataset, "picture", None) if split == "test" else None,
        baseline=baseline,
    )


def plain_batches(run: Run) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Training samples without augmentation, as many as the baselines look at."""
    dataset, bad = run.splits.train, {each.sample for each in run.loaders.train.bad}
    chosen = [i for i in draw(len(dataset), MAX_TRAIN, run.seed) if i not in bad]
    for first in range(0, len(chosen), 256):
        pairs = [dataset[index] for index in chosen[first : first + 256]]
        inputs = torch.stack([torch.as_tensor(pair[0]) for pair in pairs])
        yield inputs, torch.stack([torch.as_tensor(pair[1]) for pair in pairs])


def sample_indices(loader: Loader) -> Iterator[int]:
    """Which samples an evaluation saw, in its order."""
    for batch in range(len(loader)):
        yield from loader.indices(0, batch)
