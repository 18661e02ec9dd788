"""The folder of a run: made for it alone, locked while in use, and never overwritten."""

import errno
import os
import secrets
import shutil
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from trainer.errors import CannotWrite, Refused
from trainer.storage import atomic, lock
from trainer.storage.early import (
    make,
    only_early,
    refuse_links,
    refuse_strangers,
    unmade_on_failure,
)
from trainer.storage.environment import masked, masked_override
from trainer.storage.runs import STATES, STATUS, no_run, read_status
from trainer.storage.signature import Origin
from trainer.storage.stored_config import StoredConfig, read_stored, write_yaml
from trainer.storage.stored_info import INFO, read_info, write_info


class RunFolder:
    """A run's folder. Make one with `create`, `claim` or `open`.

    `state` is what the folder held when it was opened: "fresh" when it was empty, else the state in
    its status.json. "running" together with the lock means that the process died.
    """

    def __init__(self, path: Path, state: str, held: lock.Lock | None) -> None:
        self.path = path
        self.state = state
        self.checkpoints = path / "checkpoints"
        self.tensorboard = path / "tensorboard"
        self.evaluation = path / "evaluation"
        self.export = path / "export"
        self.metrics = path / "metrics.jsonl"
        self.log = path / "train.log"
        self.config = path / "config.yaml"
        self.overrides = path / "overrides.yaml"
        self._lock = held
        self._parents: list[Path] = []
        self._status = read_status(path) or {}
        self._told = False  # that the status can't be written

    @classmethod
    def create(cls, parent: Path, name: str) -> "RunFolder":
        """Make `<parent>/<name>/<date>_<time>_<unique>`, for this run alone, and lock it.

        Raises Refused for a name that is no single folder name, and CannotWrite.
        """
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise Refused(f"run.name={name!r} is not the name of one folder; set another run.name")
        above = (Path(parent) / name).absolute()
        with unmade_on_failure() as made:
            make(above, made)
            while True:
                now = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
                path = above / f"{now}_{secrets.token_hex(3)}"
                with atomic.writing(path):
                    try:
                        path.mkdir()
                    except FileExistsError:
                        continue  # Another run of this second drew the same name.
                made.insert(0, path)
                return cls._locked(path, made)

    @classmethod
    def claim(cls, path: Path) -> "RunFolder":
        """Take exactly this folder, for `run.dir=`, and lock it.

        An absent or empty one is fresh; a run of ours comes back with its `state` for the caller to
        decide. Raises Refused naming what else lies there, FolderInUse, CannotWrite.
        """
        path = Path(path).absolute()
        with atomic.writing(path):
            if path.exists() and not path.is_dir():
                raise Refused(f"run.dir={path} is a file; choose another folder")
        with unmade_on_failure() as made:
            make(path, made)
            refuse_strangers(path)
            return cls._locked(path, made)

    @classmethod
    def open(cls, path: Path, write: bool = False) -> "RunFolder":
        """Open the folder of an earlier run: to read it, or with `write` to lock and continue it.

        Raises Refused with the nearest run folders when it is none, FolderInUse, CannotWrite.
        """
        path = Path(path).absolute()
        status = read_status(path)
        if status is None:
            raise Refused(no_run(path))
        return cls._locked(path, []) if write else cls(path, status["state"], None)

    @classmethod
    def _locked(cls, path: Path, made: list[Path]) -> "RunFolder":
        held = lock.Lock(path)
        status = read_status(path)
        try:
            # Only now can nobody else change it.
            refuse_strangers(path)
            refuse_links(path)
            with atomic.writing(path):
                for part in (path, path / "evaluation", path / "export"):
                    if not part.is_symlink():
                        atomic.sweep(part)
            folder = cls(path, "fresh" if status is None else str(status["state"]), held)
            # One that was killed before its settings were written has nothing to go on with.
            if not folder.overrides.exists() and only_early(path):
                folder.state = "fresh"
            folder._parents = [parent for parent in made if parent != path]
            if status is None:
                folder.status("running")  # From here on it can be told that this is a run.
        except BaseException:
            if status is None:
                with suppress(OSError):
                    for name in (STATUS, lock.NAME):
                        (path / name).unlink(missing_ok=True)
            held.release()
            raise
        return folder

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def discard(self) -> bool:
        """Delete the folder of a run that was refused before its first step, and give it back.

        Only a folder that was fresh goes, and only when nothing but what such a run makes lies in
        it; returns whether it did. Parents that were made for it go when they are empty.
        """
        try:
            if self._lock is None or self.state != "fresh" or not only_early(self.path):
                return False
            with atomic.writing(self.path):
                for entry in sorted(self.path.iterdir(), key=lambda p: p.name == lock.NAME):
                    if entry.is_dir():
                        entry.rmdir()
                    else:
                        entry.unlink()
                self.path.rmdir()
            with suppress(OSError):  # Another run has moved in next door.
                for parent in self._parents:
                    parent.rmdir()
        finally:
            self.release()
        return True

    def status(
        self,
        state: str,
        reason: str | None = None,
        *,
        step: int | None = None,
        epoch: int | None = None,
        exit_code: int | None = None,
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        """Write status.json. Step, epoch and metrics stay as they were when they aren't given.

        Raises CannotWrite, but not for a "running" that comes after another: it is no reason to
        end the run, so it is a RuntimeWarning, once.
        """
        assert state in STATES and self._lock is not None, f"{state} without the lock"
        now = datetime.now().astimezone().isoformat(timespec="milliseconds")
        before = self._status
        self._status = {
            "state": state,
            "reason": reason,
            "step": before.get("step", 0) if step is None else step,
            "epoch": before.get("epoch", 0) if epoch is None else epoch,
            "exit_code": exit_code,
            "metrics": before.get("metrics", {}) if metrics is None else dict(metrics),
            "started": before.get("started", now),
            "updated": now,
            "checkpoint": self._newest_checkpoint(),
        }
        try:
            atomic.write_json(self.path / STATUS, self._status)
        except CannotWrite as error:
            if state != "running" or not before:
                raise
            if not self._told:
                warnings.warn(f"{error}; training goes on", RuntimeWarning, stacklevel=2)
            self._told = True

    def _newest_checkpoint(self) -> str | None:
        saved = sorted(self.checkpoints.glob("step_" + "[0-9]" * 8), key=lambda p: p.name)
        return str(saved[-1].relative_to(self.path)) if saved else None

    def read_status(self) -> dict[str, Any]:
        """Return what status.json says now."""
        return read_status(self.path) or {}

    def check_room(self, bytes_needed: int) -> None:
        """Raise CannotWrite unless a file can be written here and there is room for that much."""
        probe = atomic.temporary(self.path / "room")
        with atomic.writing(probe, 4096):
            try:
                with probe.open("xb") as file:
                    file.write(b"\0" * 4096)
                    file.flush()
                    os.fsync(file.fileno())
            finally:
                probe.unlink(missing_ok=True)
            free = shutil.disk_usage(self.path).free
        if free < bytes_needed:
            raise CannotWrite(atomic.describe(errno.ENOSPC, self.path, bytes_needed))

    def write_config(self, config: Mapping[str, Any], overrides: Sequence[str] = ()) -> None:
        """Write config.yaml and overrides.yaml, secrets masked, both signed; raises CannotWrite.

        The config is plain containers and scalars; a path becomes a string.
        """
        write_yaml(self.config, "What was chosen, resolved.", masked(config))
        chosen = [masked_override(text) for text in overrides]
        write_yaml(self.overrides, "What the command line changed.", chosen)

    def read_config(self) -> StoredConfig:
        """Return config, overrides and their origin: "own", "stranger" or "tampered".

        Plain data only: no tags, aliases or interpolations are followed. Raises Refused when a
        file is missing, damaged or too long.
        """
        return read_stored(self.config, self.overrides)

    def write_info(self, info: Mapping[str, Any]) -> None:
        """Write info.json, what the data says of itself, signed; raises CannotWrite."""
        write_info(self.path / INFO, info)

    def read_info(self) -> tuple[dict[str, Any], Origin]:
        """Return what the data said of itself, and whose word it is.

        Raises Refused when the file is missing, damaged or too long.
        """
        return read_info(self.path / INFO)

    def write_environment(self, environment: Mapping[str, Any]) -> None:
        """Write environment.json; raises CannotWrite."""
        atomic.write_json(self.path / "environment.json", environment)
