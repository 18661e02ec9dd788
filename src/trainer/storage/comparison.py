"""What differs between two records of where a run ran, as far as it can change its numbers."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from trainer.storage.own_code import hashed

# What else is installed doesn't take part in the arithmetic, or is told by the user's own code.
NUMERIC = (
    *("fivestep", "numpy", "torchvision", "torchaudio", "timm", "transformers", "scikit-learn"),
    *("scipy", "pillow", "triton"),
)
_LONGEST = 60  # characters of a value that are shown
_SHORT = 10  # characters of a hash or a commit


class Difference(NamedTuple):
    """Something that was otherwise, in words."""

    name: str
    was: str
    now: str


def shown(value: object) -> str:
    """Return a value as it is told: printable (it may be a stranger's), and not too long."""
    text = "".join(c if c.isprintable() else "?" for c in str(value)) or "''"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def lines(differences: Iterable[Difference], was: str = "was", now: str = "is") -> list[str]:
    """Return a table of three columns, its titles first, indented by two."""
    rows = [Difference("", was, now), *differences]
    name, before = (max(len(row[column]) for row in rows) for column in (0, 1))
    return [f"  {row.name:{name}}  {row.was:{before}}  {row.now}".rstrip() for row in rows]


def between(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """Return what differs between two contents of environment.json, what matters most first.

    What one of them doesn't know is not compared; of packages only those that compute.
    """
    before, after = facts(was), facts(now)
    names = [name for name in before if name in after and before[name] != after[name]]
    found = [Difference(name, shown(before[name]), shown(after[name])) for name in names]
    return [*found, *_modules(was, now)]


def other_packages(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """Return the packages that differ beside those of `between`."""
    before, after = versions(was), versions(now)
    if not before or not after:
        return []
    return [
        Difference(name, before.get(name, "none"), after.get(name, "none"))
        for name in sorted({*before, *after} - {*NUMERIC, "torch"})
        if before.get(name) != after.get(name)
    ]


def facts(environment: Mapping[str, Any]) -> dict[str, str]:
    """Return what can change a run's numbers, by the name under which it is told."""
    packages = versions(environment)
    found = {
        "threads": _at(environment, "threads"),
        "device": _at(environment, "device"),
        "GPU": _at(environment, "gpu", "name"),
        "torch": _at(environment, "torch", "version"),
        "torch's CUDA": _at(environment, "torch", "cuda"),
        "cuDNN": _at(environment, "gpu", "cudnn"),
        "GPU driver": _at(environment, "gpu", "driver"),
        **{name: packages.get(name) for name in NUMERIC},
        "Python": _at(environment, "python"),
        "CPU": _at(environment, "cpu", "name"),
        "CPU kernels": _at(environment, "torch", "cpu_capability"),
        "git": _git(environment),
        "data": (_at(environment, "data_fingerprint") or "")[:_SHORT] or None,
        "seed": _at(environment, "seeds", "seed"),
        "split seed": _at(environment, "seeds", "split_seed"),
    }
    return {name: value for name, value in found.items() if value is not None}


def versions(environment: Mapping[str, Any]) -> dict[str, str]:
    """Return the version of each package, by its name in lower case."""
    packages = environment.get("packages")
    if not isinstance(packages, list):
        return {}
    pairs = (str(text).partition("==") for text in packages)
    return {name.lower().replace("_", "-"): version for name, _, version in pairs}


def _at(environment: Mapping[str, Any], *path: str) -> str | None:
    value: Any = environment
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    # Of a record that is damaged or a stranger's, anything can stand anywhere.
    return str(value) if isinstance(value, str | int | float) else None


def _git(environment: Mapping[str, Any]) -> str | None:
    commit, diff = _at(environment, "git", "commit"), _at(environment, "git", "diff")
    if commit is None or not diff:
        return commit and commit[:_SHORT]
    changes = hashlib.sha256(diff.encode(errors="replace")).hexdigest()[:6]
    return f"{commit[:_SHORT]} and changes ({changes})"


def _modules(was: Mapping[str, Any], now: Mapping[str, Any]) -> Sequence[Difference]:
    before, after = (each.get("modules") for each in (was, now))
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return []
    found = []
    for name, sha256 in before.items():
        # One that is not imported yet, or no longer, may lie there all the same.
        other = after.get(name) or hashed(str(name))
        if other != sha256:
            told = str(other)[:_SHORT] if other else "not there"
            found.append(Difference(shown(name), shown(str(sha256)[:_SHORT]), told))
    return found
