"""How many CPUs this process may use."""

import os
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")


def available_cpus(quota: Path = QUOTA) -> int:
    """Return the CPUs of this process's affinity, or fewer where a cgroup (v2) grants fewer."""
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        granted, period = quota.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        # No cgroup v2 here, so nothing limits the affinity.
        return count
    if granted == "max":
        return count
    return max(1, min(count, int(granted) // int(period)))
