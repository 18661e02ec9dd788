import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import trainer.installation

MARK = '__distribution__ = "fivestep"\n'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder that looks like site-packages with an installed fivestep."""
    site = tmp_path / "site"
    source = Path(trainer.installation.__file__).parent
    for name in ("trainer", "models", "data"):
        (site / name).mkdir(parents=True)
        (site / name / "__init__.py").write_text(f'"""Ours."""\n\n{MARK}')
    for name in ("installation.py", "errors.py"):
        shutil.copy(source / name, site / "trainer")
    record(site, "fivestep", "0.1.0", ["trainer/__init__.py", "models/__init__.py"])
    return site


def record(site: Path, name: str, version: str, files: list[str]) -> None:
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))


def check(*path: Path) -> str:
    """What `check` says in a fresh process; its last line tells what it has imported."""
    program = """
import sys
from trainer import installation
try:
    installation.check()
except ValueError as error:
    print(error.exit_code, error)
assert "models" not in sys.modules and "torch" not in sys.modules
print("metadata" if "email.parser" in sys.modules else "quick")
"""
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": os.pathsep.join(map(str, path)), "PATH": os.environ["PATH"]},
        cwd=path[-1].parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_intact_says_nothing_and_looks_nothing_up(site: Path) -> None:
    assert check(site) == "quick\n"


def test_overwritten(site: Path) -> None:
    (site / "models" / "__init__.py").write_text("raise SystemExit('a stranger was run')\n")
    record(site, "modelkit", "2.0", ["models/__init__.py", "models/x.py"])
    said = check(site)
    assert said.startswith("2 the package 'models' of fivestep was overwritten")
    assert "modelkit 2.0" in said and "pip uninstall modelkit" in said
    assert "pip install --force-reinstall" in said


def test_half_deleted(site: Path) -> None:
    (site / "data" / "__init__.py").unlink()
    assert "'data' of fivestep is incomplete" in check(site)
    shutil.rmtree(site / "data")
    assert "'data' of fivestep is incomplete" in check(site)


@pytest.mark.parametrize("form", ["package", "module"])
def test_shadowed(site: Path, tmp_path: Path, form: str) -> None:
    project = tmp_path / "project"
    place = project / "models" / "__init__.py" if form == "package" else project / "models.py"
    place.parent.mkdir(parents=True)
    place.write_text("raise SystemExit('a stranger was run')\n")
    said = check(project, site)
    assert f"2 {place.parent if form == 'package' else place} is found before" in said
    assert str(site / "models") in said and "PYTHONPATH" in said


def test_a_folder_without_init_shadows_nothing(site: Path, tmp_path: Path) -> None:
    (tmp_path / "project" / "data").mkdir(parents=True)
    assert check(tmp_path / "project", site) == "quick\n"


def test_a_second_installation_of_ours_is_no_mixture(site: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "models"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text(MARK)
    assert "is found before" in check(tmp_path / "other", site)


def test_all_problems_at_once(site: Path) -> None:
    (site / "data" / "__init__.py").unlink()
    (site / "models" / "__init__.py").write_text("")
    said = check(site)
    assert "2 problems" in said and "'data'" in said and "'models'" in said
