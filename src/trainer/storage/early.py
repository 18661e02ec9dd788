"""A run folder before the first step: made for a run, or gone again without a trace."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from trainer.errors import Refused
from trainer.storage import atomic, lock
from trainer.storage.runs import STATUS, read_status
from trainer.storage.stored_info import INFO

# What a run that is refused before its first step may have put into its folder.
EARLY = {STATUS, "config.yaml", "overrides.yaml", INFO, "environment.json"}
EARLY |= {lock.NAME, "train.log", "metrics.jsonl", "splits.csv"}
EARLY_FOLDERS = {"checkpoints", "tensorboard", "evaluation", "export"}


@contextmanager
def unmade_on_failure() -> Iterator[list[Path]]:
    """Remove the folders in the list, the deepest first, when what is within fails or is stopped.

    One that holds anything stays: another process has taken it.
    """
    made: list[Path] = []
    try:
        yield made
    except BaseException:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
        raise


def make(path: Path, made: list[Path]) -> None:
    """Make a folder and its parents; add those that were missing to `made`, the deepest first."""
    with atomic.writing(path):
        made += [p for p in (path, *path.parents) if not p.exists()]
        path.mkdir(parents=True, exist_ok=True)


def refuse_strangers(path: Path) -> None:
    """Raise Refused unless the folder is a run of ours or holds nothing yet."""
    if read_status(path) is not None:
        return
    with atomic.writing(path):
        names = sorted(p.name for p in path.iterdir())
    # A run that died while it claimed the folder leaves its lock, or half a status.
    others = [n for n in names if n != lock.NAME and not n.startswith(f".tmp-{STATUS}-")]
    if others:
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        raise Refused(
            f"run.dir={path} is no run but holds {', '.join(others[:5])}{more}; nothing in it was"
            " touched; choose an empty or new folder"
        )


def refuse_links(path: Path) -> None:
    """Raise Refused for a link in place of a folder that a run writes to.

    A run from elsewhere could hold one to a folder of the user's, where files would then be
    replaced and pruned.
    """
    for name in sorted(EARLY_FOLDERS | {"profile"}):
        if (path / name).is_symlink():
            raise Refused(
                f"{path / name} is a link, and nothing is written through one; put the folder "
                "itself there, or let the whole run lie elsewhere"
            )


def only_early(path: Path) -> bool:
    """Return whether nothing lies in a folder but what a run makes before its first step."""
    for entry in path.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            if entry.name not in EARLY_FOLDERS or any(entry.iterdir()):
                return False
        elif entry.name not in EARLY and not entry.name.startswith(".tmp-"):
            return False
    return True
