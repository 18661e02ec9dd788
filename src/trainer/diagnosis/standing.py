"""A run put to where it was some steps before one of its steps."""

from collections.abc import Callable, Iterator

from torch import nn

from trainer.diagnosis.extent import unsound
from trainer.measuring import measure
from trainer.run import Run
from trainer.seeding import seed_all
from trainer.stages import restore
from trainer.storage import step_folders
from trainer.storage.manifest import Unusable, verify
from trainer.storage.restore import Checkpoint
from trainer.storage.step_folders import step_of

ROWS = 10  # steps before the one that is looked at, to see it coming


def stand(
    make: Callable[[], Run], step: int, warnings: list[str]
) -> tuple[Run, Checkpoint | None, set[str]]:
    """The run, put to where it was some steps before, and what isn't finite in it by design.

    From there on its state has to be sound, so that it can be seen where it becomes unsound.
    """
    run = make()
    task = run.task
    assert isinstance(task, nn.Module)
    born = unsound(task)
    for checkpoint in checkpoints_before(run, step, warnings):
        seed_all(run.seed, "training")
        progress = restore(run, checkpoint)
        if not unsound(task) - born:
            begin(run)
            if progress.due:
                end_epoch(run)
            return run, checkpoint, born
        warnings.append(
            f"{checkpoint.path.name} holds something not finite; an earlier one is used"
        )
        close(run)
        run = make()
    seed_all(run.seed, "training")
    begin(run)
    return run, None, born


def checkpoints_before(run: Run, step: int, warnings: list[str]) -> Iterator[Checkpoint]:
    """Those that verify: the newest that leaves enough steps to see, else the earliest."""
    early = step - 1 - ROWS
    if early <= 0:
        return  # from the start it isn't far
    saved = [path for path in step_folders.saved(run.checkpoints.folder) if step_of(path) < step]
    far = [path for path in saved if step_of(path) <= early]
    for path in (*far, *reversed([path for path in saved if path not in far])):
        try:
            yield Checkpoint(path, step_of(path), verify(path, step_of(path)))
        except Unusable as error:
            warnings.append(f"{path.name} can't be used: {error}")


def begin(run: Run) -> None:
    """Every module in training mode, as at the beginning of training."""
    for module in run.trainer.modules.values():
        module.train()


def end_epoch(run: Run) -> None:
    """What happens between two epochs and changes how it goes on: evaluation and schedules."""
    trainer = run.trainer
    done = trainer.epoch == run.options.epochs
    values: dict[str, float] = {}
    if run.loaders.validation is not None and (done or trainer.epoch % run.evaluation.every == 0):
        values = measure(run, run.loaders.validation).values()
    for schedule in trainer.schedules.values():
        schedule.end_epoch(values)


def close(run: Run) -> None:
    """End what the loaders have started."""
    for loader in run.loaders:
        if loader is not None:
            loader.close()
