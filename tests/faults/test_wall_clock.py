"""FI-26: the clock on the wall may jump by years, and files may have any date."""

import os
import time
from pathlib import Path

from crash_points import POINTS
from forkserver import ForkServer
from reference_runs import whole_run
from reference_tasks import SUPERVISED
from surviving import KILLED, Survivor
from watching import watched

TEN_YEARS = 10 * 365.25 * 24 * 3600


def shifted(seconds: float, point: str = "", number: int = 0) -> None:
    """Note every step under another time of day, and perhaps die at a point."""
    watched()
    now, now_ns = time.time, time.time_ns
    time.time = lambda: now() + seconds
    time.time_ns = lambda: now_ns() + int(seconds * 1e9)
    if point:
        POINTS[point](number)


def test_a_clock_that_jumps_and_dates_of_files_have_no_effect(
    server: ForkServer, tmp_path: Path
) -> None:
    run = Survivor(server, SUPERVISED, tmp_path / "run")
    for shift in (0.0, TEN_YEARS, -TEN_YEARS, 0.0):
        patch = "test_wall_clock:shifted"
        assert run.live(patch, shift, "before a checkpoint", 5).code == KILLED
        # The newest checkpoint gets the oldest date.
        paths = sorted(run.run.rglob("*"), reverse=True)
        for place, path in enumerate(paths):
            os.utime(path, (place * 1e6, place * 1e6))
    assert run.live("test_wall_clock:shifted", -TEN_YEARS).code == 0
    assert run.differences(whole_run(server, SUPERVISED)) == []
