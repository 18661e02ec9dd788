"""A fresh process that loads an artefact, as whoever uses it will; this side of the pipes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Timer
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from trainer.export.formats import FILES
from trainer.export.frames import Ended, receive, send

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Nothing here takes minutes; what hangs must not hold the run for ever.
PATIENCE = 900.0


class Broken(Exception):
    """An artefact that can't be loaded or run: what the process said, or how it ended."""


class Fresh:
    """One process for one artefact; it starts at once, so that its imports cost no waiting.

    A context manager: the process is gone when it is left. Raises Broken.
    """

    def __init__(self, form: str, threads: int, patience: float = PATIENCE) -> None:
        self.form, self.threads, self.patience = form, threads, patience
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # for as long as the process
        self._process = subprocess.Popen(
            # -P: a folder called `trainer` where the user stands is not ours.
            [sys.executable, "-P", "-m", "trainer.export.child", form],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            start_new_session=True,  # Ctrl-C is for us; without us it reads the end and goes
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def open(self, folder: Path, names: Sequence[str]) -> float:
        """Load the artefact in `folder`; returns how many seconds that took."""
        path = str((folder / FILES[self.form]).absolute())
        asked = {"form": self.form, "path": path, "names": list(names), "threads": self.threads}
        seconds: float = self._ask({"do": "open", **asked})[0]["seconds"]
        return seconds

    def run(self, inputs: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """The artefact's output for one batch."""
        return self._ask({"do": "run"}, inputs)[1][0]

    def time(self, inputs: Sequence[NDArray[Any]], limit: float = 0.2) -> float:
        """Median milliseconds of a call, measured there."""
        seconds: float = self._ask({"do": "time", "seconds": limit}, inputs)[0]["seconds"]
        return 1000 * seconds

    def _ask(
        self, message: dict[str, Any], arrays: Sequence[NDArray[Any]] = ()
    ) -> tuple[dict[str, Any], list[NDArray[Any]]]:
        questions, answers = self._process.stdin, self._process.stdout
        assert questions is not None and answers is not None
        late = Timer(self.patience, self._process.kill)
        late.daemon = True
        late.start()
        try:
            send(questions, message, arrays)
            answer, found = receive(answers)
        except (Ended, OSError) as error:
            raise Broken(self._end()) from error
        finally:
            late.cancel()
        if "error" in answer:
            raise Broken(answer["error"])
        return answer, found

    def _end(self) -> str:
        """How the process ended, and the last thing that it said."""
        code = self._process.wait()
        if code < 0:
            name = (
                signal.Signals(-code).name if -code in list(signal.Signals) else f"signal {-code}"
            )
            ended = f"the process that had loaded it was ended by {name}"
            if name == "SIGKILL":
                ended += " (out of memory, or no answer for too long)"
        else:
            ended = f"the process that had loaded it ended with code {code}"
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return f"{ended}: {lines[-1][:300]}" if lines else ended

    def close(self) -> None:
        """End the process; a second call does nothing."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._said):
            assert stream is not None
            with suppress(BrokenPipeError):  # what was still to be written has no reader any more
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
