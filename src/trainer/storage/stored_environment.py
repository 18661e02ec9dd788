"""environment.json read back, when a run goes on or is compared; and what is added to it then."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from trainer.storage import atomic
from trainer.storage.comparison import Difference

ENVIRONMENT = "environment.json"
_LIMIT = 20_000_000
_MOST_THREADS = 1024  # more is no machine's; the file may be a stranger's


def read_environment(folder: Path) -> dict[str, Any]:
    """Return what the environment.json of a run says; raises ValueError with the reason.

    It is plain data whoever wrote it, and any of it may be missing or of another form.
    """
    try:
        content = json.loads(atomic.read_regular(folder / ENVIRONMENT, _LIMIT))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(getattr(error, "strerror", None) or "it is no JSON") from error
    if not isinstance(content, dict):
        raise ValueError("it holds no description of a machine")
    return content


def stored_threads(environment: Mapping[str, Any]) -> int | None:
    """Return the CPU threads of the run's start; None where none are told that could be true."""
    threads = environment.get("threads")
    return threads if type(threads) is int and 1 <= threads <= _MOST_THREADS else None


def later_starts(environment: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what `with_start` has added: dicts with `step`, `when`, `differences`, `settings`."""
    entries = environment.get("resumed")
    return [
        entry
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict)
        and isinstance(entry.get("differences"), dict)
        and isinstance(entry.get("settings"), dict)
    ]


def with_start(
    environment: Mapping[str, Any],
    step: int,
    differences: Sequence[Difference],
    settings: Sequence[Difference] = (),
) -> dict[str, Any] | None:
    """Return the record with a later start in it; None where all is as at the start before it.

    `differences` are those to the first start, which stays what it was; none of them says that
    all is again as it was then. `settings` are those that this start has changed.
    """
    before = later_starts(environment)
    told = as_json(differences)
    if told == (before[-1]["differences"] if before else {}) and not settings:
        return None
    when = datetime.now().astimezone().isoformat(timespec="seconds")
    entry = {"step": step, "when": when, "differences": told, "settings": as_json(settings)}
    return {**environment, "resumed": [*before, entry]}


def as_json(differences: Iterable[Difference]) -> dict[str, dict[str, str]]:
    """Return differences by name, as they are written down."""
    return {each.name: {"was": each.was, "is": each.now} for each in differences}
