"""Finds out when another package has taken the place of `trainer`, `models` or `data`.

Three packages with such general names are the price of a layout without settings: another
distribution may overwrite them, delete them on its removal, or shadow them.
"""

import importlib.metadata
import importlib.util
import re
from pathlib import Path

from trainer.errors import Refused

DISTRIBUTION = "fivestep"
PACKAGES = ("trainer", "models", "data")
_MARK = re.compile(rf"^__distribution__\s*=\s*[\"']{DISTRIBUTION}[\"']", re.MULTILINE)
_READ = 100_000  # characters


def check() -> None:
    """Raise Refused, naming the offender and the remedy, unless all three packages are ours.

    The packages are looked up and read, not imported, so nothing of a stranger's is run. Who owns
    what is in the way is only looked up when something is.
    """
    # Resolved, since an editable installation and a link in the path lead to the same folder.
    root = Path(__file__).resolve().parent.parent
    problems = [problem for name in PACKAGES if (problem := _problem(name, root))]
    if problems:
        raise Refused(*problems)


def _problem(name: str, root: Path) -> str | None:
    ours = root / name / "__init__.py"
    found = _origin(name)
    if found is not None and found.resolve() == ours and _is_ours(ours):
        return None
    again = f"reinstall with: pip install --force-reinstall --no-deps {DISTRIBUTION}"
    if not _is_ours(ours):
        if not ours.is_file():
            return (
                f"the package {name!r} of {DISTRIBUTION} is incomplete: {ours} is missing (removing"
                f" another distribution with a package {name!r} deletes it);{_others(name)} {again}"
            )
        return (
            f"the package {name!r} of {DISTRIBUTION} was overwritten: {ours} is not the one that"
            f" {DISTRIBUTION} installed;{_others(name)} {again}"
        )
    if found is None:
        return f"Python doesn't find the package {name!r} in {ours.parent}; {again}"
    place = found.parent if found.name == "__init__.py" else found
    return (
        f"{place} is found before {DISTRIBUTION}'s own package {name!r} ({ours.parent});"
        f"{_others(name)} rename it, or take its folder off PYTHONPATH"
    )


def _origin(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except ValueError:
        return None  # Someone has put a module without a spec into sys.modules.
    return Path(spec.origin) if spec is not None and spec.origin is not None else None


def _is_ours(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return _MARK.search(file.read(_READ)) is not None
    except OSError:
        return False


def _others(name: str) -> str:
    """Return a half sentence on the other distributions that installed a package of this name."""
    found = set()
    for distribution in importlib.metadata.distributions():
        metadata = distribution.metadata
        told = metadata["Name"] if metadata is not None else None
        if not told or told == DISTRIBUTION:
            continue
        if any(file.parts[0] in (name, f"{name}.py") for file in distribution.files or ()):
            found.add(f"{told} {metadata['Version']}")
    if not found:
        return ""
    names = " and ".join(sorted(found))
    remove = " ".join(entry.split()[0] for entry in sorted(found))
    return f" {names} installed a package of this name too (pip uninstall {remove});"
