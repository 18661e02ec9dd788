"""A process that has torch imported and forks a child for each command: milliseconds to start.

`python forkserver.py` is the server: a JSON object a line on stdin starts a child, or waits for
one; a JSON object a line on stdout answers. Importing torch and the first step of an optimizer cost
seconds, so both are done once, in the server, before anything is forked.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
IMPORTED = (
    "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin",
    "hydra.utils",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "sklearn.metrics",
    "tensorboard.plugins.hparams.metadata",
    "tensorboard.plugins.text.metadata",
    "tensorboard.summary.writer.record_writer",
    "torch.utils.data",
    "torch.utils.flop_counter",
    "torchvision.transforms.v2",
    "data.augmentation",
    "data.images.build",
    "data.images.dataset",
    "data.digits",
    "data.loading.direct",
    "data.images.files",
    "data.images",
    "data.loading.loaders",
    "data.loading.resident",
    "data.loading.workers",
    "models.cnn",
    "models.losses",
    "models.mlp",
    "trainer.cli",
    "trainer.config.build",
    "trainer.config.reopen",
    "trainer.evaluation.figures",
    "trainer.evaluation.gallery",
    "trainer.recording.tensorboard",
    "trainer.stages",
)


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, or minus the signal that killed it, and what it said."""

    code: int
    out: str
    err: str
    seconds: float


class Process:
    """A command in a child of the server; the leader of its own process group."""

    def __init__(self, server: "ForkServer", pid: int, output: Path) -> None:
        self.server, self.pid, self.output = server, pid, output
        self.begun = time.monotonic()
        self.code: int | None = None

    def kill(self, number: int = signal.SIGKILL, *, group: bool = True) -> None:
        """Send a signal to its whole group, or to it alone; nothing if it has ended."""
        try:
            (os.killpg if group else os.kill)(self.pid, number)
        except ProcessLookupError:
            return

    def wait(self, timeout: float = 120.0) -> Ended:
        """Wait for its end; a child that outlives the timeout is killed, and that is an error."""
        code = self.poll(timeout)
        if code is None:
            self.kill()
            self.poll(30)
            raise AssertionError(f"still running after {timeout:g} s:\n{self.said()}")
        return Ended(code, self.said(".out"), self.said(), time.monotonic() - self.begun)

    def poll(self, timeout: float) -> int | None:
        """The code with which it ended, None when it has not within so many seconds."""
        end = time.monotonic() + timeout
        while self.code is None:
            # Asked again and again: the server, meanwhile, can serve other threads.
            self.code = self.server.ask({"wait": self.pid})["code"]
            if time.monotonic() >= end:
                break
            time.sleep(0.002)
        return self.code

    def said(self, suffix: str = ".err") -> str:
        """What it has written to stderr (or stdout) so far; a child killed at birth has no file."""
        try:
            return self.output.with_suffix(suffix).read_text(errors="replace")
        except FileNotFoundError:
            return ""


class ForkServer:
    """Starts commands (`train`, `fivestep` ...) in forked children; for several threads at a time.

    home: the FIVESTEP_HOME of all of them, so that they share a signing key.
    place: where their output is kept.
    """

    def __init__(self, home: Path, place: Path) -> None:
        environment = os.environ | {
            "FIVESTEP_HOME": str(home),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH")))),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.place, self.count = place, 0
        self.lock = threading.Lock()
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "forkserver.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request and read its answer."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with self.lock:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        assert line, "the fork server has died"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def start(
        self,
        argv: Sequence[str],
        folder: Path,
        *,
        patch: str | None = None,
        arguments: Sequence[Any] = (),
    ) -> Process:
        """Start `trainer.cli.main(argv)` in a folder.

        `patch` names a function, "module:function", that the child calls with `arguments` before
        the command: it may replace whatever it likes (a crash point, a disk that is full).
        """
        with self.lock:
            self.count += 1
            output = self.place / f"{self.count:05d}"
        request = {
            "argv": list(argv),
            "folder": str(folder),
            "output": str(output),
            "patch": patch,
            "arguments": list(arguments),
        }
        return Process(self, self.ask(request)["pid"], output)

    def run(self, argv: Sequence[str], folder: Path, **named: Any) -> Ended:
        """Start a command and wait for its end."""
        return self.start(argv, folder, **named).wait()

    def close(self) -> None:
        """End the server."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


def serve() -> None:
    """Answer requests until stdin is closed."""
    # Ctrl-C at the terminal is for the tests to handle, not for the server.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warm_up()
    for line in sys.stdin:
        request = json.loads(line)
        answer = {"code": wait(**request)} if "wait" in request else {"pid": fork(request)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    os._exit(0)  # nothing here needs a slow goodbye


def wait(wait: int) -> int | None:
    """The exit code of a child, or minus the signal that ended it; None while it runs."""
    pid, status = os.waitpid(wait, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if pid else None


def fork(request: Mapping[str, Any]) -> int:
    """Carry out a request in a child; returns its process id."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = child(request)
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return pid


def child(request: Mapping[str, Any]) -> int:
    """The command, in a session of its own, its output in files."""
    import atexit

    from trainer.cli import main

    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for number, kind in ((1, ".out"), (2, ".err")):
        os.dup2(os.open(request["output"] + kind, flags), number)
    os.chdir(request["folder"])
    sys.path.insert(1, request["folder"])
    sys.argv = list(request["argv"])
    if request["patch"]:
        module, _, name = request["patch"].partition(":")
        act: Callable[..., object] = getattr(import_module(module), name)
        act(*request["arguments"])
    code = main(request["argv"])
    atexit._run_exitfuncs()  # what a command ends at exit, a forked child has to end as well
    return code


def warm_up() -> None:
    """Import what a command imports, and take one step: torch imports much of itself late."""
    import torch

    torch.set_num_threads(1)
    for name in IMPORTED:
        import_module(name)
    from hydra.core.plugins import Plugins
    from watching import blank_figures

    Plugins.instance()  # looks through all that is installed
    blank_figures()
    layer = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    torch.manual_seed(0)


if __name__ == "__main__":
    serve()
