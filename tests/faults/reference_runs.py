"""The runs that were left alone, each made once for all that is compared with it."""

from pathlib import Path
from tempfile import mkdtemp
from threading import Lock

from forkserver import ForkServer
from reference_tasks import ReferenceTask
from surviving import Whole, left_alone

_made: dict[tuple[int, ReferenceTask], Whole] = {}
_locks: dict[ReferenceTask, Lock] = {}


def whole_run(server: ForkServer, task: ReferenceTask) -> Whole:
    """The run of a task that was left alone; the first to ask for it makes it."""
    key = (id(server), task)
    with _locks.setdefault(task, Lock()):
        if key not in _made:
            folder = Path(mkdtemp(prefix="whole-", dir=server.place)) / "1"
            _made[key] = left_alone(server, task, folder)
        return _made[key]
