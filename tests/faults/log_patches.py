"""A child that waits, that forgets what it should drop, or that looks at what it holds."""

import json
import os
import time
from io import FileIO
from pathlib import Path
from typing import Any

from crash_points import after, before, die, found
from watching import watched

PAUSED, GO, HELD = "paused", "go", "held.jsonl"


def paused(step: int) -> None:
    """Wait before a step until there is a file `go` in the current folder."""
    watched()
    from trainer.loop import Trainer

    take = Trainer.step

    def waiting(self: Trainer, *arguments: Any, **named: Any) -> Any:
        if self.steps + 1 == step:
            Path(PAUSED).touch()
            while not Path(GO).exists():
                time.sleep(0.01)
        return take(self, *arguments, **named)

    Trainer.step = waiting  # type: ignore[method-assign]


def killed(when: str, where: str, call: int = 1) -> None:
    """Die before, or after, the `call`-th call of a function, "module:Class.name"."""
    watched()
    {"before": before, "after": after}[when](*found(where), call)


def killed_within_a_record(unit: str, number: int) -> None:
    """Die within the `number`-th "line" of metrics, or "record" of TensorBoard: half is written."""
    watched()
    from trainer.recording.lasting import LastingFile

    write, calls = LastingFile._write_first, 0

    def tearing(self: LastingFile, file: FileIO) -> None:
        nonlocal calls
        calls += self._unit == unit and not self._what.endswith("train.log")
        if calls == number:
            file.write(self._pending[0][: len(self._pending[0]) // 2])
            die()
        write(self, file)

    LastingFile._write_first = tearing  # type: ignore[method-assign]


def forgetful() -> None:
    """What an earlier process recorded behind its last checkpoint stays."""
    watched()
    from trainer.recording import MetricsFile, TensorBoard

    for recorder in (MetricsFile, TensorBoard):
        forget(recorder)


def forget(recorder: Any) -> None:
    """Let a recorder be built without its `purge_step`."""
    make = recorder.__init__

    def keeping(self: Any, *places: Any, **named: Any) -> None:
        make(self, *places[:1], **{k: v for k, v in named.items() if k == "folder"})

    recorder.__init__ = keeping


def looked_at(every: int) -> None:
    """Note each so many steps which files are open, how many threads there are, and the memory."""
    from trainer.loop import Trainer
    from trainer.recording.memory import STATM

    take = Trainer.step

    def looking(self: Trainer, *arguments: Any, **named: Any) -> Any:
        if self.steps % every == 0:
            pages = int(STATM.read_text().split()[1])
            held = {
                "step": self.steps,
                "files": len(os.listdir("/proc/self/fd")),  # noqa: PTH208  # links to anything
                "threads": len(os.listdir("/proc/self/task")),  # noqa: PTH208
                "bytes": pages * os.sysconf("SC_PAGESIZE"),
                "log": sum(p.stat().st_size for p in Path("run").glob("tensorboard/*")),
            }
            with Path(HELD).open("a") as file:
                file.write(json.dumps(held) + "\n")
        return take(self, *arguments, **named)

    Trainer.step = looking  # type: ignore[method-assign]
