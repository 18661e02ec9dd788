"""How much memory is free, and how much a trial took at its peak; importing this costs nothing."""

import os
import re
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")
SELF = Path("/proc/self")


def free_memory(meminfo: Path = MEMINFO, cgroup: Path = CGROUP) -> int:
    """Bytes of main memory that this process can still take: the machine's, or its cgroup's (v2).

    What the page cache holds counts as free. Without /proc (macOS): half of what is built in.
    """
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", meminfo.read_text(), re.MULTILINE)
    except OSError:
        found = None
    if found is None:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    free = int(found[1]) * 1024
    try:
        limit = (cgroup / "memory.max").read_text().strip()
        if limit == "max":
            return free
        left = int(limit) - int((cgroup / "memory.current").read_text())
        cache = re.search(r"^inactive_file (\d+)", (cgroup / "memory.stat").read_text(), re.M)
    except (OSError, ValueError):
        return free  # no control group of its own, or an older layout
    return max(0, min(free, left + (int(cache[1]) if cache else 0)))


class Peak:
    """The most memory that was held since `begin`, on CUDA by tensors, else by the process.

    On MPS and where the system can't forget an earlier peak, it is at least what was held then.
    """

    def __init__(self, device: "torch.device") -> None:
        self.device = device

    def begin(self) -> None:
        """Forget what was before."""
        if self.device.type == "cuda":
            import torch

            torch.cuda.reset_peak_memory_stats(self.device)
        elif (SELF / "clear_refs").exists():
            # "5" resets the peak of the resident size: proc(5). Some containers forbid it.
            with suppress(OSError):
                (SELF / "clear_refs").write_text("5")

    def bytes(self) -> int:
        """The peak so far."""
        if self.device.type == "cuda":
            import torch

            return torch.cuda.max_memory_allocated(self.device)
        if self.device.type == "mps":
            import torch

            return torch.mps.driver_allocated_memory()
        if (SELF / "status").exists():
            found = re.search(r"^VmHWM:\s+(\d+) kB", (SELF / "status").read_text(), re.M)
            if found is not None:
                return int(found[1]) * 1024
        largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return largest if sys.platform == "darwin" else largest * 1024
