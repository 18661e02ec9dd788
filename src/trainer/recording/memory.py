"""How much memory the run holds, for the console."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

STATM = Path("/proc/self/statm")


def memory_used(device: torch.device) -> int:
    """Bytes in use: on CUDA and MPS what tensors hold of the device, on CPU the resident process.

    Without /proc (macOS) the process is told by the largest size it ever had. Source:
    torch.cuda.memory_allocated, torch.mps.current_allocated_memory, proc(5), getrusage(2).
    """
    import torch

    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    if device.type == "mps":
        return torch.mps.current_allocated_memory()
    import resource

    if STATM.exists():
        return int(STATM.read_text().split()[1]) * resource.getpagesize()
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024
