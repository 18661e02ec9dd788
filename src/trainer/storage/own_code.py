"""The user's own code that a run uses, by its SHA-256: git doesn't see what isn't committed."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from trainer.faults import is_users
from trainer.storage.atomic import digest


def own_modules(targets: Iterable[str]) -> dict[str, str]:
    """Return file and SHA-256 of the user's own modules that dotted names lead to, once imported.

    With a module come the imported ones that lie beside or below it, since it is made of them.
    Files in the current folder are relative to it. Installed packages are not meant: their versions
    are known. `__main__` is a target too: a script that makes the run.
    """
    named = {file for target in targets if (file := _named(target))}
    files = set(named)
    for folder in {file.parent for file in named}:
        beside = (_file(name, within=folder) for name in list(sys.modules))
        files |= {file for file in beside if file and is_users(str(file))}
    pairs = ((_shown(file), hashed(str(file))) for file in sorted(files))
    return {name: sha256 for name, sha256 in pairs if sha256}


def hashed(name: str) -> str | None:
    """Return the SHA-256 of a file as `own_modules` names it; None where there is none."""
    try:
        return digest(Path(name))[1]
    except (OSError, ValueError):  # the latter for a name with a zero byte
        return None


def _named(target: str) -> Path | None:
    """Return the file of the module in which a dotted name lies, where it is the user's."""
    parts = target.split(".")
    for count in range(len(parts), 0, -1):
        if (name := ".".join(parts[:count])) in sys.modules:
            file = _file(name)
            # The script that was started is nobody's module, unless it is asked for.
            return file if file and (name == "__main__" or is_users(str(file))) else None
    return None


def _file(name: str, within: Path | None = None) -> Path | None:
    file = getattr(sys.modules.get(name), "__file__", None)
    # Most modules are installed ones: they are left out before the file system is asked.
    if not isinstance(file, str) or not file.endswith(".py") or "site-packages" in file:
        return None
    path = Path(file).resolve()
    return path if within is None or path.is_relative_to(within) else None


def _shown(file: Path) -> str:
    relative = os.path.relpath(file, Path.cwd().resolve())
    return str(file) if relative.startswith("..") else relative
