"""What a run has written down of steps that were not finite: `nonfinite.jsonl`, read safely."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from trainer.errors import Refused
from trainer.pasting import nearest
from trainer.storage.atomic import read_regular

FILE = "nonfinite.jsonl"
LIMIT = 100_000_000
WHOLE = ("step", "epoch", "batch")
TEXTS = ("what", "name", "value")


class Incident(NamedTuple):
    """A step that held something not finite."""

    step: int
    epoch: int
    batch: int  # the first of the step, within its epoch
    samples: tuple[int, ...]  # of the training split
    what: str  # loss, gradient or state (a weight or buffer after the step)
    name: str
    value: str


def incidents(run: Path) -> list[Incident]:
    """Those of a run folder, in order; none where there is no such file.

    A last line that a crash has torn is left out. Raises Refused for a file that is no regular one,
    too long, or holds anything else.
    """
    path = run / FILE
    try:
        raw = read_regular(path, LIMIT)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Refused(f"{nearest(path)} can't be read: {error.strerror or error}") from error
    lines = [line for line in raw.splitlines(keepends=True) if line.endswith(b"\n")]
    return [incident(line, path, number) for number, line in enumerate(lines, 1)]


def incident(line: bytes, path: Path, number: int) -> Incident:
    """One line; raises Refused where it isn't as `train` writes it."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not well_formed(found):
        raise Refused(
            f"line {number} of {nearest(path)} is damaged; name the step that is to be looked at "
            "with --step N"
        )
    named = {name: found[name] for name in (*WHOLE, *TEXTS)}
    return Incident(samples=tuple(found["samples"]), **named)


def well_formed(line: dict[str, Any]) -> bool:
    """Whether each key has its kind of value."""
    samples = line.get("samples")
    return (
        all(type(line.get(name)) is int and line[name] >= 0 for name in WHOLE)
        and line["step"] > 0
        and all(isinstance(line.get(name), str) and len(line[name]) < 200 for name in TEXTS)
        and isinstance(samples, list)
        and all(type(sample) is int for sample in samples)
    )
