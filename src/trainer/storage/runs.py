"""Finds run folders: a run is a folder whose status.json says so."""

import json
import os
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from trainer.storage.atomic import read_regular

STATUS = "status.json"
STATES = ("running", "finished", "failed", "preempted")
_LOOKED_AT = 2_000  # folders, so that a search from a large tree answers at once


def read_status(path: Path) -> dict[str, Any] | None:
    """Return what the status.json in `path` says; None when the folder is no run."""
    try:
        status = json.loads(read_regular(path / STATUS, 1_000_000))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(status, dict) or status.get("state") not in STATES:
        return None
    return status


def no_run(path: Path) -> str:
    """Say that `path` is no run folder, and which the nearest ones are."""
    if not path.exists():
        what = "does not exist"
    elif path.is_dir():
        what = f"is not the folder of a run (no {STATUS} that says so)"
    else:
        what = "is a file, not the folder of a run"
    near = nearest(path)
    advice = f"did you mean {' or '.join(map(str, near))}?" if near else "there is no run nearby"
    return f"{path} {what}; {advice}"


def nearest(path: Path, count: int = 3) -> list[Path]:
    """Return the run folders around `path` whose paths are most alike; of equals, the latest."""
    around = next((p for p in path.parents if read_status(p) is not None), None)
    if around is not None:
        return [around]  # A folder or file within a run.
    starts = [path, *(p for p in path.parents if len(p.parts) > 1)]
    start = next((p for p in starts if p.is_dir()), None)
    found = {run for top in (start, Path.cwd() / "runs") if top for run in find(top)}

    def alikeness(run: Path) -> tuple[bool, float, str]:
        alike = SequenceMatcher(None, str(path), str(run), autojunk=False).ratio()
        return run.is_relative_to(path), round(alike, 3), run.name

    return sorted(found, key=alikeness, reverse=True)[:count]


def find(top: Path, depth: int = 3) -> Iterator[Path]:
    """Yield run folders at or under `top`, not deeper than `depth` and not within other runs."""
    level, looked_at = [top], 0
    for _ in range(depth + 1):
        below: list[Path] = []
        for folder in level:
            looked_at += 1
            if looked_at > _LOOKED_AT:
                return
            if read_status(folder) is not None:
                yield folder
                continue
            try:
                with os.scandir(folder) as entries:
                    names = [e.name for e in entries if e.is_dir(follow_symlinks=False)]
            except OSError:
                continue  # Not ours to read, or gone: no run that could be meant.
            below += [folder / name for name in sorted(names) if not name.startswith(".")]
        level = below
