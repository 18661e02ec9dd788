"""A child that runs on another machine than the one before it, or is stopped, or draws others."""

import os
import signal
from importlib import import_module

from crash_points import before


def elsewhere(
    cores: int | None = None,
    one_core: bool = False,
    torch_version: str = "",
    stop: int = 0,
    seed: int = 0,
) -> None:
    """Change what a command finds.

    cores: that it may use, as far as it is told. one_core: that it may really use.
    torch_version: that it runs on. stop: the step before which Ctrl-C comes.
    seed: added to the one with which training draws.
    """
    drift, device, stages = map(
        import_module, ("trainer.config.drift", "trainer.device", "trainer.stages")
    )
    if cores is not None:
        for module in (drift, device):
            vars(module)["available_cpus"] = lambda: cores
    if one_core:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if torch_version:
        vars(import_module("torch"))["__version__"] = torch_version
    if stop:
        from trainer.loop import Trainer

        before(Trainer, "step", stop, lambda: os.kill(os.getpid(), signal.SIGINT))
    if seed:
        draw = vars(stages)["seed_all"]
        vars(stages)["seed_all"] = lambda base, purpose: draw(base + seed, purpose)
