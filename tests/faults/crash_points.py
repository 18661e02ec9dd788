"""Where a child kills itself, and all that it has started: named points of a run.

Nothing of this is in the product: a child replaces a function, or watches what Python is about to
do with a file, and sends its process group SIGKILL there.
"""

import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from io import FileIO
from pathlib import Path
from typing import Any

from watching import watched

# What is done to files, by the names of Python's audit events; fsync has none.
OPERATIONS = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "open")


def crash(point: str, number: int = 1) -> None:
    """Note every step, and die when a point is reached for the `number`-th time."""
    watched()
    (POINTS | EXPORTING)[point](number)


def crash_at_operation(number: int, place: str, function: str = "", call: int = 1) -> None:
    """Note every step, and die before the `number`-th operation on a path that contains `place`.

    They are counted from 0, and from the `call`-th call of a function on, "module:Class.name".
    """
    watched()
    countdown = Countdown(number, place)
    if function:
        holder, name = found(function)
        before(holder, name, call, countdown.begin)
    else:
        countdown.begin()
    sys.addaudithook(countdown.audit)
    fsync = os.fsync

    def flush(fd: Any) -> None:
        countdown.operation(path_of(fd))
        fsync(fd)

    os.fsync = flush


def interrupt_validation() -> None:
    """Note every step, and get SIGTERM within the first validation."""
    watched()
    holder, name = found("trainer.evaluation.counts:Counts.update")
    before(holder, name, 2, lambda: os.kill(os.getpid(), signal.SIGTERM))


class Countdown:
    """Counts operations on files, and dies before the one that is due."""

    def __init__(self, number: int, place: str) -> None:
        self.left, self.place, self.begun = number, place, False

    def begin(self) -> None:
        """Count from here on."""
        self.begun = True

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """What Python calls before it does anything."""
        if not self.begun or event not in OPERATIONS:
            return
        path = arguments[0]
        if event == "open" and not writes(arguments):
            return
        if event in ("os.remove", "os.rmdir") and arguments[1] != -1:
            path = f"{path_of(arguments[1])}/{path}"
        self.operation(str(path))

    def operation(self, path: str) -> None:
        """One of them is about to be done."""
        if self.begun and self.place in path:
            if self.left == 0:
                die()
            self.left -= 1


def writes(arguments: tuple[Any, ...]) -> bool:
    """Whether a file is opened by name for writing."""
    path, _, flags = arguments
    return not isinstance(path, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def path_of(handle: int) -> str:
    """The path of an open file or folder."""
    return str(Path(f"/proc/self/fd/{handle}").readlink())


def die() -> None:
    """What `kill -9` does to the whole group, at this very instruction."""
    os.killpg(0, signal.SIGKILL)


def found(name: str) -> tuple[Any, str]:
    """The holder of "module:Class.name" and the last name."""
    module, _, rest = name.partition(":")
    holder: Any = import_module(module)
    *parts, last = rest.split(".")
    for part in parts:
        holder = getattr(holder, part)
    return holder, last


def before(holder: Any, name: str, number: int, act: Callable[[], object] = die) -> None:
    """Act before the `number`-th call of a function."""
    function, calls = getattr(holder, name), 0

    def counting(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            act()
        return function(*arguments, **named)

    setattr(holder, name, counting)


def after(holder: Any, name: str, number: int) -> None:
    """Die after the `number`-th call of a function."""
    function, calls = getattr(holder, name), 0

    def counting(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        result = function(*arguments, **named)
        calls += 1
        if calls == number:
            die()
        return result

    setattr(holder, name, counting)


def at(when: Callable[..., None], name: str) -> Callable[[int], None]:
    """A point before or after a function of the product."""
    return lambda number: when(*found(name), number)


def half_of_a(unit: str) -> Callable[[int], None]:
    """A point where half of a line of metrics.jsonl, or of a record of TensorBoard, is written."""

    def install(number: int) -> None:
        from trainer.recording.lasting import LastingFile

        write, calls = LastingFile._write_first, 0

        def tearing(self: LastingFile, file: FileIO) -> None:
            nonlocal calls
            calls += self._unit == unit
            if calls == number:
                file.write(self._pending[0][: len(self._pending[0]) // 2])
                die()
            write(self, file)

        LastingFile._write_first = tearing  # type: ignore[method-assign]

    return install


POINTS: dict[str, Callable[[int], None]] = {
    "before a step": at(before, "trainer.loop:Trainer.step"),
    "between backward and the optimizer's step": at(before, "trainer.precision:Precision.step"),
    "after the optimizer's step": at(after, "trainer.precision:Precision.step"),
    "before the average is moved": at(before, "trainer.averaging:MovingAverage.update"),
    "after the average was moved": at(after, "trainer.averaging:MovingAverage.update"),
    "after a schedule has moved": at(after, "trainer.schedule:Schedule.step"),
    "while a batch is read": at(before, "data.loading.order:Order.batch"),
    "half of a line of metrics is written": half_of_a("line"),
    "half of a record of TensorBoard is written": half_of_a("record"),
    "after a line of metrics": at(after, "trainer.recording.metrics_file:MetricsFile.scalars"),
    "before a checkpoint": at(before, "trainer.storage.checkpoint:Checkpoints.save"),
    "while a checkpoint is copied": at(before, "trainer.storage.snapshot:take"),
    "while a checkpoint is written": at(after, "trainer.storage.snapshot:Snapshot.write"),
    "before the manifest is written": at(before, "trainer.storage.checkpoint:write_manifest"),
    "after the manifest is written": at(after, "trainer.storage.checkpoint:write_manifest"),
    "after a checkpoint": at(after, "trainer.storage.checkpoint:Checkpoints.save"),
    "within validation": at(before, "trainer.evaluation.counts:Counts.update"),
    "after validation": at(before, "trainer.journal:Journal.evaluated"),
    "between an epoch's metrics and its checkpoint": at(after, "trainer.journal:Journal.evaluated"),
    "at an epoch's end": at(after, "trainer.schedule:Schedule.end_epoch"),
    "while a checkpoint is loaded": at(before, "trainer.storage.restore:Checkpoint.training"),
    "when the best is loaded": at(before, "trainer.stages:load_best"),
    "within the last evaluation": at(before, "trainer.stages:evaluate"),
    "while a report is written": at(before, "trainer.evaluation.report:write"),
    "after the last evaluation": at(after, "trainer.stages:evaluate"),
    "after the export": at(after, "trainer.stages:export"),
    "after the last record": at(after, "trainer.journal:Journal.finish"),
    "when all is done": at(after, "trainer.journal:Journal.conclude"),
}
EXPORTING: dict[str, Callable[[int], None]] = {
    "while another process is to load the export": at(before, "trainer.export.fresh:Fresh.open"),
    "between the export and its manifest": at(before, "trainer.export.placing:write_manifest"),
}
