"""From a checked config to the real objects that it names."""

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch.optim import Optimizer

from trainer.config.check import reference_problems
from trainer.config.compose import resolved as as_far_as_known
from trainer.config.drift import Drift
from trainer.config.trust import targets_in, texts_in
from trainer.errors import Refused
from trainer.facts import derived
from trainer.options import ParameterOptions, TrainerOptions
from trainer.pasting import pasteable
from trainer.protocols import Splits
from trainer.recording import Console
from trainer.run import MakeOptimizer, Run, prepare_device, setup
from trainer.schedule import Plan, Schedule
from trainer.seeding import derive, seed_all
from trainer.splits import refuse_other_problem, refuse_unfit
from trainer.storage.environment import environment
from trainer.storage.folder import RunFolder
from trainer.storage.records import samples_of

SCHEDULE = "trainer.schedule.Schedule"


def assemble(config: DictConfig, folder: RunFolder, drift: Drift | None = None) -> Run:
    """Data first, then what depends on its sizes, then what depends on the length of the run.

    With `drift` it has the CPU threads of the run that it is compared with, unless the config says
    how many; raises Refused when settings or data make it another one.
    """
    options = TrainerOptions(**plain(config.trainer))
    if drift is not None and drift.threads and options.threads == "auto":
        options = replace(options, threads=drift.threads)
    device = prepare_device(options)
    if drift is not None:
        drift.compare_environment(environment(device=str(device), targets=names_in(config)))
    splits = data_of(config, drift)
    fill_in(config, "info", facts(splits.info))
    if problems := reference_problems(as_far_as_known(config)[0], list(config.info)):
        raise Refused(*problems)
    evaluation = make(config, "evaluation")
    refuse_other_problem(splits.info, evaluation)
    seed_all(config.seed, "weights")
    task = make(config, "task", model=make(config, "model"), loss=make(config, "loss"))
    reader = getattr(splits.info, "reader", None)
    return setup(
        task,
        splits,
        loader=partial_of(config, "loader"),
        optimizer=optimizer_of(config),
        schedule=partial(make_schedule, config),
        options=options,
        parameter_options=ParameterOptions(**plain(config.parameters)),
        evaluation=evaluation,
        checkpoints=partial_of(config, "checkpoint"),
        recorder=partial_of(config, "recorder"),
        folder=folder,
        config={},
        console=Console(),
        export=make(config, "export"),
        seed=derive(config.seed, "order"),
        warmup=OmegaConf.select(config, "scheduler.warmup", default=0) or 0,
        reader=instantiate(reader, _convert_="all") if reader else None,
    )


def data_of(config: DictConfig, drift: Drift | None) -> Splits:
    """The splits that a config names; raises Refused where they are not those of before."""
    if drift is not None and drift.data_settings_differ:
        drift.refuse()
    try:
        splits: Splits = make(config, "data")
        refuse_unfit(splits)
        if drift is not None:
            drift.compare_data(facts(splits.info), samples_of(splits))
    except Exception:
        if drift is not None:
            drift.refuse()  # what has changed is the likelier reason
        raise
    if drift is not None:
        drift.refuse()
    return splits


def names_in(config: DictConfig) -> list[str]:
    """The dotted names of all that a config would make."""
    return list(targets_in(OmegaConf.to_container(config, resolve=False)))


def optimizer_of(config: DictConfig) -> MakeOptimizer | Mapping[str, MakeOptimizer]:
    """One optimizer for every turn of the task, or one by the name of each."""
    if "_target_" in config.optimizer:
        return partial_of(config, "optimizer")  # type: ignore[no-any-return]
    return {str(name): partial_of(config, f"optimizer.{name}") for name in config.optimizer}


def make_schedule(config: DictConfig, optimizer: Optimizer, plan: Plan) -> Schedule:
    """The schedule of one optimizer; a bare torch scheduler moves by step."""
    fill_in(config, "plan", asdict(plan))
    maker = partial_of(config, "scheduler")
    try:
        if config.scheduler._target_ == SCHEDULE:
            schedule: Schedule = maker(optimizer, steps=plan.steps)
            return schedule
        return Schedule(optimizer, maker)
    except (TypeError, ValueError) as error:
        raise refusal(config, "scheduler", error) from error


def make(config: DictConfig, path: str, **arguments: Any) -> Any:
    """The thing that a node names, with further arguments that only the door knows."""
    try:
        return instantiate(OmegaConf.select(config, path), _convert_="all", **arguments)
    except InstantiationException as error:
        cause = error.__cause__ or error
        if hasattr(cause, "exit_code"):
            raise cause from None
        raise refusal(config, path, cause) from error


def partial_of(config: DictConfig, path: str) -> Any:
    """The thing that a node names, to be called once its other arguments are known."""
    return make(config, path, _partial_=True)


def refusal(config: DictConfig, path: str, cause: BaseException) -> Refused:
    """One line for what a constructor says against its arguments."""
    if isinstance(cause, Refused):
        return cause
    target = OmegaConf.select(config, f"{path}._target_")
    first = next((line.strip() for line in str(cause).splitlines() if line.strip()), "")
    where = ""
    trace = cause.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is not None:
        where = f" (raised in {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno})"
    return Refused(
        f"{path}: {target} can't be built: {type(cause).__name__}: {first[:400]}{where}; "
        f"change the keys under {path}, or see them with: {pasteable('fivestep', 'show')}"
    )


def fill_in(config: DictConfig, name: str, values: Mapping[str, Any]) -> None:
    """Make values known to interpolations such as ${info.num_classes}."""
    OmegaConf.set_struct(config, False)
    config[name] = OmegaConf.create(dict(values))


def facts(info: Any) -> dict[str, Any]:
    """What the data says of itself, as plain values; raises Refused for what can't be stored."""
    if not is_dataclass(info) or isinstance(info, type):
        raise Refused(
            f"the data's info is a {type(info).__name__}; return a dataclass with classes, "
            "num_classes and the sizes that models need"
        )
    values = derived(info) | asdict(info)
    problems = [
        f"info.{name} of the data ({value!r}) holds more than plain values; use int, float, str, "
        "and lists, tuples or dicts of these"
        for name, value in values.items()
        if not is_plain(value)
    ]
    # OmegaConf resolves it, twice on its way into an object, and `oc.create` makes any node.
    problems += [
        f"info.{name} of the data holds {text!r}, which a config takes for an interpolation; call "
        "it otherwise (a class is called as its folder)"
        for name, value in values.items()
        for text in texts_in(value)
        if "${" in text
    ]
    if problems:
        raise Refused(*problems)
    return values


def is_plain(value: Any) -> bool:
    """Whether a value can stand in a config and in JSON."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain(part) for key, part in value.items())
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return type(value) in (bool, int, float, str, type(None))


def plain(node: DictConfig) -> dict[str, Any]:
    """A node as a plain dict, resolved."""
    container = OmegaConf.to_container(node, resolve=True)
    assert isinstance(container, dict)
    return {str(name): value for name, value in container.items()}


def resolved(config: DictConfig) -> dict[str, Any]:
    """All that was chosen, with every interpolation replaced by its value."""
    return {name: value for name, value in plain(config).items() if name not in ("info", "plan")}
