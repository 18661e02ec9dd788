"""Starts the probes, and waits for them: what crashes or hangs there is told here."""

import importlib.util
import json
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

from trainer.doctor.probes import MARK

TIMEOUT = 90.0  # seconds; a first import from a network disk takes long


@dataclass(frozen=True)
class Outcome:
    """What a probe found, or in `error` why it found nothing."""

    facts: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    missing: bool = False


class Probe:
    """A package looked at in a process of its own; several run side by side."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.process: subprocess.Popen[str] | None = None
        if importlib.util.find_spec(name) is not None:
            # -P: a file torch.py in the current folder is not what is asked about.
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "trainer.doctor.probes", name],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )

    def outcome(self, timeout: float = TIMEOUT) -> Outcome:
        """Wait for the probe, at most `timeout` seconds."""
        if self.process is None:
            return Outcome(error="not installed", missing=True)
        try:
            printed, complained = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.close()
            return Outcome(error=f"import {self.name} gave no answer within {timeout:g} s")
        code = self.process.returncode
        lines = [line for line in printed.splitlines() if line.startswith(MARK)]
        if code == 0 and lines:
            return Outcome(json.loads(lines[-1].removeprefix(MARK)))
        if code < 0:
            return Outcome(error=f"import {self.name} crashed ({signal.Signals(-code).name})")
        last = next((line for line in reversed(complained.splitlines()) if line.strip()), "")
        return Outcome(error=f"import {self.name} fails: {last.strip() or f'exit code {code}'}")

    def close(self) -> None:
        """End a probe that nobody waits for any more."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
