"""A child that sends signals to itself, or to its whole group, at a named instant."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crash_points import before, found, path_of
from watching import watched, watched_with_forked_workers

JUDGED = "judged.txt"


def send(numbers: Sequence[int], group: bool = False) -> None:
    """Send signals one after the other, to this process or to all of its group."""
    for number in numbers:
        if group:
            os.killpg(0, number)
        else:
            os.kill(os.getpid(), number)


def sent(
    where: str, call: int, numbers: Sequence[int], group: bool = False, workers: bool = False
) -> None:
    """Send them before the `call`-th call of a function, "module:Class.name"."""
    (watched_with_forked_workers if workers else watched)()
    before(*found(where), call, lambda: send(numbers, group))


def sent_within_a_save(save: int, numbers: Sequence[int]) -> None:
    """Send them when the files of the `save`-th checkpoint are flushed to the disk, slowly."""
    watched()
    fsync, building = os.fsync, list[str]()

    def flush(fd: Any) -> None:
        fsync(fd)
        place = next((p for p in path_of(fd).split("/") if p.startswith(".tmp-step_")), "")
        if place and place not in building:
            building.append(place)
            if len(building) == save:
                send(numbers)
                time.sleep(0.1)

    os.fsync = flush


def sent_within_validation(call: int, numbers: Sequence[int], group: bool = False) -> None:
    """Send them within an evaluation that takes long, and note each batch of it from then on."""
    watched()
    from trainer.evaluation.counts import Counts

    update, calls = Counts.update, 0

    def slow(self: Counts, *arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == call:
            send(numbers, group)
        if calls >= call:
            with Path(JUDGED).open("a") as file:
                file.write(f"{calls}\n")
        update(self, *arguments)

    Counts.update = slow  # type: ignore[method-assign, assignment]


def sent_at_operation(number: int, place: str, signals: Sequence[int]) -> None:
    """Send them before the `number`-th (from 0) operation on a path that contains `place`.

    Each of them is noted, before it is done.
    """
    import sys

    from crash_points import OPERATIONS, writes

    watched()
    fsync, left = os.fsync, number
    file = os.open("operations.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def operation(path: str) -> None:
        nonlocal left
        if place in path:
            os.write(file, f"{path}\n".encode())
            left -= 1
            if left == -1:
                send(signals)

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in OPERATIONS and (event != "open" or writes(arguments)):
            operation(str(arguments[0]))

    def flush(fd: Any) -> None:
        operation(path_of(fd))
        fsync(fd)

    sys.addaudithook(audit)
    os.fsync = flush


def told_twice(step: int, first: Sequence[int], second: Sequence[int]) -> None:
    """Send signals before a step, and others when the command says what it was ended by."""
    sent("trainer.loop:Trainer.step", step, first)
    before(*found("trainer.faults:tell"), 1, lambda: send(second))
