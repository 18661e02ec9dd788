"""A run folder opened again: the trained model with what export, predict and evaluate need."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from trainer.config.assembly import facts, make, partial_of, plain
from trainer.config.check import check, make_importable
from trainer.config.compose import resolved as as_far_as_known
from trainer.config.other_data import with_other_data
from trainer.config.schema import problems as schema_problems
from trainer.config.trust import refuse_untrusted, shipped_targets, targets_in
from trainer.errors import Refused, nothing_started
from trainer.options import TrainerOptions
from trainer.pasting import nearest, pasteable
from trainer.precision import Precision
from trainer.protocols import Loaders, Splits
from trainer.run import make_loaders, prepare_device
from trainer.seeding import derive, seed_all
from trainer.splits import refuse_unfit
from trainer.storage.checkpoint import Checkpoint, Checkpoints
from trainer.storage.folder import RunFolder
from trainer.storage.signature import Origin
from trainer.storage.stored_info import OWN_NODES
from trainer.task import Task
from trainer.trained import Trained


class Stored(NamedTuple):
    """What a run folder says, before anything of it is built."""

    folder: RunFolder
    config: DictConfig
    info: dict[str, Any]
    info_origin: Origin


def reopen(
    path: Path,
    *,
    trusted: Sequence[str] = (),
    device: str = "auto",
    data: bool = False,
    overrides: Sequence[str] = (),
) -> Trained:
    """Make a trained model from its run folder alone: its weights are the ones that were evaluated.

    With `data` the splits and loaders are there, too; `overrides` (`data=`, `data.*`, `loader.*`)
    then choose other data for the same model. What a stranger's config names is refused unless it
    is fivestep's own or `trusted`. Raises Refused for no run, a run without weights, a config that
    can't be built, and NoUsableCheckpoint. An unfinished run is used as it is, with a warning.
    """
    with nothing_started():
        stored = read_stored(path, trusted)
        config = with_other_data(stored.config, overrides) if overrides else stored.config
        plain_config, found = as_far_as_known(config)
        if problems := [*found, *schema_problems(plain_config)]:
            raise Refused(*problems)
        check(config)
        options = TrainerOptions(**plain(config.trainer) | {"device": device})
        chosen = prepare_device(options)
        OmegaConf.set_struct(config, False)
        # What a task holds that is not trained is made from the seed, as it was in training.
        seed_all(config.seed, "weights")
        task: Task = make(config, "task", model=make(config, "model"), loss=make(config, "loss"))
        if not isinstance(task, nn.Module):
            raise Refused(
                f"{nearest(path)}/config.yaml names no task that is a torch.nn.Module; restore it "
                "from a copy"
            )
        checkpoint = load(task, path, averaged=options.ema is not None)
        task.to(chosen).eval()
        if options.channels_last:
            task.to(memory_format=torch.channels_last)
        splits, loaders = build_data(config, chosen) if data else (None, None)
        info = SimpleNamespace(**stored.info)
        node = stored.info.get("reader")
        names = trusted if stored.info_origin != "own" else (*trusted, *targets_of(node))
        return Trained(
            folder=path,
            config={str(k): v for k, v in plain(config).items()},
            info=info,
            task=task,
            modules=dict(task.named_children()),
            evaluation=make(config, "evaluation"),
            precision=Precision(options.precision, chosen, None, None),
            reader=make_part(node, names) if node else None,
            device=chosen,
            step=checkpoint.step,
            metrics=stored.folder.read_status().get("metrics") or {},
            splits=splits,
            loaders=loaders,
        )


def read_stored(path: Path, trusted: Sequence[str]) -> Stored:
    """The settings of a run and what its data said, once they may be believed."""
    make_importable(Path.cwd())
    folder = RunFolder.open(path)
    settings = folder.read_config()
    if settings.origin != "own":
        refuse_untrusted(settings.config, trusted, path)
    info, origin = folder.read_info()
    return Stored(folder, OmegaConf.create(settings.config), info, origin)


def load(task: Task, path: Path, *, averaged: bool) -> Checkpoint:
    """Put the weights that were evaluated into a task: the best, or the last without validation."""
    folder = RunFolder.open(path)
    checkpoints = Checkpoints(folder.checkpoints)
    checkpoint = checkpoints.best() or checkpoints.newest()
    for warning in checkpoints.warnings:
        warnings.warn(warning, stacklevel=1)
    if checkpoint is None:
        command = pasteable("train", f"resume={nearest(path)}")
        raise Refused(
            f"{nearest(path)} has no weights: its training has saved no checkpoint yet; go on with "
            f"it ({command}), or use another run"
        )
    if folder.state != "finished":
        warnings.warn(
            f"{nearest(path)} is not finished ({folder.state}); its best weights so far are used "
            f"(step {checkpoint.step})",
            stacklevel=1,
        )
    trained = {turn.optimizer: getattr(task, turn.optimizer) for turn in task.turns()}
    # The file of the averaged weights has the same keys: they go straight into the one model.
    checkpoint.load_into(*(({}, trained) if averaged else (trained,)))
    return checkpoint


def build_data(config: DictConfig, device: torch.device) -> tuple[Splits, Loaders]:
    """The splits that a config names, and a loader for each, in the order of evaluation."""
    splits: Splits = make(config, "data")
    refuse_unfit(splits)
    facts(splits.info)
    seed = derive(config.seed, "order")
    return splits, make_loaders(splits, partial_of(config, "loader"), seed, device)


def make_part(node: Mapping[str, Any], trusted: Sequence[str] = ()) -> Any:
    """The reader or answer that an info.json or a manifest names; raises Refused where nobody does.

    fivestep's own pass, and what `trusted` lists.
    """
    unknown = sorted({*targets_of(node)} - {*OWN_NODES, *shipped_targets(), *trusted})
    if unknown:
        options = " ".join(f"--trust {name}" for name in unknown)
        raise Refused(
            f"the data is read by {', '.join(unknown)}, which is not fivestep's own and would be "
            f"run; if you know where it comes from, add {options}"
        )
    return make(OmegaConf.create({"node": dict(node)}), "node")


def targets_of(node: Any) -> Sequence[str]:
    """Every `_target_` in a node."""
    return list(targets_in(node))
