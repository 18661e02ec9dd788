"""nonfinite.jsonl is read as what it may be: torn, damaged, or a stranger's."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from trainer.diagnosis import incident
from trainer.diagnosis.incident import Incident, incidents
from trainer.divergence import FILE
from trainer.errors import Refused

GOOD: dict[str, Any] = {
    "step": 17,
    "epoch": 1,
    "batch": 4,
    "samples": [3, 1],
    "what": "loss",
    "name": "loss",
    "value": "nan",
    "checkpoint": "step_00000015",
}


def write(folder: Path, *lines: Any, end: str = "\n") -> None:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (folder / FILE).write_text("\n".join(texts) + end)


def test_lines_come_in_order_and_a_torn_one_is_left_out(tmp_path: Path) -> None:
    assert incident.FILE == FILE and incidents(tmp_path) == []
    write(tmp_path, GOOD, GOOD | {"step": 18}, '{"step": 1', end="")
    first, second = incidents(tmp_path)
    assert first == Incident(17, 1, 4, (3, 1), "loss", "loss", "nan") and second.step == 18


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "[" * 100_000,
        "[]",
        {},
        GOOD | {"step": 0},
        GOOD | {"step": True},
        GOOD | {"step": 1.0},
        GOOD | {"epoch": -1},
        GOOD | {"samples": "0"},
        GOOD | {"samples": [None]},
        GOOD | {"name": "x" * 1000},
        GOOD | {"value": float("nan")},
    ],
)
def test_anything_else_is_refused(line: Any, tmp_path: Path) -> None:
    write(tmp_path, GOOD, line)
    with pytest.raises(Refused, match=r"line 2 of .*nonfinite.jsonl is damaged; name the step"):
        incidents(tmp_path)


def test_only_a_regular_file_of_some_size_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "target"
    target.write_text("secret\n")
    (tmp_path / FILE).symlink_to(target)
    with pytest.raises(Refused, match="can't be read"):
        incidents(tmp_path)
    (tmp_path / FILE).unlink()
    os.mkfifo(tmp_path / FILE)
    with pytest.raises(Refused, match="can't be read"):
        incidents(tmp_path)
    (tmp_path / FILE).unlink()
    write(tmp_path, GOOD)
    monkeypatch.setattr(incident, "LIMIT", 20)
    with pytest.raises(Refused, match="longer than"):
        incidents(tmp_path)
