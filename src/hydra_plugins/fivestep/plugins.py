"""The launcher and the sweeper of `train -m` as Hydra wants them; the work is in `trainer.sweep`.

Every command that composes a config imports this: nothing heavy may be imported at the top.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from trainer.config.multirun import Task


class ProcessLauncher(Launcher):
    """Runs each trial in a process of its own, `sweep.jobs` at a time."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Take the sweep out of the task function."""
        self.task = task_of(task_function)

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run the jobs of another sweeper; each returns the selected metric, or fails."""
        points = [self.task.own(overrides) for overrides in job_overrides]
        return [self.returned(trial) for trial in self.task.sweep.launch(points, initial_job_idx)]

    def returned(self, trial: Any) -> JobReturn:
        """What Hydra's sweepers want to know of a trial."""
        from trainer.errors import Failed

        metric = self.task.sweep.plan.metric
        if trial.state == "finished":
            return JobReturn(status=JobStatus.COMPLETED, _return_value=trial.metrics[metric])
        reason = Failed(f"trial {trial.name}: {trial.reason}")
        return JobReturn(
            overrides=list(trial.overrides), status=JobStatus.FAILED, _return_value=reason
        )


class SearchSweeper(Sweeper):
    """Goes through a grid, or searches at random or by what was tried before."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Take the sweep out of the task function, and make the launcher that the config names."""
        self.task = task_of(task_function)
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run the whole sweep."""
        if isinstance(self.launcher, ProcessLauncher):
            self.task.sweep.run()
        else:
            self.task.run_elsewhere(self.launcher)


def task_of(function: TaskFunction) -> "Task":
    """The task of `train -m`; TypeError in any other program of Hydra's."""
    from trainer.config.multirun import Task

    if not isinstance(function, Task):
        raise TypeError("the launcher and the sweeper of fivestep work with `train -m` only")
    return function


@dataclass
class ProcessLauncherConf:
    """`hydra/launcher=fivestep`."""

    _target_: str = "hydra_plugins.fivestep.plugins.ProcessLauncher"


@dataclass
class SearchSweeperConf:
    """`hydra/sweeper=fivestep`."""

    _target_: str = "hydra_plugins.fivestep.plugins.SearchSweeper"


ConfigStore.instance().store(
    group="hydra/launcher", name="fivestep", node=ProcessLauncherConf, provider="fivestep"
)
ConfigStore.instance().store(
    group="hydra/sweeper", name="fivestep", node=SearchSweeperConf, provider="fivestep"
)
