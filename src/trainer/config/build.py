"""The door: config in, objects out. Nothing behind it has seen a config."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, open_dict
from torch.optim import Optimizer

from trainer.config.check import check, make_importable, reference_problems
from trainer.config.compose import resolved as as_far_as_known
from trainer.config.drift import (
    apply,
    lengthens,
    refuse_drift,
    refuse_other_data,
    refuse_untrusted,
)
from trainer.config.schema import UNSTORED
from trainer.config.schema import problems as schema_problems
from trainer.errors import Refused, nothing_started
from trainer.options import ParameterOptions, TrainerOptions
from trainer.pasting import nearest, pasteable
from trainer.recording import Console
from trainer.run import MakeOptimizer, Run, prepare_device, setup, write_records
from trainer.schedule import Plan, Schedule
from trainer.seeding import derive, seed_all
from trainer.splits import refuse_unfit
from trainer.storage.folder import RunFolder

SCHEDULE = "trainer.schedule.Schedule"


def build(config: DictConfig, overrides: Sequence[str] = (), *, name: str = "run") -> Run | None:
    """Build everything that a checked config names; the sizes come from the data.

    `name` is the folder under runs/ when `run.name` is null. A `run.dir` that holds a run goes on,
    if it was started with the same config; None says that it is finished. Raises Refused (with the
    node's path) for arguments that the things themselves refuse; a fresh folder is then gone again.
    """
    for section in UNSTORED:
        with open_dict(config):
            config.pop(section, None)
    folder = new_folder(config, name)
    with kept_on_success(folder):
        if folder.state == "finished":
            known, _ = as_far_as_known(config)
            refuse_drift(folder.read_config().config, known, folder.path)
            leave_complete(folder)
            return None
        run = assemble(config, folder)
        chosen = resolved(config)
        if folder.state == "fresh":
            folder.write_config(chosen, overrides)
            seeds = {"seed": chosen["seed"], "split_seed": chosen["data"].get("split_seed")}
            known = {name: seed for name, seed in seeds.items() if seed is not None}
            write_records(folder, run.splits, run.device, known)
        else:
            refuse_drift(folder.read_config().config, chosen, folder.path)
            refuse_other_data(folder.path, asdict(run.splits.info))
        return ready(run, chosen)


def resume(path: Path, overrides: Sequence[str] = (), trusted: Sequence[str] = ()) -> Run | None:
    """Build the run that a folder holds, to go on in place; None when it is finished.

    Only overrides that leave the result as it would have been are taken; a finished run goes on
    when they make it longer. A config that this user didn't sign may name only what fivestep itself
    ships, and what `trusted` lists.
    """
    make_importable(Path.cwd())
    folder = RunFolder.open(path, write=True)
    with kept_on_success(folder):
        stored = folder.read_config()
        if stored.origin != "own":
            refuse_untrusted(stored.config, trusted, path)
        config = OmegaConf.create(stored.config)
        problems = [p for p in (apply(config, word) for word in overrides) if p]
        plain_config, found = as_far_as_known(config)
        problems = problems or [*found, *schema_problems(plain_config)]
        if problems:
            raise Refused(*problems)
        check(config)
        if folder.state == "finished" and not any(lengthens(word) for word in overrides):
            leave_complete(folder)
            return None
        config.resume = None
        run = assemble(config, folder)
        refuse_other_data(folder.path, asdict(run.splits.info))
        if overrides and stored.origin == "own":
            folder.write_config(resolved(config), [*stored.overrides, *overrides])
        if stored.origin == "tampered":
            warnings.warn(
                f"{nearest(folder.config)} or overrides.yaml was changed after the run was "
                "started; it goes on with what they say now",
                stacklevel=1,
            )
        return ready(run, resolved(config))


def ready(run: Run, chosen: Mapping[str, Any]) -> Run:
    """The run that nothing speaks against any more: a log opened before would stay open."""
    run.console.log_to(run.folder.log)
    return replace(run, config=chosen)


@contextmanager
def kept_on_success(folder: RunFolder) -> Iterator[None]:
    """Give a folder back, and a fresh one up, when what was to be built on it can't be."""
    try:
        with nothing_started():
            yield
    except BaseException:
        folder.discard()
        folder.release()
        raise


def leave_complete(folder: RunFolder) -> None:
    """Say that a run is finished, and give its folder back."""
    print(f"{nearest(folder.path)} is already complete; nothing was done.")
    folder.release()


def new_folder(config: DictConfig, name: str) -> RunFolder:
    """The folder of a fresh run: `run.dir` exactly, or a unique one under runs/."""
    if config.run.dir is not None:
        return RunFolder.claim(Path(config.run.dir).expanduser())
    return RunFolder.create(Path("runs"), config.run.name or name)


def assemble(config: DictConfig, folder: RunFolder) -> Run:
    """Data first, then what depends on its sizes, then what depends on the length of the run."""
    options = TrainerOptions(**plain(config.trainer))
    prepare_device(options)
    splits = make(config, "data")
    refuse_unfit(splits)
    fill_in(config, "info", facts(splits.info))
    if problems := reference_problems(as_far_as_known(config)[0], list(config.info)):
        raise Refused(*problems)
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
        evaluation=make(config, "evaluation"),
        checkpoints=partial_of(config, "checkpoint"),
        recorder=partial_of(config, "recorder"),
        folder=folder,
        config={},
        console=Console(),
        export=make(config, "export"),
        seed=derive(config.seed, "order"),
        warmup=OmegaConf.select(config, "scheduler.warmup", default=0) or 0,
        reader=reader and instantiate(reader, _convert_="all"),
    )


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
    values = asdict(info)
    problems = [
        f"info.{name} of the data ({value!r}) holds more than plain values; use int, float, str, "
        "and lists, tuples or dicts of these"
        for name, value in values.items()
        if not is_plain(value)
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
