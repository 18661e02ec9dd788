"""The door: config in, objects out. Nothing behind it has seen a config."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from trainer.config.assembly import assemble, facts, make, names_in, partial_of, plain, resolved
from trainer.config.check import check, make_importable
from trainer.config.compose import raw
from trainer.config.compose import resolved as as_far_as_known
from trainer.config.drift import (
    Drift,
    changed_by,
    changes,
    chosen_only,
    free_keys,
    is_longer,
    refuse_shorter,
)
from trainer.config.schema import UNSTORED
from trainer.config.schema import problems as schema_problems
from trainer.config.trust import refuse_masked, refuse_untrusted
from trainer.errors import Refused, nothing_started
from trainer.pasting import nearest
from trainer.run import Run
from trainer.storage.comparison import Difference
from trainer.storage.folder import RunFolder
from trainer.storage.records import record_start, write_records

__all__ = ["assemble", "build", "facts", "make", "partial_of", "plain", "resolved", "resume"]


def build(
    config: DictConfig,
    overrides: Sequence[str] = (),
    *,
    name: str = "run",
    like: Drift | None = None,
) -> Run | None:
    """Build everything that a checked config names; the sizes come from the data.

    `name` is the folder under runs/ when `run.name` is null. A `run.dir` that holds a run goes on,
    if it was started with the same config and data; None says that it is finished. A fresh one is
    held against the run of `like`, if any. Raises Refused (with the node's path) for arguments that
    the things themselves refuse; a fresh folder is then gone again.
    """
    for section in UNSTORED:
        with open_dict(config):
            config.pop(section, None)
    folder = new_folder(config, name)
    with kept_on_success(folder):
        if folder.state != "fresh":
            return go_on(config, overrides, folder)
        run = assemble(config, folder, like)
        chosen = resolved(config)
        seeds = {"seed": chosen["seed"], "split_seed": chosen["data"].get("split_seed")}
        known = {name: seed for name, seed in seeds.items() if seed is not None}
        write_records(folder, run.splits, str(run.device), known, names_in(config))
        # Last, since a folder with both files in it is no longer fresh.
        folder.write_config(chosen, overrides)
        return ready(run, chosen, like)


def go_on(config: DictConfig, overrides: Sequence[str], folder: RunFolder) -> Run | None:
    """Build the run in a folder anew, from the command with which it was started."""
    stored = folder.read_config()
    drift = Drift(folder.path)
    free = free_keys(raw(config).get("scheduler"))
    known, _ = as_far_as_known(config)
    found = changes(stored.config, known)
    refused = [each for each in found if each.name not in free]
    drift.settings = [*chosen_only(refused, raw(config))]
    allowed = [each for each in found if each.name in free]
    refuse_shorter(known["trainer"], folder.read_status() if allowed else {})
    if folder.state == "finished" and not is_longer(allowed, known["trainer"]):
        drift.refuse()
        leave_complete(folder)
        return None
    run = assemble(config, folder, drift)
    chosen = resolved(config)
    # Now that all is known: what the data or the length of the run have filled in.
    drift.settings = [each for each in changes(stored.config, chosen) if each.name not in free]
    drift.refuse()
    refuse_past_end(run)
    if allowed and stored.origin == "own":
        folder.write_config(chosen, overrides)
    take_down(run, drift, allowed)
    return ready(run, chosen, drift)


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
        again = f"to go on, use the command that started it, with run.dir={nearest(path)}"
        refuse_masked(stored.config, path, again)
        config = OmegaConf.create(stored.config)
        changed = changed_by(config, overrides)
        plain_config, found = as_far_as_known(config)
        if problems := [*found, *schema_problems(plain_config)]:
            raise Refused(*problems)
        check(config)
        if changed:
            refuse_shorter(plain_config["trainer"], folder.read_status())
        if folder.state == "finished" and not is_longer(changed, plain_config["trainer"]):
            leave_complete(folder)
            return None
        config.resume = None
        drift = Drift(path)
        run = assemble(config, folder, drift)
        refuse_past_end(run)
        if changed and stored.origin == "own":
            folder.write_config(resolved(config), [*stored.overrides, *overrides])
        if stored.origin == "tampered":
            warnings.warn(
                f"{nearest(folder.config)} or overrides.yaml was changed after the run was "
                "started; it goes on with what they say now",
                stacklevel=1,
            )
        take_down(run, drift, changed)
        return ready(run, resolved(config), drift)


def refuse_past_end(run: Run) -> None:
    """Raise Refused when the run is to end before its newest checkpoint."""
    done = max(run.checkpoints.steps(), default=0)
    if 0 < run.plan.steps < done:
        raise Refused(
            f"trainer.epochs and trainer.steps end the run after {run.plan.steps} steps, but "
            f"{done} are done; leave them as they were, or start a new run"
        )


def take_down(run: Run, drift: Drift, settings: Sequence[Difference]) -> None:
    """Write into environment.json how this start differs from the first one."""
    step = max(run.checkpoints.steps(), default=0)
    record_start(run.folder, drift.environment, step, drift.noted, settings)


def ready(run: Run, chosen: Mapping[str, Any], drift: Drift | None) -> Run:
    """The run that nothing speaks against any more: a log opened before would stay open."""
    run.console.log_to(run.folder.log)
    for text in drift.warnings() if drift is not None else ():
        run.console.warn(text)
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
