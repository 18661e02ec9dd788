"""A run: the real objects that the stages work on, put together from a few of them."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from trainer import device as devices
from trainer import parameters
from trainer.errors import Refused
from trainer.evaluation import Classification
from trainer.export import Nothing
from trainer.loop import Trainer
from trainer.options import ParameterOptions, TrainerOptions
from trainer.precision import Precision
from trainer.protocols import Evaluation, Loader, Loaders, Reader, Recorder, Splits
from trainer.recording import Console, Silent
from trainer.schedule import Plan, Schedule, warmup_steps
from trainer.splits import refuse_unfit
from trainer.storage.checkpoint import Checkpoints
from trainer.storage.folder import RunFolder
from trainer.storage.records import write_records
from trainer.storage.stored_environment import read_environment, stored_threads
from trainer.task import Task
from trainer.trained import Export, Trained, with_modules

MakeOptimizer = Callable[..., Optimizer]
MakeSchedule = Callable[[Optimizer, Plan], Schedule]


@dataclass(frozen=True)
class Run:
    """All that the stages need, built and checked; nothing here knows of configs."""

    folder: RunFolder
    task: Task
    splits: Splits
    loaders: Loaders
    trainer: Trainer
    plan: Plan
    evaluation: Evaluation
    checkpoints: Checkpoints
    recorder: Callable[..., Recorder]
    console: Console
    export: Export
    options: TrainerOptions
    seed: int
    device: torch.device
    config: Mapping[str, Any] = field(default_factory=dict)  # what was chosen, for the record
    reader: Reader | None = None  # how a file becomes an input, where the data says it

    @property
    def resumed(self) -> bool:
        """Whether the folder holds a run that goes on."""
        return self.folder.state != "fresh"

    def evaluated_modules(self) -> dict[str, nn.Module]:
        """The modules that are evaluated: averaged weights stand in for the trained ones."""
        return self.trainer.modules | (self.trainer.ema.modules if self.trainer.ema else {})

    def trained(self, step: int, metrics: Mapping[str, float]) -> Trained:
        """What has come of the run: the weights as they are now, with all that is known of them."""
        modules = self.evaluated_modules()
        return Trained(
            folder=self.folder.path,
            config=self.config,
            info=self.splits.info,
            task=with_modules(self.task, modules),
            modules=modules,
            evaluation=self.evaluation,
            precision=self.trainer.precision,
            reader=self.reader,
            device=self.device,
            step=step,
            metrics=metrics,
            splits=self.splits,
            loaders=self.loaders,
        )


def setup(
    task: Task,
    splits: Splits,
    *,
    loader: Callable[..., Loader],
    optimizer: MakeOptimizer | Mapping[str, MakeOptimizer],
    schedule: MakeSchedule | None = None,
    options: TrainerOptions | None = None,
    parameter_options: ParameterOptions | None = None,
    evaluation: Evaluation | None = None,
    checkpoints: Callable[..., Checkpoints] = Checkpoints,
    recorder: Callable[..., Recorder] = Silent,
    folder: RunFolder | None = None,
    console: Console | None = None,
    export: Export | None = None,
    seed: int = 0,
    warmup: float = 0,
    config: Mapping[str, Any] | None = None,
    reader: Reader | None = None,
) -> Run:
    """Put a run together from a task, its data, and makers of the rest.

    `loader(dataset, shuffle=, seed=, device=)`, `optimizer(parameter_groups)` (one for all turns of
    the task, or one by name) and `schedule(optimizer, plan)` are called here, once the device and
    the length of the run are known. Without a `folder` a fresh one is made under `runs/`; one that
    holds a run goes on. Whoever gives `config` writes the records of a fresh folder.
    Raises Refused for what can't be trained together.
    """
    refuse_unfit(splits)
    options = options or TrainerOptions()
    if folder is not None and folder.state != "fresh":
        options = with_threads_of(folder, options)
    device = prepare_device(options)
    loaders = make_loaders(splits, loader, seed, device)
    choice = parameter_options or ParameterOptions()
    optimizers = prepare_task(task, optimizer, choice, options, device)
    plan = make_plan(options, len(loaders.train), warmup, optimizers)
    schedules = {name: schedule(o, plan) for name, o in optimizers.items()} if schedule else {}
    trainer = make_trainer(task, optimizers, schedules, options, device)
    folder = folder or RunFolder.create(Path("runs"), "run")
    if config is None:
        config = {"trainer": asdict(options), "seed": seed}
        console = console or Console(log=folder.log)
        if folder.state == "fresh":
            assert isinstance(task, nn.Module)
            write_records(folder, splits, str(device), {"seed": seed}, own_names(task))
    return Run(
        folder=folder,
        task=task,
        splits=splits,
        loaders=loaders,
        trainer=trainer,
        plan=plan,
        evaluation=evaluation or Classification(),
        checkpoints=checkpoints(folder.checkpoints),
        recorder=recorder,
        console=console or Console(),
        export=export or Nothing(),
        options=options,
        seed=seed,
        device=device,
        config=config,
        reader=reader,
    )


def prepare_task(
    task: Task,
    optimizer: MakeOptimizer | Mapping[str, MakeOptimizer],
    choice: ParameterOptions,
    options: TrainerOptions,
    device: torch.device,
) -> dict[str, Optimizer]:
    """Bring a task to the device, in the layout asked for, and make the optimizer of each turn."""
    if not isinstance(task, nn.Module):
        raise Refused(
            f"the task is a {type(task).__name__}, not a torch.nn.Module; name one in its target"
        )
    task.to(device)
    if options.channels_last:
        task.to(memory_format=torch.channels_last)
    makers = {turn.optimizer: maker_for(optimizer, turn.optimizer) for turn in task.turns()}
    return {
        name: make_optimizer(maker, getattr(task, name), choice, options, device)
        for name, maker in makers.items()
    }


def make_trainer(
    task: Task,
    optimizers: dict[str, Optimizer],
    schedules: dict[str, Schedule],
    options: TrainerOptions,
    device: torch.device,
) -> Trainer:
    """The loop over a task that is on its device, compiled where that is asked for."""
    skips = options.on_nonfinite == "skip"
    trainer = Trainer(
        task,
        optimizers,
        Precision(options.precision, device, options.clip_norm, options.clip_value, waits=skips),
        schedules=schedules,
        accumulate=options.accumulate,
        ema=options.ema,
        channels_last=options.channels_last,
        norm_every=options.record_every,
        split=options.on_oom == "split",
        undo=skips,
    )
    if options.compile is True or (options.compile == "auto" and device.type == "cuda"):
        for module in trainer.trained.values():
            module.compile()  # in place: the names in the state stay those of the plain module
    return trainer


def own_names(task: nn.Module) -> list[str]:
    """Where the code of a task comes from, to tell later whether it has changed."""
    kinds = {type(module) for module in task.modules()}
    return ["__main__", *sorted(f"{kind.__module__}.{kind.__qualname__}" for kind in kinds)]


def with_threads_of(folder: RunFolder, options: TrainerOptions) -> TrainerOptions:
    """The options with the number of threads that a run was started with, which changes bits."""
    if options.threads != "auto":
        return options
    with suppress(ValueError):  # nothing is known of it
        threads = stored_threads(read_environment(folder.path))
        return replace(options, threads=threads or "auto")
    return options


def prepare_device(options: TrainerOptions) -> torch.device:
    """Choose the device and set threads and determinism, before anything is made on it."""
    device = devices.choose(options.device)
    devices.set_threads(options.threads)
    devices.set_deterministic(options.deterministic)
    return device


def make_loaders(
    splits: Splits, loader: Callable[..., Loader], seed: int, device: torch.device
) -> Loaders:
    """A loader for each split there is; only the training split is shuffled."""

    def make(dataset: Any, shuffle: bool) -> Loader | None:
        if dataset is None:
            return None
        return loader(dataset, shuffle=shuffle, seed=seed, device=device)

    train = make(splits.train, True)
    assert train is not None  # refused before
    return Loaders(train, make(splits.validation, False), make(splits.test, False))


def make_plan(
    options: TrainerOptions, batches: int, warmup: float, optimizers: Mapping[str, Optimizer]
) -> Plan:
    """How long the run will be: epochs or steps, whichever ends it first; 0 with neither."""
    per_epoch = -(-batches // options.accumulate)
    if options.epochs is None and options.steps is None and options.max_minutes is None:
        raise Refused(
            "the run would never end: trainer.epochs, trainer.steps and trainer.max_minutes are "
            "all null; set one of them"
        )
    bounds = [] if options.epochs is None else [options.epochs * per_epoch]
    bounds += [] if options.steps is None else [options.steps]
    steps = min(bounds, default=0)
    return Plan(
        steps=steps,
        steps_after_warmup=max(1, steps - warmup_steps(warmup, steps)),
        steps_per_epoch=per_epoch,
        epochs=-(-steps // per_epoch),
        has_momentum=all(
            "momentum" in o.defaults or "betas" in o.defaults for o in optimizers.values()
        ),
    )


def maker_for(optimizer: MakeOptimizer | Mapping[str, MakeOptimizer], name: str) -> MakeOptimizer:
    """The maker of one turn's optimizer."""
    if not isinstance(optimizer, Mapping):
        return optimizer
    if name not in optimizer:
        raise Refused(
            f"the task trains {name!r}, but optimizer names only {', '.join(optimizer)}; "
            f"add optimizer.{name}"
        )
    return optimizer[name]


def make_optimizer(
    maker: MakeOptimizer,
    module: nn.Module,
    choice: ParameterOptions,
    options: TrainerOptions,
    device: torch.device,
) -> Optimizer:
    """One optimizer over the groups of a module's parameters, fused where asked for."""
    lr = getattr(maker, "keywords", {}).get("lr")
    found = parameters.groups(
        module, lr=lr, freeze=choice.freeze, rules=choice.groups, decay_vectors=choice.decay_vectors
    )
    kind = getattr(maker, "func", maker)
    name = getattr(kind, "__name__", type(kind).__name__)
    step = getattr(kind, "step", None)
    if step is not None and "closure" in required_arguments(step):
        raise Refused(
            f"optimizer {name} evaluates the loss several times a step, which the five-step loop "
            "doesn't; choose another, such as optimizer=adamw"
        )
    try:
        if options.fused is False:
            optimizer = maker(found)
        else:
            optimizer = fused(maker, found, options.fused is True, device)
    except (TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, Refused):
            raise
        raise Refused(f"optimizer {name} can't be built: {error}; mend the keys of it") from error
    if not isinstance(optimizer, Optimizer):
        raise Refused(f"optimizer {name} is no torch.optim.Optimizer; name one in its target")
    return optimizer


def fused(
    maker: MakeOptimizer, found: list[dict[str, Any]], required: bool, device: torch.device
) -> Optimizer:
    """The optimizer with its fused kernel; without it where `auto` finds that there is none."""
    with suppress(TypeError, RuntimeError):
        return maker(found, fused=True)
    if required:
        raise Refused(
            f"trainer.fused is true, but the optimizer has no fused kernel on {device.type}; "
            "use trainer.fused=auto"
        )
    return maker(found)


def required_arguments(function: Callable[..., Any]) -> set[str]:
    """Names of the arguments without a default."""
    import inspect

    return {
        name
        for name, p in inspect.signature(inspect.unwrap(function)).parameters.items()
        if p.default is p.empty
    }
