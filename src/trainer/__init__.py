"""The training workflow: `setup` puts the parts together, `execute` runs every stage."""

from typing import TYPE_CHECKING, Any

__distribution__ = "fivestep"
__version__ = "0.1.0"

__all__ = [
    "Classification",
    "Plan",
    "Result",
    "Run",
    "Schedule",
    "Supervised",
    "Task",
    "Trainer",
    "TrainerOptions",
    "Turn",
    "execute",
    "setup",
]

if TYPE_CHECKING:
    from trainer.evaluation import Classification
    from trainer.loop import Trainer
    from trainer.options import TrainerOptions
    from trainer.run import Run, setup
    from trainer.schedule import Plan, Schedule
    from trainer.stages import Result, execute
    from trainer.task import Supervised, Task, Turn

HOMES = {
    "Classification": "trainer.evaluation",
    "Plan": "trainer.schedule",
    "Result": "trainer.stages",
    "Run": "trainer.run",
    "Schedule": "trainer.schedule",
    "Supervised": "trainer.task",
    "Task": "trainer.task",
    "Trainer": "trainer.loop",
    "TrainerOptions": "trainer.options",
    "Turn": "trainer.task",
    "execute": "trainer.stages",
    "setup": "trainer.run",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: the command must not pay for torch."""
    if name not in HOMES:
        raise AttributeError(f"module 'trainer' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(HOMES[name]), name)
