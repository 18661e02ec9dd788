"""Where the time goes: a trace of a few steps, when `trainer.profile` asks for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import torch

# Steps that are run before the trace begins: lazy imports and first allocations would fill it.
WARMUP = 5


class Profiler(Protocol):
    """Is told of each step."""

    def step(self) -> None:
        """A step is over."""


class Off:
    """Profiles nothing."""

    def step(self) -> None:
        """Do nothing."""


@contextmanager
def profiling(steps: int, folder: Path, device: torch.device) -> Iterator[Profiler]:
    """Profile `steps` steps after a warm-up into `folder`/trace.json and table.txt (0: nothing).

    The trace opens in chrome://tracing and in Perfetto.
    Source: https://pytorch.org/docs/stable/profiler.html
    """
    if steps == 0:
        yield Off()
        return
    from torch.profiler import ProfilerActivity, profile, schedule

    folder.mkdir(parents=True, exist_ok=True)
    activities = [ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)

    def write(profiler: profile) -> None:
        profiler.export_chrome_trace(str(folder / "trace.json"))
        table = profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=25)
        (folder / "table.txt").write_text(table)

    plan = schedule(wait=0, warmup=WARMUP, active=steps, repeat=1)
    with profile(
        activities=activities,
        schedule=plan,
        on_trace_ready=write,
        acc_events=True,  # the one cycle that there is; says so to versions of torch that warn
    ) as profiler:
        yield profiler
