"""Installed packages against the bounds of fivestep, and against what is tested together."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.doctor.check import Check
from trainer.errors import Refused
from trainer.installation import DISTRIBUTION
from trainer.installation import check as check_installation
from trainer.pasting import nearest

if TYPE_CHECKING:
    from packaging.requirements import Requirement

TOGETHER = ("torch", "torchvision", "torchaudio")
# What each is for; those that fivestep requires are looked at with its bounds.
OPTIONAL = {
    "optuna": "sweeps that search: sweep=random, sweep=bayes",
    "timm": "its models: model=timm",
    "transformers": "its models, as in docs/other-models.md",
    "hydra-joblib-launcher": "Hydra's own parallel launcher, in place of ours",
    "hydra-submitit-launcher": "sweeps on a Slurm cluster",
}
SHOWN = 3
CHECKOUT = Path(__file__).resolve().parents[3]
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;#]+)", re.MULTILINE)


def package_checks() -> Iterator[Check]:
    """Python, fivestep's own packages, the bounds, the tested versions, what is optional."""
    needed = requirements()
    yield python_check()
    yield own_check()
    if needed is None:
        yield Check(
            "packages",
            "problem",
            "packaging is not installed, so no versions were compared",
            "pip install packaging",
        )
        return
    yield from bounds_checks(needed)
    yield from fit_checks()
    yield from tested_check(CHECKOUT / "constraints.txt")
    required = {normal(requirement.name) for requirement in needed}
    yield from optional_checks([name for name in OPTIONAL if name not in required])


def requirements() -> list[Requirement] | None:
    """What fivestep requires on this machine, without extras; None where nobody can read it."""
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return None
    try:
        lines = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        lines = []
    found = [Requirement(line) for line in lines]
    return [r for r in found if r.marker is None or r.marker.evaluate({"extra": ""})]


def python_check() -> Check:
    """The line about Python and its supported range."""
    version = platform.python_version()
    told = f"{version}, {sys.executable}"
    try:
        from packaging.specifiers import SpecifierSet

        supported = importlib.metadata.metadata(DISTRIBUTION)["Requires-Python"]
    except (ImportError, KeyError, importlib.metadata.PackageNotFoundError):
        return Check("Python", "ok", told)  # who is missing has a line of their own
    if supported and not SpecifierSet(supported).contains(version, prereleases=True):
        advice = f"make an environment with a Python that is {supported}"
        return Check("Python", "problem", f"{told}, but fivestep needs {supported}", advice)
    return Check("Python", "ok", told)


def own_check() -> Check:
    """Whether trainer, models and data are ours, and where they lie."""
    try:
        check_installation()
    except Refused as error:
        what, _, advice = error.problems[0].rpartition("; ")
        return Check("fivestep", "problem", what or advice, advice)
    version = installed(DISTRIBUTION)
    place = nearest(CHECKOUT / "src" if (CHECKOUT / "pyproject.toml").is_file() else CHECKOUT)
    if version is None:
        told = f"run from {place} without being installed: bounds can't be compared"
        return Check("fivestep", "note", told, f"pip install -e {nearest(CHECKOUT)}")
    return Check("fivestep", "ok", f"{version}, in {place}")


def bounds_checks(needed: Sequence[Requirement]) -> Iterator[Check]:
    """A line for each package that is missing or out of bounds; one where all is well."""
    wrong = 0
    for requirement in needed:
        version = installed(requirement.name)
        if version is None:
            told = f"not installed; fivestep needs {shown(requirement)}"
        elif not requirement.specifier.contains(version, prereleases=True):
            told = f"{version} is installed, but fivestep needs {shown(requirement)}"
        else:
            continue
        wrong += 1
        yield Check(requirement.name, "problem", told, install(shown(requirement)))
    if needed and not wrong:
        yield Check("packages", "ok", f"all {len(needed)} that fivestep needs are within bounds")


def fit_checks() -> Iterator[Check]:
    """A line for torchvision or torchaudio made for another torch, by their own metadata."""
    from packaging.requirements import Requirement

    torch = installed("torch")
    for name in TOGETHER[1:]:
        try:
            lines = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for requirement in map(Requirement, lines):
            wanted = normal(requirement.name) == "torch" and torch is not None
            if wanted and not requirement.specifier.contains(str(torch), prereleases=True):
                told = f"{installed(name)} is made for torch{requirement.specifier}, not {torch}"
                yield Check(name, "problem", told, reinstall())


def tested_check(constraints: Path) -> Iterator[Check]:
    """In a checkout: how many packages are not in the version that is tested."""
    from packaging.specifiers import SpecifierSet

    try:
        pins = PIN.findall(constraints.read_text(encoding="utf-8"))
    except OSError:
        return  # not a checkout
    have = [(name, pin, installed(name)) for name, pin in pins]
    others = [
        f"{name} {version} (tested: {pin})"
        for name, pin, version in have
        if version is not None and not SpecifierSet(f"=={pin}").contains(version, prereleases=True)
    ]
    if not others:
        count = sum(version is not None for _, _, version in have)
        yield Check("pins", "ok", f"{count} packages are as in constraints.txt")
        return
    more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
    advice = f"pip install -c {nearest(constraints)} -e {nearest(CHECKOUT)}"
    told = f"not as tested: {', '.join(others[:SHOWN])}{more}"
    yield Check("pins", "note", told, advice)


def optional_checks(names: Sequence[str]) -> Iterator[Check]:
    """One line for what is there, and one for each package that is not, with what it is for."""
    there = [f"{name} {version}" for name in names if (version := installed(name))]
    if there:
        yield Check("optional", "ok", ", ".join(there))
    for name in names:
        if installed(name) is None:
            yield Check(name, "note", f"not installed; for {OPTIONAL[name]}", install(name))


def installed(name: str) -> str | None:
    """The version of a distribution; None where it isn't there."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def normal(name: str) -> str:
    """A distribution's name as names are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def shown(requirement: Requirement) -> str:
    """`numpy>=2.2,<3`, the lower bound first."""
    bounds = sorted(map(str, requirement.specifier), key=lambda bound: bound[0] != ">")
    return f"{requirement.name}{','.join(bounds)}"


def install(*wanted: str) -> str:
    """The command that installs packages."""
    return f"pip install {shlex.join(wanted)}"


def reinstall() -> str:
    """The command that puts torch and its companions in order."""
    known = {normal(r.name): shown(r) for r in requirements() or []}
    return install("--force-reinstall", *(known.get(name, name) for name in TOGETHER))
