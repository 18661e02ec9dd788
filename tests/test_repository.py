"""What holds for the files of the checkout as a whole."""

import os
import stat
import tomllib
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent


def test_the_commands_are_executable() -> None:
    for name in ("scripts/train", "scripts/fivestep", "scripts/test", ".ci/run"):
        assert (REPO / name).stat().st_mode & stat.S_IXUSR, f"chmod +x {name}"


def test_no_file_names_an_address_to_install_from() -> None:
    # Put together here, so that this file does not hold them itself.
    hosts = ["pypi" + ".org", "python" + "hosted", "download." + "pytorch", "npmjs" + "."]
    options = ["index" + "-url", "find" + "-links", "trusted" + "-host"]
    apart = {"runs", "dist", "__pycache__"}
    found = []
    for folder, names, files in os.walk(REPO):
        names[:] = [name for name in names if name not in apart and name[:1] != "."]
        for file in map(Path(folder).joinpath, files):
            text = file.read_text(errors="replace")
            found += [f"{file}: {each}" for each in [*hosts, *options] if each in text]
    assert found == []


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    lines = (REPO / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(pin.count("==") == 1 for pin in pins)
    names = {pin.split("==")[0] for pin in pins}
    assert {line.split(">")[0].strip() for line in wanted} <= names
