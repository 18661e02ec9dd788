"""The wheel holds our three packages with conf/ inside, and works away from the checkout."""

import configparser
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

REPO = Path(__file__).resolve().parent.parent
PACKAGES = ("trainer", "models", "data")


class Built(NamedTuple):
    """The two archives of one build."""

    sdist: Path
    wheel: Path


def build(source: Path, target: Path) -> Built:
    """Build both archives of a source tree, with no network."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", target],
        cwd=source,
        check=True,
        capture_output=True,
        timeout=60,
    )
    return Built(next(target.glob("*.tar.gz")), next(target.glob("*.whl")))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(REPO, tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def unpacked(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the wheel's content lies, as in a site-packages of its own."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(built.wheel) as wheel:
        wheel.extractall(folder)
    return folder


def files(folder: Path, prefix: str) -> set[str]:
    """The files under a folder as they are named in the wheel, without byte code."""
    return {
        f"{prefix}/{path.relative_to(folder).as_posix()}"
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def content(wheel: Path) -> set[str]:
    """What a wheel installs, its own records aside."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_wheel_holds_the_packages_and_conf_and_nothing_else(built: Built) -> None:
    names = (*PACKAGES, "hydra_plugins/fivestep")
    expected = set().union(*(files(REPO / "src" / name, name) for name in names))
    expected |= files(REPO / "conf", "trainer/conf")
    assert content(built.wheel) == expected
    assert "trainer/conf/train.yaml" in expected
    assert {f"{name}/py.typed" for name in PACKAGES} <= expected


def test_wheel_of_the_sdist_is_the_same(built: Built, tmp_path: Path) -> None:
    with tarfile.open(built.sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    assert files(source / "conf", "conf") == files(REPO / "conf", "conf")
    for name in ("LICENSE", "README.md", "constraints.txt", "scripts/train", ".ci/run"):
        assert (source / name).is_file(), name
    assert content(build(source, tmp_path / "again").wheel) == content(built.wheel)


def test_wheel_says_licence_and_python(unpacked: Path) -> None:
    (info,) = unpacked.glob("fivestep-*.dist-info")
    lines = (info / "METADATA").read_text().splitlines()
    assert "License-Expression: Apache-2.0" in lines
    assert any(
        line.startswith("Requires-Python:") and "<3.14" in line and ">=3.11" in line
        for line in lines
    )
    licence = (info / "licenses/LICENSE").read_text()
    assert licence == (REPO / "LICENSE").read_text()
    assert "Copyright 2026 The fivestep developers" in licence


def run_command(unpacked: Path, cwd: Path, name: str, *arguments: str) -> str:
    """Run an entry point of the unpacked wheel from another folder, as its script would."""
    (info,) = unpacked.glob("fivestep-*.dist-info")
    entries = configparser.ConfigParser()
    entries.read(info / "entry_points.txt")
    module, function = entries["console_scripts"][name].split(":")
    code = (
        f"import sys, {module}, models, data; sys.argv = {[name, *arguments]!r}; "
        f"away = [m.__file__ for m in ({module}, models, data) "
        f"if not m.__file__.startswith({str(unpacked)!r})]; "
        f"sys.exit(f'not from the wheel: {{away}}' if away else {module}.{function}())"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(unpacked), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_help_from_the_wheel_names_the_choices(unpacked: Path, tmp_path: Path) -> None:
    shown = run_command(unpacked, tmp_path, "train", "--help")
    for group in ("data", "model", "optimizer", "scheduler", "experiment"):
        assert group in shown
    assert "rmsprop" in shown


def test_show_from_the_wheel_composes_its_own_conf(unpacked: Path, tmp_path: Path) -> None:
    choice = unpacked / "trainer/conf/optimizer/only_in_this_wheel.yaml"
    adam = (choice.parent / "adam.yaml").read_text()
    choice.write_text(adam)
    try:
        shown = run_command(unpacked, tmp_path, "fivestep", "show", "optimizer=only_in_this_wheel")
    finally:
        choice.unlink()
    assert "torch.optim.Adam" in shown


def test_train_from_the_wheel(unpacked: Path, tmp_path: Path) -> None:
    arguments = ["trainer.steps=2", "evaluation.baselines=false", "export=none", "run.dir=made"]
    run_command(unpacked, tmp_path, "train", *arguments)
    assert '"finished"' in (tmp_path / "made/status.json").read_text()
