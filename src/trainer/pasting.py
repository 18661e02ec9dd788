"""Commands that are printed for the user, as they can be pasted where the user stands."""

import os
import shlex
import shutil
import sys
from pathlib import Path

SCRIPTS = ("train", "fivestep")  # those that have a script of their name in scripts/


def pasteable(command: str, *arguments: str) -> str:
    """The command line of `train`, `fivestep` or `tensorboard` that works in this shell.

    Through the script of that name beside the one that was used (`scripts/train` tells itself by
    FIVESTEP_COMMAND), by its bare name where that is on the path, else by its place in this
    environment; by its bare name, too, where nothing of it is to be found.
    """
    script = os.environ.get("FIVESTEP_COMMAND")
    own = Path(sys.executable).parent / command
    found = shutil.which(command)
    beside = beside_script(script, command) if script and command in SCRIPTS else None
    if beside:
        start = beside
    elif not own.exists() or (found and Path(found).samefile(own)):
        start = command
    else:
        start = nearest(own)
    return shlex.join([start, *arguments])


def beside_script(script: str, command: str) -> str | None:
    """The script of a command, as typed where it is the one that was used or lies beside it."""
    real = Path(script).resolve()
    folder, slash, _ = script.rpartition("/")
    if slash and real.name == command:
        return script
    if slash and Path(typed := f"{folder}/{command}").exists():
        return typed
    sibling = real.with_name(command)
    if not sibling.exists():
        return None
    # A name without a slash would be looked up on the path.
    shown = nearest(sibling)
    return shown if "/" in shown else f"./{shown}"


def nearest(path: Path) -> str:
    """The path relative to the current folder where that is shorter, else as it is."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)
