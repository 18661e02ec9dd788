"""metrics.jsonl: every number of a run, one JSON object a line, readable with any tool."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.errors import CannotWrite
from trainer.recording.lasting import LastingFile, appending
from trainer.storage.atomic import open_regular, write_bytes, writing

if TYPE_CHECKING:
    import numpy as np

TIMING = "timing/"
RESERVED = ("step", "timing", "nonfinite")


class MetricsFile:
    """Appends a line a call, complete on disk (in the file, not only in a buffer) when it returns.

    A line is `{"step": 12, "epoch": 0, "train/loss": 0.5, "timing": {"memory": 412000000}}`: names
    that begin with `timing/` are nested under "timing", so that without that key the files of two
    runs with one seed are identical. It is strict JSON: NaN and infinity are null, and said in
    `"nonfinite": {"train/loss": "nan"}`.

    path: the file; it is made, or appended to where it exists. A torn last line is cut off.
    purge_step: for a continued run the first step that will be recorded anew; lines of that and
        later steps are removed before anything is appended (atomically: the old file or the new).
    Errors: CannotWrite where the file can't be read or made, ValueError for a value named "step",
    "timing" or "nonfinite". An append that fails (disk full) never ends the training: it is a
    RuntimeWarning at first and, where lines are lost, at `close`; it is tried again with every
    call, and no line is ever torn.
    """

    def __init__(self, path: str | os.PathLike[str], purge_step: int | None = None) -> None:
        self.path = Path(path)
        with writing(self.path):
            if self.path.exists():
                _prepare(self.path, purge_step)
            # Unbuffered: a line is one write, and a killed process loses none that was recorded.
            file = appending(self.path)
        self._file = LastingFile(str(self.path), "line", lambda: file)
        self._file.flush()

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Append one line; whole numbers stay whole numbers."""
        line: dict[str, Any] = {"step": int(step)}
        timing: dict[str, Any] = {}
        nonfinite: dict[str, str] = {}
        for name, value in values.items():
            if name in RESERVED:
                raise ValueError(f'metric name "{name}" in metrics.jsonl is taken; choose another')
            number: int | float | None = value if type(value) is int else float(value)
            if isinstance(number, float) and not math.isfinite(number):
                nonfinite[name] = str(number)
                number = None
            if name.startswith(TIMING):
                timing[name.removeprefix(TIMING)] = number
            else:
                line[name] = number
        if nonfinite:
            line["nonfinite"] = nonfinite
        if timing:
            line["timing"] = timing
        self._file.write(json.dumps(line, allow_nan=False, ensure_ascii=False).encode() + b"\n")

    def image(self, step: int, name: str, pixels: np.ndarray) -> None:
        """Pictures have no place in a file of numbers; nothing is written."""

    def text(self, step: int, name: str, text: str) -> None:
        """Texts have no place in a file of numbers; nothing is written."""

    def finish(self, config: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        """Nothing is written: config.yaml and status.json hold both."""

    def close(self) -> None:
        """Write what waits and close the file; a second call does nothing."""
        self._file.close()


def read_metrics(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The lines of a metrics file as dicts, in order; a torn last line is left out.

    Errors: ValueError where any other line is no JSON object with a step.
    """
    return [line for line, _ in _lines(Path(path))]


def _prepare(path: Path, purge_step: int | None) -> None:
    """Leave whole lines of steps before `purge_step`; touch nothing where all is well."""
    try:
        lines = _lines(path)
    except ValueError as error:
        raise CannotWrite(f"{error}; mend or rename the file, then resume") from error
    kept = [raw for line, raw in lines if purge_step is None or line["step"] < purge_step]
    content = b"".join(kept)
    if len(content) == path.stat().st_size:
        return
    write_bytes(path, content)


def _lines(path: Path) -> list[tuple[dict[str, Any], bytes]]:
    with open_regular(path) as file:
        raw_lines = file.read().splitlines(keepends=True)
    lines = []
    for number, raw in enumerate(raw_lines, 1):
        try:
            line = json.loads(raw)
        except (ValueError, RecursionError):
            line = None
        if isinstance(line, dict) and isinstance(line.get("step"), int) and raw.endswith(b"\n"):
            lines.append((line, raw))
        elif number < len(raw_lines):
            raise ValueError(f"line {number} of {path} is not a line of metrics")
    return lines
