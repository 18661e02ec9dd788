"""The other end of the pipe that ties a trial to its sweep."""

import os
import signal
import threading


def end_with_parent(handle: int = 0) -> None:
    """Ask this process to stop, as SIGTERM does, when the parent at the other end of `handle` dies.

    The kernel closes the pipe however the parent ended, also by SIGKILL; so a trial saves and goes,
    and no sweep leaves orphans. It costs one thread that sleeps.
    """

    def wait() -> None:
        while os.read(handle, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="end-with-parent", daemon=True).start()
