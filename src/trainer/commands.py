"""Commands that are printed for the user, as they can be pasted where the user stands."""

import os
import shlex
import shutil
import sys
from pathlib import Path


def pasteable(command: str, *arguments: str) -> str:
    """The command line of `train`, `fivestep` or `tensorboard` that works in this shell.

    Through the script that was used (`scripts/train` tells by FIVESTEP_COMMAND), by its bare name
    where that is on the path, else by its place in this environment.
    """
    script = os.environ.get("FIVESTEP_COMMAND")
    own = Path(sys.executable).parent / command
    found = shutil.which(command)
    if command == "train" and script:
        start = script
    elif found and own.exists() and Path(found).samefile(own):
        start = command
    else:
        start = nearest(own)
    return shlex.join([start, *arguments])


def nearest(path: Path) -> str:
    """The path relative to the current folder where that is shorter, else as it is."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)
