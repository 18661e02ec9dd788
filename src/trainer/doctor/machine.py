"""The machine: cores, memory, disk, the user's own folder, and what the commands are."""

import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trainer.cpus import available_cpus
from trainer.doctor.check import Check
from trainer.finding.memory import free_memory
from trainer.pasting import SCRIPTS, nearest, pasteable
from trainer.storage.atomic import human
from trainer.storage.signature import home

LITTLE_MEMORY, TOO_LITTLE_MEMORY = 2 << 30, 500 << 20
LITTLE_DISK, TOO_LITTLE_DISK = 5 << 30, 500 << 20
ELSEWHERE = "change to a folder that you can write, or say where with run.dir=FOLDER"


def machine_checks(facts: Mapping[str, Any]) -> Iterator[Check]:
    """The lines about the machine; `facts` are those of torch's probe, or nothing."""
    cores = available_cpus()
    threads = f", training computes on {facts['threads']}" if "threads" in facts else ""
    yield Check("cores", "ok", f"{cores} can be used{threads}")
    free = free_memory()
    yield sized("memory", free, LITTLE_MEMORY, TOO_LITTLE_MEMORY, "end other programs")
    disk = shutil.disk_usage(Path.cwd()).free
    yield sized("disk", disk, LITTLE_DISK, TOO_LITTLE_DISK, f"free some, or {ELSEWHERE}")
    yield runs_check(Path("runs"))
    yield home_check(home())
    yield from command_checks()


def sized(topic: str, free: int, little: int, too_little: int, advice: str) -> Check:
    """A line about something of which enough has to be left."""
    told = f"{human(free)} free"
    if free < too_little:
        return Check(topic, "problem", told, advice)
    return (
        Check(topic, "note", f"{told}, not much", advice)
        if free < little
        else Check(topic, "ok", told)
    )


def runs_check(runs: Path) -> Check:
    """Whether runs can be written below the current folder."""
    if runs.exists() and not runs.is_dir():
        told = f"{runs} is a file, and runs go into a folder of that name"
        return Check("runs", "problem", told, f"move it away, or {ELSEWHERE}")
    place = runs if runs.is_dir() else runs.absolute().parent
    try:
        # Tried, not asked: permissions don't tell of quotas and read-only mounts.
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"\0" * 4096)
    except OSError as error:
        told = f"{nearest(place)} can't be written ({error.strerror})"
        return Check("runs", "problem", told, ELSEWHERE)
    return Check("runs", "ok", f"{runs}/ can be written in {Path.cwd()}")


def home_check(folder: Path | None) -> Check:
    """Whether runs can be signed: the key in the user's own folder."""
    remedy = "set FIVESTEP_HOME to a folder that only you can write"
    unsigned = "runs are not signed, and count as a stranger's later"
    if folder is None:
        return Check("signing", "problem", f"there is no home folder: {unsigned}", remedy)
    key = folder / "signing.key"
    try:
        mode = key.stat().st_mode
        if not stat.S_ISREG(mode):
            told = f"{key} is no file: {unsigned}"
            return Check("signing", "problem", told, f"move it away, or {remedy}")
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            told = f"{key} is open to others: {unsigned}"
            return Check("signing", "problem", told, f"chmod 600 {key}, or delete it for a new one")
        with key.open("rb"):
            return Check("signing", "ok", f"runs are signed with {key}")
    except FileNotFoundError:
        pass
    except OSError as error:
        told = f"{key} can't be read ({error.strerror}): {unsigned}"
        return Check("signing", "problem", told, remedy)
    above = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=above):
            pass
    except OSError as error:
        told = f"{above} can't be written ({error.strerror}): {unsigned}"
        return Check("signing", "problem", told, remedy)
    return Check("signing", "ok", f"the first run makes a key in {folder}")


def command_checks() -> Iterator[Check]:
    """Where the commands are, and whether those of another installation come first."""
    for name in SCRIPTS:
        found = shutil.which(name)
        here, start = Path(sys.executable).parent / name, pasteable(name)
        if found is None:
            yield Check("command", "note", f"{name} is not on PATH; start it with: {start}")
        elif not here.exists() or not Path(found).samefile(here):
            told = f"{name} on PATH is {found}, of another environment; start this one with"
            yield Check("command", "note", f"{told}: {start}")
        else:
            yield Check("command", "ok", found)
