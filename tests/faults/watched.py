"""What is called in the child before a command opens what a stranger handed over.

Kept apart and small: every child imports it.
"""

import json
import os
from importlib import import_module
from pathlib import Path
from typing import Any


def watch(report: str) -> None:
    """Note every socket that is opened, and how much memory is used at the end."""
    import atexit
    import socket

    tried: list[str] = []

    def refused(*arguments: Any, **named: Any) -> Any:
        tried.append(repr(arguments[1:] or arguments))
        raise OSError("no network here")

    patched: Any = socket
    for name in ("connect", "connect_ex", "sendto"):
        setattr(patched.socket, name, refused)
    patched.getaddrinfo = refused
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    begin = _kilobytes("VmRSS")

    def write() -> None:
        grown = 1024 * (_kilobytes("VmHWM") - begin)
        Path(report).write_text(json.dumps({"tried": tried, "grown": grown}))

    atexit.register(write)


def unprotected(report: str) -> None:
    """Switch off what keeps a stranger's names from being run: the canaries have to sing then."""
    watch(report)
    for name in ("trainer.config.build", "trainer.config.reopen"):
        module: Any = import_module(name)
        module.refuse_untrusted = lambda *_: None


def with_secret(value: str) -> None:
    """Put a secret where programs are handed theirs."""
    os.environ["HF_TOKEN"] = value


def without_processes() -> None:
    """Let no trial of a sweep be started."""

    def refuse(*arguments: Any, **named: Any) -> Any:
        raise OSError("no processes here")

    module: Any = import_module("trainer.sweep.process")
    module.subprocess.Popen = refuse


def _kilobytes(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise AssertionError(name)
