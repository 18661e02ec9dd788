"""The config's sections that are no `_target_` node, and the ranges that no signature says."""

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Annotated, Any, Literal, get_type_hints

from trainer.config.catalogue import did_you_mean
from trainer.config.values import is_open, problems_of, shown
from trainer.options import (
    Count,
    GroupOptions,
    NotNegative,
    ParameterOptions,
    Positive,
    Range,
    RunOptions,
    Seed,
    Share,
    SweepOptions,
    TrainerOptions,
)

SECTIONS: dict[str, Any] = {
    "trainer": TrainerOptions,
    "run": RunOptions,
    "parameters": ParameterOptions,
    "seed": Seed,
    "sweep": SweepOptions,
    "resume": str | None,
}

# Sections that a run's folder doesn't keep: they say nothing of the run itself.
UNSTORED = ("sweep",)

# What no signature says. A path counts wherever it is in the config, whatever the target is.
RULES: dict[str, Any] = {
    "optimizer.lr": Positive,
    "optimizer.weight_decay": NotNegative,
    "optimizer.momentum": Share,
    "optimizer.eps": NotNegative,
    "optimizer.alpha": Annotated[float, Range(ge=0, le=1)],
    "optimizer.betas": Annotated[list[float], Range(ge=0, lt=1)],
    "scheduler.interval": Literal["step", "epoch"],
    "scheduler.warmup": NotNegative,
    "scheduler.schedule.gamma": Positive,
    "scheduler.schedule.step_size": Count,
    "scheduler.schedule.factor": Annotated[float, Range(gt=0, lt=1)],
    "scheduler.schedule.patience": Annotated[int, Range(ge=0)],
    "scheduler.schedule.mode": Literal["min", "max"],
    "scheduler.schedule.pct_start": Annotated[float, Range(ge=0, le=1)],
    "scheduler.schedule.div_factor": Positive,
    "scheduler.schedule.eta_min": NotNegative,
    "loss.label_smoothing": Annotated[float, Range(ge=0, le=1)],
    "model.dropout": Share,
    "data.split_seed": Seed,
    "loader.batch_size": Count,
    "loader.num_workers": Annotated[int, Range(ge=0)] | Literal["auto"] | None,
    "loader.limit_batches": Count | None,
    "evaluation.every": Count,
    "evaluation.patience": Count | None,
    "checkpoint.every": Count | None,
}


def rule_for(path: str) -> Any:
    """The annotation of a dotted path from SECTIONS and RULES, or None where neither knows it."""
    section, _, key = path.partition(".")
    shape = SECTIONS.get(section)
    if key and is_dataclass(shape):
        return get_type_hints(shape, include_extras=True).get(key)
    return RULES.get(path) if key else shape


def problems(config: Mapping[str, Any]) -> list[str]:
    """All that is wrong with the sections, the ranges and their combination.

    `config` is the whole config as plain containers, interpolations resolved as far as possible.
    """
    found = []
    for name, shape in SECTIONS.items():
        if name not in config and name in UNSTORED:
            continue
        if name not in config:
            found.append(f"{name} is missing; {AGAIN}")
        elif is_dataclass(shape):
            found += section_problems(config[name], shape, name)
        else:
            found += problems_of(config[name], shape, name)
    for path, rule in RULES.items():
        value: Any = config
        for key in path.split("."):
            value = value.get(key, MISSING) if isinstance(value, Mapping) else MISSING
        if value is not MISSING:
            found += problems_of(value, rule, path)
    return [*found, *group_problems(config), *combined(config)]


AGAIN = "a train.yaml of your own needs every section that fivestep's has"


def section_problems(section: Any, shape: Any, where: str) -> list[str]:
    """Unknown, missing and wrong keys of one section, judged by its dataclass."""
    if not isinstance(section, Mapping):
        return [f"{where} is {shown(section)}; it has to be a mapping of keys to values"]
    hints = get_type_hints(shape, include_extras=True)
    found = []
    for key, value in section.items():
        if key in hints:
            found += problems_of(value, hints[key], f"{where}.{key}")
        else:
            hint = did_you_mean(str(key), hints, where + ".{}") or f"; it has {', '.join(hints)}"
            found.append(f"{where}.{key} ({shown(value)}) is no key of {where}{hint}")
    for each in fields(shape):
        if each.name not in section and each.default is MISSING and each.default_factory is MISSING:
            found.append(f"{where}.{each.name} is missing")
    return found


def group_problems(config: Mapping[str, Any]) -> list[str]:
    """What is wrong in `parameters.groups`; the options of the optimizer's node are allowed too."""
    parameters = config.get("parameters")
    groups = parameters.get("groups") if isinstance(parameters, Mapping) else None
    if not isinstance(groups, list) or not all(isinstance(group, Mapping) for group in groups):
        return []  # told by the section's own types
    optimizer = config.get("optimizer")
    options = {key for key in optimizer if not key.startswith("_")} if optimizer else set()
    own = {each.name for each in fields(GroupOptions)}
    found = []
    for number, group in enumerate(groups):
        where = f"parameters.groups[{number}]"
        plain = {key: v for key, v in group.items() if key in own or key not in options}
        found += section_problems(plain, GroupOptions, where)
        for key in options - own:
            if key in group and f"optimizer.{key}" in RULES:
                found += problems_of(group[key], RULES[f"optimizer.{key}"], f"{where}.{key}")
        if group.get("lr") is not None and group.get("lr_scale") is not None:
            found.append(f"{where} has both lr and lr_scale; keep one of them")
    return found


def combined(config: Mapping[str, Any]) -> list[str]:
    """Values that are fine alone and wrong together."""
    found = []
    trainer = config.get("trainer")
    if not isinstance(trainer, Mapping):
        return []
    if trainer.get("precision") == "fp16" and trainer.get("device") == "cpu":
        found.append(
            "trainer.precision is fp16 with trainer.device=cpu; fp16 is slow there and its small "
            "gradients vanish; use trainer.precision=bf16"
        )
    lengths = [trainer.get(name) for name in ("epochs", "steps", "max_minutes")]
    if lengths == [None, None, None]:
        found.append(
            "trainer.epochs, trainer.steps and trainer.max_minutes are all null, so the run would "
            "never end; set one of them"
        )
    elif lengths[:2] == [None, None] and (reason := needs_steps(config.get("scheduler"))):
        found.append(
            f"{reason}, but with trainer.max_minutes alone the number of steps is not known; set "
            "trainer.epochs or trainer.steps as well, or scheduler=none"
        )
    optimizer = config.get("optimizer")
    if isinstance(optimizer, Mapping) and optimizer.get("nesterov") is True:
        momentum = optimizer.get("momentum", 0)
        if not is_open(momentum) and not momentum:
            found.append("optimizer.nesterov is true, but optimizer.momentum is 0; set momentum")
    return found


def needs_steps(scheduler: Any) -> str:
    """Why a schedule needs to know the number of steps beforehand, or "" where it doesn't."""
    if re.search(r"\$\{plan\.(steps|steps_after_warmup|epochs)\}", str(scheduler)):
        return "the scheduler is laid out over all steps"
    warmup = scheduler.get("warmup") if isinstance(scheduler, Mapping) else None
    if isinstance(warmup, float) and 0 < warmup < 1:
        return f"scheduler.warmup is {warmup}, a share of all steps"
    return ""
