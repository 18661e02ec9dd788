"""Packages that are missing, out of bounds, untested, or not ours."""

import importlib.metadata
import platform
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from trainer.doctor import packages
from trainer.doctor.check import Check


def only(checks: Any, topic: str) -> Check:
    (found,) = [check for check in checks if check.topic == topic]
    assert isinstance(found, Check)
    return found


def needs(*lines: str) -> list[Requirement]:
    return list(map(Requirement, lines))


def test_bounds_of_the_installed_metadata_are_kept_here() -> None:
    found = list(packages.package_checks())
    assert only(found, "packages").grade == "ok" and only(found, "fivestep").grade == "ok"
    assert only(found, "Python").value.startswith(platform.python_version())


def test_a_missing_package_and_a_wrong_version() -> None:
    checks = list(packages.bounds_checks(needs("numpy>=1000,<2000", "no_such_thing>=1", "rich")))
    version = importlib.metadata.version("numpy")
    told = f"{version} is installed, but fivestep needs numpy>=1000,<2000"
    assert checks[0] == Check("numpy", "problem", told, "pip install 'numpy>=1000,<2000'")
    assert checks[1].value == "not installed; fivestep needs no_such_thing>=1"
    assert len(checks) == 2


def test_an_extra_is_not_required() -> None:
    needed = packages.requirements()
    assert needed is not None and "torch" in [r.name for r in needed]
    assert not {"ruff", "mypy"} & {r.name for r in needed}


def test_a_companion_made_for_another_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    have = {"torch": "2.13.0+cpu", "torchvision": "0.29.1", "torchaudio": "2.11.0"}
    wants = {"torchvision": ["torch==2.14.1"], "torchaudio": ["torch>=2.9"]}
    monkeypatch.setattr(packages, "installed", have.get)
    monkeypatch.setattr(importlib.metadata, "requires", wants.get)
    (check,) = packages.fit_checks()
    assert check.topic == "torchvision" and check.grade == "problem"
    assert check.value == "0.29.1 is made for torch==2.14.1, not 2.13.0+cpu"
    have["torch"] = "2.14.1+cu130"
    assert list(packages.fit_checks()) == []


@pytest.mark.parametrize("version", ["3.9.1", "3.14.0"])
def test_a_python_out_of_range(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "python_version", lambda: version)
    check = packages.python_check()
    assert check.grade == "problem" and "but fivestep needs" in check.value and check.advice


def test_without_packaging_nothing_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "packaging.requirements", None)
    monkeypatch.setitem(sys.modules, "packaging.specifiers", None)
    check = only(packages.package_checks(), "packages")
    assert check.grade == "problem" and check.advice == "pip install packaging"


def test_sources_that_are_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise importlib.metadata.PackageNotFoundError(name)

    for name in ("requires", "version", "metadata"):
        monkeypatch.setattr(importlib.metadata, name, missing)
    found = list(packages.package_checks())
    assert only(found, "fivestep").grade == "note" and "pip install -e" in found[1].advice
    assert not [check for check in found if check.grade == "problem"]


def test_packages_that_a_stranger_has_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    from trainer.errors import Refused

    def replaced() -> None:
        raise Refused("/x/models is found before ours; other 1.0 has it too; rename it")

    monkeypatch.setattr(packages, "check_installation", replaced)
    check = packages.own_check()
    assert check.grade == "problem" and check.advice == "rename it"


def test_versions_that_are_not_those_tested(tmp_path: Path) -> None:
    rich, numpy = importlib.metadata.version("rich"), importlib.metadata.version("numpy")
    pins = tmp_path / "constraints.txt"
    pins.write_text(f"# a comment\nrich=={rich}\nnumpy==1.0\nno-such-thing==1\n")
    (check,) = packages.tested_check(pins)
    assert check.grade == "note" and check.value == f"not as tested: numpy {numpy} (tested: 1.0)"
    pins.write_text(f"rich=={rich}\n")
    (check,) = packages.tested_check(pins)
    assert check == Check("pins", "ok", "1 packages are as in constraints.txt")
    assert list(packages.tested_check(tmp_path / "none")) == []


def test_optional_packages_are_told_with_their_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "installed", {"timm": "1.0"}.get)
    there, missing = packages.optional_checks(["timm", "optuna"])
    assert there == Check("optional", "ok", "timm 1.0")
    assert missing.grade == "note" and "sweep=bayes" in missing.value
    assert missing.advice == "pip install optuna"
