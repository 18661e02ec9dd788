"""The folder of a sweep: made for it alone, locked while it runs, and never overwritten."""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from trainer.errors import Refused
from trainer.pasting import nearest
from trainer.storage import atomic, lock
from trainer.storage.runs import read_status
from trainer.storage.stored_config import read_yaml
from trainer.sweep.request import FILE

# What lies in the folder of a sweep of which no trial was started.
_EARLY = {FILE, lock.NAME, "sweep.log", "study.db", "multirun.yaml"}


class SweepFolder:
    """The folder of a sweep, held by its lock. Make one with `create`, `claim` or `open`."""

    def __init__(self, path: Path, made: Sequence[Path] = ()) -> None:
        self.path = path
        self._made = made  # the folders that were made for it, the deepest first
        self._lock = lock.Lock(path)
        with atomic.writing(path):
            atomic.sweep(path)

    @classmethod
    def create(cls, parent: Path, name: str) -> "SweepFolder":
        """Make `<parent>/<name>/<date>_<time>_<unique>_sweep`, for this sweep alone, and lock it.

        Raises CannotWrite.
        """
        above = (parent / name).absolute()
        made = missing(above)
        while True:
            now = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
            path = above / f"{now}_{secrets.token_hex(3)}_sweep"
            with atomic.writing(path), suppress(FileExistsError):
                above.mkdir(parents=True, exist_ok=True)
                path.mkdir()
                return cls(path, [path, *made])

    @classmethod
    def claim(cls, path: Path) -> "SweepFolder":
        """Take exactly this folder, for `run.dir=`, and lock it; it is absent or empty.

        Raises Refused for one that holds something, FolderInUse, CannotWrite.
        """
        path = path.absolute()
        with atomic.writing(path):
            if path.exists() and not path.is_dir():
                raise Refused(f"run.dir={path} is a file; choose another folder")
            made = missing(path)
            path.mkdir(parents=True, exist_ok=True)
            names = sorted(each.name for each in path.iterdir() if each.name != lock.NAME)
        if FILE in names:
            raise Refused(
                f"run.dir={path} holds a sweep; go on with it by sweep.resume={nearest(path)}, or "
                "choose another folder"
            )
        if names:
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            raise Refused(
                f"run.dir={path} is no sweep but holds {', '.join(names[:5])}{more}; nothing in it "
                "was touched; choose an empty or new folder"
            )
        return cls(path, made)

    @classmethod
    def open(cls, path: Path) -> "SweepFolder":
        """Open the folder of an earlier sweep, to go on in it, and lock it.

        Raises Refused with the nearest sweeps when it is none, FolderInUse, CannotWrite.
        """
        path = path.absolute()
        if not (path / FILE).is_file():
            raise Refused(no_sweep(path))
        return cls(path)

    def read(self) -> dict[str, Any]:
        """What the sweep was asked for; raises Refused where the file is damaged."""
        return read_request(self.path)

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""
        self._lock.release()

    def discard(self) -> None:
        """Delete the folder of a sweep of which no trial was started, and give it back."""
        with suppress(OSError):  # another sweep has moved in next door, or the disk refuses
            entries = list(self.path.iterdir())
            if {each.name for each in entries} <= _EARLY:
                for each in entries:
                    each.unlink()
                for folder in self._made:
                    folder.rmdir()
        self.release()


def missing(path: Path) -> list[Path]:
    """The folders of a path that are not there yet, the deepest first."""
    return [each for each in (path, *path.parents) if not each.exists()]


def read_request(path: Path) -> dict[str, Any]:
    """The request that the sweep in `path` has stored; raises Refused where it can't be read."""
    file = path / FILE
    stored, _ = read_yaml(file)
    if not isinstance(stored, dict):
        raise Refused(f"{file} holds no request; restore it from a copy")
    return stored


def no_sweep(path: Path) -> str:
    """Say that a folder is no sweep, and which the nearest ones are."""
    if read_status(path) is not None:
        return f"{path} is the folder of a run, not of a sweep; go on with it by resume={path}"
    what = "is not the folder of a sweep" if path.exists() else "does not exist"
    places = [(path, "*"), (path, "*/*"), (path.parent, "*"), (Path.cwd() / "runs", "*/*")]
    found = {each.parent for place, above in places for each in place.glob(f"{above}/{FILE}")}
    names = {str(each): nearest(each) for each in found}
    near = get_close_matches(str(path), names, 3, 0.3) or sorted(names)[-3:]
    hint = f"did you mean {' or '.join(names[name] for name in near)}?" if near else ""
    return f"sweep.resume={path} {what}; {hint or 'there is no sweep nearby'}"
