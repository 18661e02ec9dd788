"""The recorded numbers of two runs, held against each other line by line."""

import json
import math
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

from trainer.errors import Refused
from trainer.reproduction.compared import Compared
from trainer.storage.atomic import open_regular

_LONGEST_LINE = 10_000_000  # bytes


def recorded(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a metrics.jsonl without what is measured by the clock.

    Raises Refused for a file that can't be read or isn't one.
    """
    try:
        with open_regular(path) as file:
            number = 0
            while raw := file.readline(_LONGEST_LINE):
                number += 1
                line = json.loads(raw)
                if not isinstance(line, dict):
                    raise ValueError
                line.pop("timing", None)
                yield line
    except OSError as error:
        raise Refused(f"{path} can't be read ({error.strerror}); restore it from a copy") from error
    except (ValueError, RecursionError) as error:
        raise Refused(
            f"line {number} of {path} is not a line of metrics; restore it from a copy"
        ) from error


def compare_recorded(was: Path, now: Path) -> Compared:
    """Compare two metrics.jsonl, timing apart; raises Refused where one can't be read."""
    number = different = 0
    first: dict[str, Any] = {}
    for number, (before, after) in enumerate(zip_longest(recorded(was), recorded(now)), 1):
        if before != after:
            different += 1
            first = first or {"line": number, **parting(before, after)}
    numbers = {"lines": number, "different": different, "first": first or None}
    if not first:
        return Compared("metrics", True, f"identical in {number} lines", numbers)
    place = f"line {first['line']} of metrics.jsonl"
    if first["name"] is None:
        told = f"{place} is in one of them only (step {first['step']})"
    else:
        told = (
            f"{first['name']} at step {first['step']} ({place}): {first['was']} and {first['is']}"
        )
    return Compared("metrics", False, f"differ first in {told}", numbers)


def parting(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> dict[str, Any]:
    """The first value in which two lines differ; no name where there is no second line."""
    if before is None or after is None:
        step = (before or after or {}).get("step")
        return {"name": None, "step": step, "was": before is not None, "is": after is not None}
    name = next(key for key in {**before, **after} if before.get(key) != after.get(key))
    return {
        "name": name,
        "step": before.get("step"),
        "was": before.get(name),
        "is": after.get(name),
        "difference": apart(before.get(name), after.get(name)),
    }


def compare_final(was: Mapping[str, Any], now: Mapping[str, Any]) -> Compared:
    """Compare the metrics of two status.json."""
    names = [name for name in {**was, **now} if was.get(name) != now.get(name)]
    numbers = {
        "values": len({**was, **now}),
        "different": {
            name: {"was": was.get(name), "is": now.get(name)}
            | {"difference": apart(was.get(name), now.get(name))}
            for name in names
        },
    }
    if not names:
        return Compared("final metrics", True, f"identical in {numbers['values']} values", numbers)
    more = f"; {len(names) - 1} more" if len(names) > 1 else ""
    told = f"differ in {names[0]}: {was.get(names[0])} and {now.get(names[0])}{more}"
    return Compared("final metrics", False, told, numbers)


def apart(was: Any, now: Any) -> float | None:
    """How far two numbers are apart; None where one of them is none."""
    if not all(type(value) in (int, float) for value in (was, now)):
        return None
    found = abs(float(was) - float(now))
    return found if math.isfinite(found) else None
