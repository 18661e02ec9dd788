"""A finished run built again from its stored config, in a folder of its own."""

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from trainer.config.build import build
from trainer.config.check import check, make_importable
from trainer.config.compose import resolved as as_far_as_known
from trainer.config.drift import Drift
from trainer.config.schema import problems as schema_problems
from trainer.config.trust import refuse_masked, refuse_untrusted
from trainer.device import choose
from trainer.errors import Refused
from trainer.pasting import nearest, pasteable
from trainer.preemption import resuming
from trainer.run import Run
from trainer.storage.folder import RunFolder

NOTHING = "trainer.export.Nothing"
_DEVICE = re.compile(r"cpu|mps|cuda(:\d+)?")


def build_again(path: Path, place: Path | None, trusted: Sequence[str] = ()) -> Run | None:
    """Build what a finished run was, with its seeds, threads and device, to run it again.

    It goes into `place`, by default a fresh folder under runs/; a `place` that holds such a run
    already goes on, and None says that it is finished. Nothing is exported. What a stranger's
    config names is refused unless it is fivestep's own or `trusted`. Raises Refused for a run that
    can't be reproduced, with the reason, and when its data has changed.
    """
    make_importable(Path.cwd())
    folder = RunFolder.open(path)
    refuse_unfit(folder, place)
    stored = folder.read_config()
    if stored.origin != "own":
        refuse_untrusted(stored.config, trusted, path)
    refuse_masked(
        stored.config, path, "give the command that started it another run.dir, and compare"
    )
    if stored.origin == "tampered":
        warnings.warn(
            f"{nearest(folder.config)} or overrides.yaml was changed after the run was started, so "
            "that what is run now may not be what was run then",
            stacklevel=1,
        )
    config, drift = OmegaConf.create(stored.config), Drift(path)
    config.resume, config.run.dir = None, None if place is None else str(place)
    config.export = {"_target_": NOTHING}
    words = [*stored.overrides, "export=none", *pinned(config, drift)]
    words += unhurried(config, folder.read_status(), path)
    plain_config, found = as_far_as_known(config)
    if problems := [*found, *schema_problems(plain_config)]:
        raise Refused(*problems)
    check(config)
    return build(config, words, like=drift)


def refuse_unfit(folder: RunFolder, place: Path | None) -> None:
    """Raise Refused for a run that isn't finished, one without a config, and a place within it."""
    run = nearest(folder.path)
    if folder.state != "finished":
        raise Refused(
            f"{run} is not finished ({folder.state}), so there is nothing to compare with; finish "
            f"it first: {resuming(folder.path)}"
        )
    if not folder.config.exists():
        raise Refused(
            f"{run} has no config.yaml: it was started from Python; run its script again, in "
            "another folder"
        )
    if place is not None and place.resolve().is_relative_to(folder.path.resolve()):
        raise Refused(
            f"run.dir={place} is {run} or lies in it, which stays as it is; choose another"
        )


def pinned(config: DictConfig, drift: Drift) -> list[str]:
    """Fix what `auto` meant on the machine of the run; returns it as overrides."""
    words = []
    if config.trainer.get("threads", "auto") == "auto" and drift.threads:
        config.trainer.threads = drift.threads
        words.append(f"trainer.threads={drift.threads}")
    device = drift.environment.get("device")
    if config.trainer.device == "auto" and is_here(device):
        config.trainer.device = device
        words.append(f"trainer.device={device}")
    return words


def is_here(device: Any) -> bool:
    """Whether a run's device is to be had; where it isn't, the difference is told."""
    if not isinstance(device, str) or not _DEVICE.fullmatch(device):
        return False
    try:
        choose(device)
    except Refused:
        return False
    return True


def unhurried(config: DictConfig, status: Mapping[str, Any], path: Path) -> list[str]:
    """Take a limit in minutes away, which the run had not met; returns that as an override.

    Raises Refused where the clock had ended the run: no other run ends at the same step.
    """
    if config.trainer.get("max_minutes") is None:
        return []
    if "max_minutes" in str(status.get("reason")):
        again = pasteable("train", f"trainer.steps={status.get('step')}", "...")
        raise Refused(
            f"{nearest(path)} was ended by the clock (trainer.max_minutes) at step "
            f"{status.get('step')}, so no other run ends like it; for runs that can be reproduced, "
            f"bound them by steps or epochs: {again}"
        )
    if config.trainer.epochs is None and config.trainer.steps is None:
        return []
    config.trainer.max_minutes = None
    return ["trainer.max_minutes=null"]
