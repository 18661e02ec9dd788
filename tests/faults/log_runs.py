"""A short run of many parts, and what has to hold of one that was disturbed and went on."""

import json
from pathlib import Path
from typing import Any

from comparing import differences, order_of, state_of
from forkserver import Ended, ForkServer
from reference_tasks import FORKED, ROWS, ReferenceTask
from surviving import Whole
from watching import steps_begun

# 8 steps an epoch; saved at 5, 10, 15 ... and, where it is the best so far, at an epoch's end.
WORDS = (*ROWS, "trainer.epochs=4", "checkpoint.every=5")
STEPS = 32
SHORT = ReferenceTask("short", WORDS)
WORKERS = ReferenceTask("short, 2 workers", WORDS, workers=2, patch=FORKED)


def status(folder: Path) -> Any:
    """What status.json of the run in a folder says."""
    return json.loads((folder / "run" / "status.json").read_text())


def saved(folder: Path) -> list[int]:
    """The steps that are saved in the run in a folder."""
    found = (folder / "run" / "checkpoints").glob("step_*")
    return sorted(int(path.name.removeprefix("step_")) for path in found)


def tidy(folder: Path) -> bool:
    """Whether nothing half written lies about."""
    return not [path for path in folder.rglob("*") if path.name.startswith(".tmp-")]


def goes_on(
    server: ForkServer, folder: Path, whole: Whole, task: ReferenceTask = SHORT, **more: Any
) -> Ended:
    """Resume the run in a folder; it has to end as the one that was left alone, to the last bit."""
    ended = server.run(["train", "resume=run"], folder, patch=task.patch, **more)
    assert ended.code == 0, ended.err
    assert same(folder, whole, task) == []
    assert tidy(folder)
    return ended


def same(folder: Path, whole: Whole, task: ReferenceTask = SHORT) -> list[str]:
    """What is not as in the run that was left alone; how many workers there are is no matter."""
    begun = steps_begun(folder)
    found = differences(state_of(folder / "run") | order_of(begun), whole.state)
    settings = ("file config.yaml", "file overrides.yaml")
    return [line for line in found if not (task.workers and line.startswith(settings))]


def one_line(ended: Ended) -> str:
    """The error that a command ended with: one line, and perhaps one that says how to go on."""
    lines = ended.err.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 1 and "Traceback" not in ended.err, ended.err
    assert "unexpected" not in errors[0], ended.err
    return errors[0]
