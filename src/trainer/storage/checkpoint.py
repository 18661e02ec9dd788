"""Checkpoints that are whole or not there, and are checked before they are believed.

A checkpoint is a folder: weights as safetensors, `training.pt`, `state.json`, and, written last,
`manifest.json` with the SHA-256 of each file and the user's signature. It is built under another
name and renamed when all of it is on the disk, so a crash leaves it out or leaves it whole. Without
this framework the weights load with `safetensors.torch.load_model(model, ".../model.safetensors")`.
"""

import shutil
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from trainer.errors import NoUsableCheckpoint, Refused
from trainer.storage import atomic, snapshot, step_folders
from trainer.storage.buffers import Buffers
from trainer.storage.manifest import Manifest, Unusable, read_manifest, verify, write_manifest
from trainer.storage.restore import Checkpoint
from trainer.storage.writer import Writer

__all__ = ["Checkpoint", "Checkpoints"]

# Bytes. Of less than this the flushes cost more than the data (scripts/benchmark_checkpoint), and
# what is on the disk at once can't be lost by a kill while it waits for a thread.
LARGE = 16_000_000


class Checkpoints:
    """The checkpoints of a run, in `folder` (the run's `checkpoints/`).

    `every` is the number of optimizer steps between two, None for each epoch; it is kept here for
    the loop to ask. `keep` is how many of the newest stay; the best one stays too, and what
    this process went on from. With `background` a copy of the state is made in memory that is kept
    for it, and written by a thread while training goes on; "auto" does so for states of more than
    LARGE bytes. Only the process that holds the run's lock may save; any may read.
    """

    def __init__(
        self,
        folder: Path,
        every: int | None = None,
        keep: int = 2,
        background: bool | Literal["auto"] = "auto",
    ) -> None:
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
        if type(background) is not bool and background != "auto":
            raise Refused(
                f"checkpoint.background is {background!r}; it has to be true, false or auto"
            )
        self.folder = Path(folder)
        self.every = every
        self.keep = keep
        self.background = background
        self.warnings: list[str] = []  # what the last call noticed and worked around
        self._writer = Writer()
        self._buffers = Buffers()
        self._swept = False
        self._best: int | None = None  # the latest best, once this process has looked or saved
        self._looked = False
        self._loaded: dict[str, int] = {}  # the steps that `newest` and `best` returned last

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

        Everything is copied before this returns; the folder may be there only after `finish`. One
        write is in flight at most: a save that comes earlier waits for it.
        `training` holds tensors and plain containers only, `state` what JSON can say. A module
        called "model" becomes `model.safetensors`. Saving a step again replaces it; `best` stays.
        Raises CannotWrite, the checkpoints before then being intact, and UserError for what can't
        be stored; of a write in the background, the next call that asks raises it.
        """
        self.finish()  # It reads from the buffers.
        buffers = Buffers() if self.background is False else self._buffers
        taken = snapshot.take(modules, ema, training, state, buffers)
        large = taken.num_bytes() > LARGE
        if self.background is True or (self.background == "auto" and large):
            self._writer.start(partial(self.write, taken, step, best, metric))
            return step_folders.folder_of(self.folder, step)
        return self.write(taken, step, best, metric)

    def check(self) -> None:
        """Raise what a write in the background failed with, else return at once."""
        self._writer.check()

    def finish(self) -> None:
        """Wait for the write in flight, and raise what it failed with. Call it before the end."""
        self._writer.finish()

    def write(
        self, taken: snapshot.Snapshot, step: int, best: bool, metric: float | None = None
    ) -> Path:
        """Write a snapshot in this very thread; needs nothing of the live run."""
        self.warnings = []
        final = step_folders.folder_of(self.folder, step)
        with atomic.writing(self.folder, taken.num_bytes()):
            self.folder.mkdir(parents=True, exist_ok=True)
            if not self._swept:
                atomic.sweep(self.folder)
                self._swept = True
            step_folders.finish_replacing(self.folder)
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
                    step_folders.commit(building, final)
            except BaseException:
                shutil.rmtree(building, ignore_errors=True)
                raise
            pointer = {"step": step, "folder": final.name, "metric": metric}
            # Hints: the manifests know it too, so these needn't outlive a crash of the machine.
            atomic.write_json(self.folder / "last.json", pointer, flush=False)
            if best:
                atomic.write_json(self.folder / "best.json", pointer, flush=False)
                self._best, self._looked = step, True
        self._prune()
        return final

    def tidy(self) -> None:
        """Finish or clear away what killed processes had begun; for the holder of the lock.

        A run that goes on from its last checkpoint saves no other, which would do it.
        """
        if not self.folder.is_dir():
            return
        with atomic.writing(self.folder):
            atomic.sweep(self.folder)
            self._swept = True
            step_folders.finish_replacing(self.folder)
            newest = next(iter(step_folders.saved(self.folder)), None)
            self._point("last.json", newest)
            self._point("best.json", next(step_folders.best_of(self.folder), None))
        self._prune()

    def _point(self, name: str, path: Path | None) -> None:
        """Let a hint name a checkpoint, where a process was killed before it could."""
        if path is None:
            return
        step, metric = step_folders.step_of(path), None
        try:
            # Only a hint: to hash all of it would take long for nothing.
            checkpoint = Checkpoint(path, step, read_manifest(path))
            if checkpoint.manifest.best:
                metric = checkpoint.state().get("best")
        except (Unusable, NoUsableCheckpoint):
            return  # `newest` and `best` tell what is wrong with it.
        pointer = {"step": step, "folder": path.name, "metric": metric}
        atomic.write_json(self.folder / name, pointer, flush=False)

    def newest(self) -> Checkpoint | None:
        """Return the checkpoint of the highest step that verifies, None when there never was one.

        A damaged one is set aside as `*.corrupt` and told in `warnings`. What is returned here or
        by `best` may be what this process goes on from: the last of each is not pruned by it.
        Raises NoUsableCheckpoint (exit 5), each with its reason, when there are some but none can
        be used: starting afresh would then throw the run away.
        """
        self._writer.wait()
        earlier = step_folders.set_aside(self.folder)
        found = self._first_good(step_folders.saved(self.folder))
        if found is None:
            self._refuse_if_damaged(earlier)
        else:
            self._loaded["newest"] = found.step
        return found

    def best(self) -> Checkpoint | None:
        """Return the best checkpoint, or None when none was ever saved as the best.

        Raises NoUsableCheckpoint when there was one that can't be used any more.
        """
        self._writer.wait()
        hint = step_folders.hinted(self.folder, "best.json")
        aside = step_folders.set_aside(self.folder)
        lost = [path for path in aside if step_folders.step_of(path) == hint]
        found = self._first_good(step_folders.best_of(self.folder))
        if found is None:
            self._refuse_if_damaged(lost)
        else:
            self._loaded["best"] = found.step
        self.warnings += [f"{path}: the best checkpoint is damaged" for path in lost]
        return found

    def steps(self) -> list[int]:
        """Return the steps that are saved, in order; whether they verify is not looked at."""
        self._writer.wait()
        return sorted({step_folders.step_of(path) for path in step_folders.saved(self.folder)})

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
            step = step_folders.step_of(path)
            try:
                return Checkpoint(path, step, verify(path, step))
            except Unusable as error:
                # Gone meanwhile: the process that trains has pruned or replaced it.
                if path.is_symlink() or path.exists():
                    self.warnings.append(step_folders.put_aside(path, error))
        return None

    def _standing(self, final: Path, step: int) -> Manifest | None:
        if not final.exists() and not final.is_symlink():
            return None
        try:
            return verify(final, step)
        except Unusable as error:
            self.warnings.append(step_folders.put_aside(final, error))
            return None

    def _prune(self) -> None:
        superseded = step_folders.saved(self.folder)[self.keep :]
        if superseded and not self._looked:
            best = next(step_folders.best_of(self.folder), None)
            self._best = None if best is None else step_folders.step_of(best)
            self._looked = True
        for path in superseded:
            if step_folders.step_of(path) not in (self._best, *self._loaded.values()):
                try:
                    step_folders.delete(path)
                except OSError as error:
                    self.warnings.append(f"{path}: could not be deleted: {error.strerror}")
