"""How many cores this process may use; importing this costs nothing."""

import os
from pathlib import Path


def available_cpus() -> int:
    """Cores that this process may use: its affinity, and its control group's quota on Linux."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else (os.cpu_count() or 1)
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            cores = min(cores, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass  # no control group, or an older layout: the affinity stands
    return cores
