"""scripts/train, fivestep and test with a stub for Python and pip, so that nothing is installed."""

import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent
TOOLS = ["bash", "cat", "chmod", "cp", "env", "find", "mkdir", "readlink", "rm", "sed", "sleep"]
TOOLS += ["tail", "tee", "uname"]

# Answers like Python for what the scripts ask of it: its version, a venv, pip, and a lock (real).
STUB = f"""#!/usr/bin/env bash
set -eu
here=$(readlink -f -- "${{BASH_SOURCE[0]}}")
home=${{STUB_HOME:?}}
while [[ ${{1:-}} == -I ]]; do shift; done
case "$1 ${{2:-}}" in
  "-c "*version_info*) cat "$here.version" ;;
  "-c "*) exec "{sys.executable}" "$@" ;;
  "-m venv")
    printf 'venv\\n' >>"$home/calls"
    mkdir -p "$3/bin"
    cp "$here" "$3/bin/python"
    cp "$here.version" "$3/bin/python.version"
    ;;
  "-m pip")
    printf '%s\\n' "$*" >>"$home/calls"
    echo "pip's own words"
    if [[ -e $home/slow ]]; then sleep 1; fi
    if [[ -e $home/killed ]]; then kill -9 $$; fi
    if [[ -e $home/offline ]]; then exit 1; fi
    for target in "${{here%/*}}/train" "${{here%/*}}/fivestep"; do
      printf '%s\\n' '#!/usr/bin/env bash' 'echo "in $PWD as $FIVESTEP_COMMAND"' \\
        'printf "<%s>\\n" "$@"' 'exit "${{TRAIN_EXIT:-0}}"' >"$target"
      chmod +x "$target"
    done
    ;;
  "-m "*)
    printf '%s\\n' "$*" | tee -a "$home/calls"
    [[ " ${{FAILING:-}} " != *" $2 "* ]] || exit 3
    ;;
esac
"""


@dataclass
class Checkout:
    """A copy of the scripts in a folder of its own, with a PATH that holds nothing else."""

    root: Path
    bin: Path
    home: Path

    def python(self, name: str = "python3.12", version: str = "3.12") -> Path:
        """Put a stub on the PATH."""
        path = self.bin / name
        path.write_text(STUB)
        path.chmod(0o755)
        (self.bin / f"{name}.version").write_text(version + "\n")
        return path

    def run(
        self,
        *command: str | Path,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as a user would, with only the stubs to be found."""
        return subprocess.run(
            [str(part) for part in command],
            cwd=cwd or self.root,
            env={"PATH": str(self.bin), "STUB_HOME": str(self.home), **(environment or {})},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def train(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """scripts/train of this checkout."""
        return self.run(self.root / "scripts/train", *arguments, environment=environment)

    def calls(self) -> list[str]:
        """What was asked of Python since the last time."""
        log = self.home / "calls"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout in a folder with a space in its name, and no Python yet."""
    root, tools, home = tmp_path / "a checkout", tmp_path / "bin", tmp_path / "home"
    for folder in (root, tools, home):
        folder.mkdir()
    shutil.copytree(REPO / "scripts", root / "scripts")
    shutil.copytree(REPO / ".ci", root / ".ci")
    (root / "pyproject.toml").write_text("[project]\n")
    (root / "constraints.txt").write_text("torch==1\n")
    for name in TOOLS:
        found = shutil.which(name)
        assert found, name
        (tools / name).symlink_to(found)
    return Checkout(root, tools, home)


INSTALL = "-m pip install --disable-pip-version-check --no-input -c constraints.txt -e ."


def test_first_use_installs_with_one_line_and_the_second_does_nothing(checkout: Checkout) -> None:
    checkout.python()
    first = checkout.train("optimizer.lr=1")
    assert first.returncode == 0
    assert len(first.stderr.splitlines()) == 1
    assert "first use" in first.stderr and "PyTorch" in first.stderr and "GB" in first.stderr
    assert first.stdout.splitlines()[1:] == ["<optimizer.lr=1>"]
    assert checkout.calls() == ["venv", INSTALL]
    assert "pip's own words" in (checkout.root / ".venv/install.log").read_text()

    second = checkout.train()
    assert (second.returncode, second.stderr, checkout.calls()) == (0, "", [])


def test_arguments_status_and_folder_pass_through(checkout: Checkout, tmp_path: Path) -> None:
    checkout.python()
    given = ["run.name=two words", "", "*", "a'b\"c", "$HOME", "x=[1, 2]"]
    result = checkout.run(
        checkout.root / "scripts/train", *given, cwd=tmp_path, environment={"TRAIN_EXIT": "7"}
    )
    assert result.returncode == 7
    where, *passed = result.stdout.splitlines()
    assert passed == [f"<{argument}>" for argument in given]
    assert where == f"in {tmp_path} as {checkout.root}/scripts/train"


def test_fivestep_is_set_up_in_the_same_way(checkout: Checkout, tmp_path: Path) -> None:
    checkout.python()
    first = checkout.run(checkout.root / "scripts/fivestep", "list", "model", cwd=tmp_path)
    assert (first.returncode, checkout.calls()) == (0, ["venv", INSTALL])
    assert first.stdout.splitlines() == [
        f"in {tmp_path} as {checkout.root}/scripts/fivestep",
        "<list>",
        "<model>",
    ]
    assert checkout.train().stderr == ""


def test_works_through_a_symlink_and_a_relative_path(checkout: Checkout, tmp_path: Path) -> None:
    checkout.python()
    (tmp_path / "links").mkdir()
    (tmp_path / "links/mytrain").symlink_to("../a checkout/scripts/train")
    first = checkout.run("./links/mytrain", cwd=tmp_path)
    assert first.stdout.startswith(f"in {tmp_path} as ./links/mytrain\n")
    assert (checkout.root / ".venv/bin/train").exists()
    checkout.calls()
    again = checkout.run("scripts/train")
    assert again.stdout.startswith(f"in {checkout.root} as scripts/train\n")
    assert checkout.calls() == []


@pytest.mark.parametrize("name", ["constraints.txt", "pyproject.toml"])
def test_changed_pins_are_installed_once(checkout: Checkout, name: str) -> None:
    checkout.python()
    checkout.train()
    checkout.calls()
    (checkout.root / name).write_text("torch==2\n")
    result = checkout.train()
    assert result.stderr.startswith("Updating ")
    assert checkout.calls() == [INSTALL]
    assert checkout.train().stderr == ""


def test_the_test_tools_stay_once_they_are_there(checkout: Checkout) -> None:
    checkout.python()
    checkout.train()
    checkout.calls()
    checkout.run("scripts/test", "-k", "x")
    assert checkout.calls() == [INSTALL + "[dev]", "-m pytest -k x"]
    assert checkout.train().stderr == ""
    (checkout.root / "constraints.txt").write_text("torch==2\n")
    checkout.train()
    assert checkout.calls() == [INSTALL + "[dev]"]


def test_a_failed_install_says_why_and_is_taken_up_again(checkout: Checkout) -> None:
    checkout.python()
    (checkout.home / "offline").touch()
    result = checkout.train()
    assert (result.returncode, result.stdout) == (1, "")
    assert "pip could not install everything" in result.stderr
    assert "  | pip's own words" in result.stderr
    assert "run the same command again" in result.stderr
    (checkout.home / "offline").unlink()
    checkout.calls()
    again = checkout.train("x")
    assert (again.returncode, again.stdout.splitlines()[1:]) == (0, ["<x>"])
    assert checkout.calls() == [INSTALL]


def test_an_install_that_was_killed_is_redone_from_nothing(checkout: Checkout) -> None:
    checkout.python()
    (checkout.home / "killed").touch()
    assert checkout.train().returncode == 1
    (checkout.home / "killed").unlink()
    checkout.calls()
    (checkout.root / ".venv/half").touch()
    again = checkout.train()
    assert again.returncode == 0 and "broken off" in again.stderr
    assert checkout.calls() == ["venv", INSTALL]
    assert not (checkout.root / ".venv/half").exists()


def test_a_moved_checkout_gets_a_new_environment(checkout: Checkout, tmp_path: Path) -> None:
    checkout.python()
    checkout.train()
    checkout.calls()
    checkout.root = checkout.root.rename(tmp_path / "elsewhere")
    assert "the checkout has moved" in checkout.train().stderr
    assert checkout.calls() == ["venv", INSTALL]


def test_an_environment_whose_python_is_gone_is_made_anew(checkout: Checkout) -> None:
    checkout.python()
    checkout.train()
    checkout.calls()
    (checkout.root / ".venv/bin/python").unlink()
    assert "its Python is gone" in checkout.train().stderr
    assert checkout.calls() == ["venv", INSTALL]


def test_two_starts_at_once_install_once(checkout: Checkout) -> None:
    checkout.python()
    (checkout.home / "slow").touch()
    with ThreadPoolExecutor() as pool:
        first = pool.submit(checkout.train)
        time.sleep(0.3)
        results = [pool.submit(checkout.train).result(), first.result()]
    assert [result.returncode for result in results] == [0, 0]
    assert checkout.calls() == ["venv", INSTALL]
    assert results[1].stderr.startswith("Setting up ")
    assert results[0].stderr.startswith("Waiting for the set-up")


def test_the_newest_python_that_runs_is_taken(checkout: Checkout) -> None:
    shim = checkout.bin / "python3.13"
    shim.write_text(
        "#!/usr/bin/env bash\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n"
    )
    shim.chmod(0o755)
    checkout.python("python3.12", "3.12 without ensurepip")
    checkout.python("python3.11", "3.11")
    checkout.python("python3", "3.14")
    assert checkout.train().returncode == 0
    assert (checkout.root / ".venv/bin/python.version").read_text() == "3.11\n"


def test_fivestep_python_comes_first(checkout: Checkout) -> None:
    checkout.python("python3.13", "3.13")
    mine = checkout.python("mine", "3.11")
    assert checkout.train(environment={"FIVESTEP_PYTHON": str(mine)}).returncode == 0
    assert (checkout.root / ".venv/bin/python.version").read_text() == "3.11\n"


@pytest.mark.parametrize(
    ("pythons", "chosen", "says"),
    [
        ({}, "", "no working Python on the PATH"),
        ({"python3": "3.14"}, "", "python3 is 3.14"),
        ({"python3": "3.10"}, "", "python3 is 3.10"),
        ({"python": "2.7 without ensurepip"}, "", "python is 2.7;"),
        ({"python3": "3.12 without ensurepip"}, "", "python3-venv"),
        ({"python3.13": "3.13"}, "/no/such/python", "FIVESTEP_PYTHON (/no/such/python)"),
    ],
)
def test_no_suitable_python_is_told_in_one_line(
    checkout: Checkout, pythons: dict[str, str], chosen: str, says: str
) -> None:
    for name, version in pythons.items():
        checkout.python(name, version)
    result = checkout.train(environment={"FIVESTEP_PYTHON": chosen} if chosen else None)
    assert (result.returncode, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("error: ") and says in result.stderr
    assert "3.11" in result.stderr or "3.13" in result.stderr
    assert checkout.calls() == []


@pytest.mark.parametrize("failing", ["", "ruff", "mypy", "pytest"])
def test_all_checks_run_and_pytest_comes_last(checkout: Checkout, failing: str) -> None:
    checkout.python()
    result = checkout.run(
        checkout.root / ".ci/run", cwd=Path("/"), environment={"FAILING": failing}
    )
    assert checkout.calls()[2:] == [
        "-m ruff check .",
        "-m ruff format --check .",
        "-m mypy --strict",
        "-m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=15",
    ]
    assert (result.returncode != 0) == bool(failing)
    assert (
        result.stdout.splitlines()[-1]
        == "-m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=15"
    )
    if failing in ("ruff", "mypy"):
        assert f"FAILED: {failing}" in result.stdout
