"""One trial in a process of its own: started, watched, stopped, and what came of it."""

import math
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from trainer.storage.atomic import open_regular, writing
from trainer.storage.runs import read_status
from trainer.sweep.machine import gpu_of
from trainer.sweep.plan import Plan
from trainer.sweep.tail import Tail
from trainer.sweep.trials import State, Trial

PATIENCE = 60.0  # seconds in which a pruned trial has to be gone
LOG_READ = 20_000  # bytes from the end of a log


class Process:
    """A trial that runs: the command `train <overrides> run.dir=<its folder>`, apart from us.

    It has its own session, so a Ctrl-C in the terminal reaches only the sweep; its standard input
    is a pipe whose closing tells it that the sweep is gone; what it prints goes to its log, after
    what an earlier start of it left there. Raises CannotWrite where the log can't be written, and
    OSError where no process can be started.
    """

    def __init__(self, plan: Plan, trial: Trial, slot: int) -> None:
        self.plan, self.trial, self.slot = plan, trial, slot
        self.folder = plan.trial_folder(trial.name)
        self.log = plan.log(trial.name)
        self.tail = Tail(self.folder / "metrics.jsonl", plan.metric, plan.every)
        self.asked_to: State | None = None  # how it ends if it ends because we asked it to
        self.why = ""
        self._asked = 0.0
        self._before = read_status(self.folder)
        self._began = time.monotonic()
        with writing(self.log):
            self.log.parent.mkdir(exist_ok=True)
            # A folder from elsewhere could hold a link in its place, to a file of the user's.
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            log = os.fdopen(os.open(self.log, flags, 0o666), "ab")
        with log:
            self._offset = log.seek(0, os.SEEK_END)
            self._process = subprocess.Popen(
                [*plan.command, *words(plan, trial)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment(plan, slot),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process's number, which is also that of its group."""
        return self._process.pid

    @property
    def seconds(self) -> float:
        """How long it runs, earlier starts included."""
        return self.trial.seconds + time.monotonic() - self._began

    def done(self) -> bool:
        """Whether it has ended; one that was pruned and stays is killed."""
        if self._process.poll() is not None:
            return True
        if self.asked_to == "pruned" and time.monotonic() - self._asked > PATIENCE:
            self.kill()
        return False

    def stop(self, state: State, why: str) -> None:
        """Ask it to save and go; `state` is what it then is, and `why` the reason."""
        if self.asked_to is None:
            self.asked_to, self.why, self._asked = state, why, time.monotonic()
            self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, with all that it started."""
        if self._process.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        """Wait for its end."""
        self._process.wait()

    def _send(self, number: signal.Signals) -> None:
        # Only to the process itself: its loader's workers are its own to stop.
        self._process.send_signal(number)

    def outcome(self) -> Trial:
        """What came of it, once it is done; gives the pipe back."""
        code = self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        status = read_status(self.folder) or {}
        fresh = bool(status) and status != self._before
        metrics = measured(status)
        ended = replace(self.trial, seconds=round(self.seconds, 3), metrics=metrics)
        if status.get("state") == "finished" and (fresh or code == 0):
            reason = str(status.get("reason") or "") if code == 0 else self.last_words()
            ended = replace(ended, reason=one_line(reason), exit_code=shell(code))
            return judged(ended, self.plan.metric)
        ended = replace(ended, exit_code=shell(code))
        if self.asked_to is not None and shell(code) in (130, 137, 143):
            last = self.tail.last if self.asked_to == "pruned" else None
            metrics = {} if last is None else {self.plan.metric: last}
            return replace(ended, state=self.asked_to, reason=self.why, metrics=metrics)
        if code < 0:
            return replace(ended, state="failed", reason=killed_by(-code))
        told = str(status.get("reason") or "") if fresh and status["state"] != "running" else ""
        return replace(ended, state="failed", reason=one_line(told) or self.last_words())

    def last_words(self) -> str:
        """The error at the end of its log, or the last line of it."""
        with open_regular(self.log) as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(self._offset, size - LOG_READ))
            text = file.read().decode(errors="replace")
        lines = [line for line in text.splitlines() if line.strip()]
        places = [i for i, line in enumerate(lines) if line.startswith("error:")]
        told = " ".join(lines[places[-1] :] if places else lines[-1:]).removeprefix("error:")
        return one_line(told) or f"nothing was said; its log is {self.log}"


def words(plan: Plan, trial: Trial) -> list[str]:
    """What follows `train` in the command of a trial."""
    threads = [] if plan.threads is None else [f"trainer.threads={plan.threads}"]
    return [*plan.words, *trial.overrides, *threads, f"run.dir={plan.trial_folder(trial.name)}"]


def environment(plan: Plan, slot: int) -> dict[str, str]:
    """The environment of a trial: its share of the threads, its GPU."""
    found = dict(os.environ)
    if plan.threads is not None:
        found["OMP_NUM_THREADS"] = str(plan.threads)
    if (gpu := gpu_of(slot, plan.gpus)) is not None:
        found["CUDA_VISIBLE_DEVICES"] = gpu
    return found


def measured(status: Mapping[str, Any]) -> dict[str, float]:
    """The metrics in a status, as numbers; JSON has NaN and infinity as strings."""
    metrics = status.get("metrics")
    if not isinstance(metrics, Mapping):
        return {}
    return {str(name): float(value) for name, value in metrics.items() if value is not None}


def judged(trial: Trial, metric: str) -> Trial:
    """A trial whose run is finished: it has failed where it has nothing to be judged by."""
    value = trial.metrics.get(metric, math.nan)
    if math.isfinite(value):
        return replace(trial, state="finished")
    found = f"is {value}" if metric in trial.metrics else "was not measured"
    return replace(trial, state="failed", reason=f"its {metric} {found}")


def shell(code: int) -> int:
    """An exit code as a shell has it: 128 and the signal for a process that was killed."""
    return code if code >= 0 else 128 - code


def killed_by(number: int) -> str:
    """The line about a process that ended by a signal."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    lack = ", by hand or for lack of memory" if number == signal.SIGKILL else ""
    return f"killed by {name}{lack}"


def one_line(text: str) -> str:
    """A message without line breaks."""
    return re.sub(r"\s+", " ", text).strip()


def adopt(trial: Trial, plan: Plan) -> Trial:
    """What came of a trial whose sweep was killed, by its own folder; its process must be gone."""
    status = read_status(plan.trial_folder(trial.name)) or {}
    if status.get("state") not in ("finished", "failed"):
        return replace(trial, state="preempted", reason="the sweep was killed")
    code = status.get("exit_code")
    ended = replace(
        trial,
        state="failed",
        reason=one_line(str(status.get("reason") or "")),
        exit_code=code if isinstance(code, int) else None,
        metrics=measured(status),
    )
    return judged(ended, plan.metric) if status["state"] == "finished" else ended
