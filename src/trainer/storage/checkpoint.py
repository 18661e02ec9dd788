"""Checkpoints that are whole or not there, and are checked before they are believed.

A checkpoint is a folder: weights as safetensors, `training.pt`, `state.json`, and, written last,
`manifest.json` with the SHA-256 of each file and the user's signature. It is built under another
name and renamed when all of it is on the disk, so a crash leaves it out or leaves it whole. Without
this framework the weights load with `safetensors.torch.load_model(model, ".../model.safetensors")`.
"""

import json
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainer.errors import NoUsableCheckpoint, Refused
from trainer.storage import atomic, snapshot
from trainer.storage.manifest import Manifest, Unusable, read_manifest, verify, write_manifest
from trainer.storage.restore import Checkpoint

__all__ = ["Checkpoint", "Checkpoints"]

# `.new` is a whole checkpoint that is about to take the place of an older one of the same step.
_STEP = re.compile(r"step_(\d{8,})(\.new)?")
_CORRUPT = re.compile(r"step_(\d{8,})(\.new)?(\.[0-9a-f]{8})?\.corrupt")


class Checkpoints:
    """The checkpoints of a run, in `folder` (the run's `checkpoints/`).

    `every` is the number of optimizer steps between two, None for each epoch; it is kept here for
    the loop to ask. `keep` is how many of the newest stay; the best one stays too. Only the process
    that holds the run's lock may save; any may read.
    """

    def __init__(self, folder: Path, every: int | None = None, keep: int = 2) -> None:
        if every is not None and (type(every) is not int or every < 1):
            raise Refused(
                f"checkpoint.every is {every!r}; it has to be a number of steps from 1 on, or null"
                " for each epoch"
            )
        if type(keep) is not int or keep < 2:
            raise Refused(
                f"checkpoint.keep is {keep!r}; it has to be at least 2: with a single checkpoint,"
                " one bad sector would lose the run"
            )
        self.folder = Path(folder)
        self.every = every
        self.keep = keep
        self.warnings: list[str] = []  # what the last call noticed and worked around
        self._swept = False
        self._best: Path | None = None  # the latest best, once this process has looked or saved
        self._looked = False

    def save(
        self,
        step: int,
        *,
        modules: Mapping[str, nn.Module],
        ema: Mapping[str, nn.Module] | None = None,
        training: Mapping[str, Any],
        state: Mapping[str, Any],
        best: bool = False,
        metric: float | None = None,
    ) -> Path:
        """Save everything as `step`, prune what is no longer kept, and return the new folder.

        `training` holds tensors and plain containers only, `state` what JSON can say. A module
        called "model" becomes `model.safetensors`. Saving a step again replaces it; `best` stays.
        Raises CannotWrite, the checkpoints before then being intact, and UserError for what can't
        be stored.
        """
        return self.write(snapshot.take(modules, ema, training, state), step, best, metric)

    def write(
        self, taken: snapshot.Snapshot, step: int, best: bool, metric: float | None = None
    ) -> Path:
        """Write a snapshot; needs nothing of the live run, so another thread could do it."""
        self.warnings = []
        final = self.folder / f"step_{step:08d}"
        with atomic.writing(self.folder, taken.num_bytes()):
            self.folder.mkdir(parents=True, exist_ok=True)
            if not self._swept:
                atomic.sweep(self.folder)
                self._swept = True
            self._finish_replacing()
            standing = self._standing(final, step)
            best = best or (standing is not None and standing.best)
            building = atomic.temporary(final)
            building.mkdir()
            try:
                files = taken.write(building)
                write_manifest(building, step, best, files, torch.__version__)
                if standing and (standing.files, standing.best) == (files, best):
                    shutil.rmtree(building)
                else:
                    self._commit(building, final)
            except BaseException:
                shutil.rmtree(building, ignore_errors=True)
                raise
            pointer = {"step": step, "folder": final.name, "metric": metric}
            # Hints: the manifests know it too, so these needn't outlive a crash of the machine.
            atomic.write_json(self.folder / "last.json", pointer, flush=False)
            if best:
                atomic.write_json(self.folder / "best.json", pointer, flush=False)
                self._best, self._looked = final, True
        self._prune()
        return final

    def newest(self) -> Checkpoint | None:
        """Return the checkpoint of the highest step that verifies, None when there never was one.

        A damaged one is set aside as `*.corrupt` and told in `warnings`. Raises NoUsableCheckpoint
        (exit 5), each with its reason, when there are some but none can be used: starting afresh
        would then throw the run away.
        """
        earlier = self._set_aside()
        found = self._first_good(self._paths())
        if found is None:
            self._refuse_if_damaged(earlier)
        return found

    def best(self) -> Checkpoint | None:
        """Return the best checkpoint, or None when none was ever saved as the best.

        Raises NoUsableCheckpoint when there was one that can't be used any more.
        """
        lost = [path for path in self._set_aside() if _step(path, _CORRUPT) == self._hint()]
        found = self._first_good(self._best_paths())
        if found is None:
            self._refuse_if_damaged(lost)
        self.warnings += [f"{path}: the best checkpoint is damaged" for path in lost]
        return found

    def steps(self) -> list[int]:
        """Return the steps that are saved, in order; whether they verify is not looked at."""
        return sorted({_step(path) for path in self._paths()})

    def _paths(self) -> list[Path]:
        """Return the folders of checkpoints, the newest first; of one step, the replacement."""
        found = [p for p in _entries(self.folder) if _STEP.fullmatch(p.name)]
        return sorted(found, key=lambda p: (_step(p), p.suffix), reverse=True)

    def _set_aside(self) -> list[Path]:
        return sorted(p for p in _entries(self.folder) if _CORRUPT.fullmatch(p.name))

    def _refuse_if_damaged(self, set_aside: list[Path]) -> None:
        reasons = self.warnings + [f"{path}: set aside as damaged" for path in set_aside]
        if reasons:
            lines = "\n".join(f"  {reason}" for reason in reasons)
            raise NoUsableCheckpoint(
                f"no checkpoint in {self.folder} can be used; restore one from a copy, or start"
                f" anew in another folder:\n{lines}"
            )

    def _first_good(self, paths: Iterable[Path]) -> Checkpoint | None:
        self.warnings = []
        for path in paths:
            try:
                return Checkpoint(path, _step(path), verify(path, _step(path)))
            except Unusable as error:
                # Gone meanwhile: the process that trains has pruned or replaced it.
                if path.is_symlink() or path.exists():
                    self.warnings.append(self._put_aside(path, error))
        return None

    def _put_aside(self, path: Path, error: Unusable) -> str:
        if not error.damaged:
            return f"{path}: {error}"
        target = path.with_name(f"{path.name}.corrupt")
        if target.exists():
            target = path.with_name(f"{path.name}.{secrets.token_hex(4)}.corrupt")
        try:
            path.rename(target)
        except OSError as refused:
            # A reader of an archive may have no right to rename; the reason is told all the same.
            return f"{path}: {error} (left in place: {refused.strerror})"
        return f"{target}: {error}"

    def _standing(self, final: Path, step: int) -> Manifest | None:
        if not final.exists() and not final.is_symlink():
            return None
        try:
            return verify(final, step)
        except Unusable as error:
            self.warnings.append(self._put_aside(final, error))
            return None

    def _commit(self, building: Path, final: Path) -> None:
        atomic.sync_folder(building)
        if final.exists():
            building.rename(final.with_name(f"{final.name}.new"))
            atomic.sync_folder(self.folder)
            self._finish_replacing()
        else:
            building.rename(final)
            atomic.sync_folder(self.folder)

    def _finish_replacing(self) -> None:
        """Let replacements take their place; a crash in between is made up for at the next save."""
        for path in self._paths():
            if path.suffix == ".new":
                final = path.with_suffix("")
                if final.exists():
                    _delete(final)
                path.rename(final)
                atomic.sync_folder(self.folder)

    def _prune(self) -> None:
        superseded = self._paths()[self.keep :]
        if superseded and not self._looked:
            self._best, self._looked = next(self._best_paths(), None), True
        for path in superseded:
            if path != self._best:
                try:
                    _delete(path)
                except OSError as error:
                    self.warnings.append(f"{path}: could not be deleted: {error.strerror}")

    def _best_paths(self) -> Iterator[Path]:
        """Yield what was saved as the best, the latest first, by its manifest or by the hint."""
        hint = self._hint()
        return (path for path in self._paths() if _step(path) == hint or _says_best(path))

    def _hint(self) -> int | None:
        try:
            told = json.loads(atomic.read_regular(self.folder / "best.json", 10_000))
        except (OSError, ValueError, RecursionError):
            return None  # Only a hint: the manifests say it too.
        step = told.get("step") if isinstance(told, dict) else None
        return step if type(step) is int else None


def _entries(folder: Path) -> Iterator[Path]:
    return folder.iterdir() if folder.is_dir() else iter(())


def _step(path: Path, pattern: re.Pattern[str] = _STEP) -> int:
    match = pattern.fullmatch(path.name)
    assert match
    return int(match[1])


def _says_best(path: Path) -> bool:
    try:
        return read_manifest(path).best
    except Unusable:
        return False  # `newest` and `best` tell what is wrong with it.


def _delete(path: Path) -> None:
    # Renamed first, so that a reader never meets half of it.
    doomed = atomic.temporary(path)
    path.rename(doomed)
    shutil.rmtree(doomed)
