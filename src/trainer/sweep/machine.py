"""What each of several trials at once gets of the machine: threads, and a GPU of its own."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping

from trainer.cpus import available_cpus

SECONDS = 10.0  # for nvidia-smi to answer: without its daemon a driver takes a while to wake up


def share_of_threads(jobs: int, cores: int | None = None) -> int | None:
    """Threads of each of `jobs` trials at once; None for one alone, which takes what it would.

    At least one each, and together no more than the cores that this process may use.
    """
    if jobs == 1:
        return None
    return max(1, (available_cpus() if cores is None else cores) // jobs)


def gpus(environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The GPUs that trials can be spread over, as CUDA_VISIBLE_DEVICES names them.

    Those that CUDA_VISIBLE_DEVICES already leaves, else those that `nvidia-smi -L` lists; empty
    where there are none. CUDA itself is not asked, since that would take seconds and memory.
    """
    visible = (os.environ if environment is None else environment).get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return of_visible(visible)
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        told = subprocess.run(
            [program, "-L"], capture_output=True, text=True, timeout=SECONDS, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ()  # a driver that doesn't answer has no GPUs for us; the trials will say the same
    return of_listing(told)


def of_visible(text: str) -> tuple[str, ...]:
    """The devices in a value of CUDA_VISIBLE_DEVICES; CUDA stops at the first that is none."""
    found: list[str] = []
    for name in (part.strip() for part in text.split(",")):
        if not re.fullmatch(r"\d+|(GPU|MIG)-[\w/-]+", name):
            break
        found.append(name)
    return tuple(found)


def of_listing(text: str) -> tuple[str, ...]:
    """The devices that `nvidia-smi -L` lists, by UUID: its order need not be CUDA's.

    Of a GPU that is divided (MIG) the parts count, since the whole can't be used.
    """
    found: list[str] = []
    whole = ""
    for line in text.splitlines():
        uuid = re.search(r"UUID: ((GPU|MIG)-[\w/-]+)", line)
        if uuid is None:
            continue
        if uuid[2] == "GPU":
            whole = uuid[1]
            found.append(whole)
            continue
        if found and found[-1] == whole:
            found.pop()
        found.append(uuid[1])
    return tuple(found)


def gpu_of(slot: int, devices: tuple[str, ...]) -> str | None:
    """The GPU for the trial in a slot; None where there is no choice and nothing has to be said."""
    return devices[slot % len(devices)] if len(devices) > 1 else None
