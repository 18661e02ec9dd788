"""The folders of a run's checkpoints: found, put in their place, set aside, deleted."""

import json
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from trainer.storage import atomic
from trainer.storage.manifest import Unusable, read_manifest

# `.new` is a whole checkpoint that is about to take the place of an older one of the same step.
_STEP = re.compile(r"step_(\d{8,})(\.new)?")
_CORRUPT = re.compile(r"step_(\d{8,})(\.new)?(\.[0-9a-f]{8})?\.corrupt")


def folder_of(folder: Path, step: int) -> Path:
    """Return where the checkpoint of a step lies."""
    return folder / f"step_{step:08d}"


def step_of(path: Path) -> int:
    """Return the step of a checkpoint, set aside or not."""
    match = _STEP.fullmatch(path.name) or _CORRUPT.fullmatch(path.name)
    assert match
    return int(match[1])


def saved(folder: Path) -> list[Path]:
    """Return the folders of checkpoints, the newest first; of one step, the replacement."""
    found = [path for path in _entries(folder) if _STEP.fullmatch(path.name)]
    return sorted(found, key=lambda path: (step_of(path), path.suffix), reverse=True)


def set_aside(folder: Path) -> list[Path]:
    """Return what was found damaged earlier."""
    return sorted(path for path in _entries(folder) if _CORRUPT.fullmatch(path.name))


def _entries(folder: Path) -> Iterator[Path]:
    return folder.iterdir() if folder.is_dir() else iter(())


def put_aside(path: Path, error: Unusable) -> str:
    """Rename what is damaged, so that it isn't taken for a checkpoint; return what to tell."""
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


def commit(building: Path, final: Path) -> None:
    """Rename what was built, all of it being on the disk, to its name; OSError."""
    atomic.sync_folder(building)
    if final.exists():
        building.rename(final.with_name(f"{final.name}.new"))
        atomic.sync_folder(final.parent)
        finish_replacing(final.parent)
    else:
        building.rename(final)
        atomic.sync_folder(final.parent)


def finish_replacing(folder: Path) -> None:
    """Let replacements take their place; a crash in between is made up for at the next save."""
    for path in saved(folder):
        if path.suffix == ".new":
            final = path.with_suffix("")
            if final.exists():
                delete(final)
            path.rename(final)
            atomic.sync_folder(folder)


def delete(path: Path) -> None:
    """Delete a checkpoint so that a reader never meets half of it; OSError."""
    doomed = atomic.temporary(path)
    path.rename(doomed)
    shutil.rmtree(doomed)


def best_of(folder: Path) -> Iterator[Path]:
    """Yield what was saved as the best, the latest first, by its manifest or by the hint."""
    hint = hinted(folder, "best.json")
    return (path for path in saved(folder) if step_of(path) == hint or _says_best(path))


def hinted(folder: Path, name: str) -> int | None:
    """Return the step that best.json or last.json names, if it does."""
    try:
        told = json.loads(atomic.read_regular(folder / name, 10_000))
    except (OSError, ValueError, RecursionError):
        return None  # Only a hint: the manifests say it too.
    step = told.get("step") if isinstance(told, dict) else None
    return step if type(step) is int else None


def _says_best(path: Path) -> bool:
    try:
        return read_manifest(path).best
    except Unusable:
        return False  # `newest` and `best` tell what is wrong with it.
