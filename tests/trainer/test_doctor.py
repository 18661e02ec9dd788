"""The doctor's probes, its look at the machine, and what it prints."""

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from trainer.commands import diagnosis
from trainer.doctor.check import Check
from trainer.doctor.machine import command_checks, home_check, runs_check, sized
from trainer.doctor.probing import Probe


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("__version__ = '9.9'", ""),
        ("raise OSError('libcudart.so.13: cannot open')", "fails: OSError: libcudart.so.13"),
        ("import os; os.kill(os.getpid(), 11)", "import torchaudio crashed (SIGSEGV)"),
        ("import sys; sys.exit(3)", "fails: exit code 3"),
        ("import time; time.sleep(60)", "gave no answer within 1 s"),
    ],
)
def test_a_package_that_breaks_is_told_and_breaks_nothing(
    body: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torchaudio.py").write_text(body)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    probe = Probe("torchaudio")
    outcome = probe.outcome(timeout=1 if "sleep" in body else 30)
    assert told in outcome.error and bool(outcome.error) == bool(told)
    assert outcome.facts == ({} if told else {"version": "9.9"})
    assert probe.process is not None and probe.process.returncode is not None
    probe.close()


def test_a_file_in_the_current_folder_is_not_what_is_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torchaudio.py").write_text("__version__ = 'mine'")
    (tmp_path / "json.py").write_text("raise RuntimeError")
    own = tmp_path / "path"
    own.mkdir()
    (own / "torchaudio.py").write_text("__version__ = '9.9'")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(own))
    assert Probe("torchaudio").outcome().facts == {"version": "9.9"}


def test_what_is_not_installed_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    outcome = Probe("torch").outcome()
    assert outcome.missing and outcome.error == "not installed"


def test_little_room_is_noted_and_too_little_is_a_problem() -> None:
    assert sized("disk", 10_000, 100, 10, "free some") == Check("disk", "ok", "10.0 kB free")
    assert sized("disk", 50, 100, 10, "free some").grade == "note"
    assert sized("disk", 5, 100, 10, "free some").grade == "problem"


def test_runs_that_can_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert runs_check(Path("runs")).grade == "ok" and not os.listdir()  # noqa: PTH208
    Path("runs").write_text("")
    assert "runs is a file" in runs_check(Path("runs")).value

    def refuse(**_: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    check = runs_check(tmp_path / "elsewhere")
    assert check.grade == "problem" and "(Read-only file system)" in check.value
    assert "run.dir=FOLDER" in check.advice
    assert "can't be written" in home_check(tmp_path / "home").value


def test_the_key_and_its_permissions(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert home_check(home) == Check("signing", "ok", f"the first run makes a key in {home}")
    assert not home.exists()
    home.mkdir()
    key = home / "signing.key"
    key.write_bytes(b"0" * 32)
    key.chmod(0o644)
    check = home_check(home)
    assert check.grade == "problem" and f"chmod 600 {key}" in check.advice
    key.chmod(0o600)
    assert home_check(home).grade == "ok"
    key.unlink()
    key.mkdir()
    assert "is no file" in home_check(home).value
    (tmp_path / "file").write_text("")
    assert home_check(tmp_path / "file" / "home").grade == "problem"
    assert home_check(None).grade == "problem"


def test_commands_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Path(sys.executable).parent
    monkeypatch.delenv("FIVESTEP_COMMAND", raising=False)
    monkeypatch.setenv("PATH", str(here))
    assert [check.grade for check in command_checks()] == ["ok", "ok"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert all("is not on PATH; start it with: " in check.value for check in command_checks())
    (tmp_path / "train").write_text("#!/bin/sh\n")
    (tmp_path / "train").chmod(0o755)
    first, second = command_checks()
    assert first.grade == "note" and "of another environment" in first.value
    assert "is not on PATH" in second.value


# the report


def test_lines_are_aligned_and_fit_into_eighty_columns() -> None:
    checks = [
        Check("torch", "ok", "2.14.1"),
        Check("torchvision", "problem", "word " * 40, "pip install " + "thing " * 20),
    ]
    plain = ["".join(text for text, _ in line).rstrip() for line in diagnosis.lines(checks, 200)]
    assert plain[0] == "ok       torch        2.14.1"
    assert plain[1].startswith("problem  torchvision  word word")
    assert all(len(line) <= 80 for line in plain)
    assert all(line.startswith(" " * 22) for line in plain[2:])
    assert sum("-> pip install thing" in line for line in plain) == 1
    narrow = diagnosis.lines(checks, 40)
    assert all(len("".join(text for text, _ in line).rstrip()) <= 44 for line in narrow)


def test_the_summary_counts() -> None:
    ok, note, bad = Check("a", "ok", ""), Check("a", "note", ""), Check("a", "problem", "")
    assert diagnosis.summary([ok]) == "No problems."
    assert diagnosis.summary([ok, note, note]) == "No problems, 2 notes."
    assert diagnosis.summary([bad, note]) == "1 problem, 1 note: see the arrows."


def test_it_is_shown_without_rich(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setitem(sys.modules, "rich", None)
    diagnosis.show(
        [Check("rich", "problem", "not installed\x1b[31m", "pip install rich")], sys.stdout
    )
    told = capsys.readouterr().out
    assert "problem  rich  not installed\\x1b[31m" in told and "-> pip install rich" in told


def test_nothing_of_it_imports_torch() -> None:
    program = (
        "import sys\nimport trainer.doctor.examination, trainer.commands.doctor\n"
        "import trainer.commands.diagnosis\n"
        "assert not {'torch', 'numpy', 'rich', 'hydra'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
