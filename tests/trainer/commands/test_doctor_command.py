"""`fivestep doctor`: the exit code tells, --json is for programs; once for real."""

import json
import sys
from typing import Any

import pytest

from trainer.cli import main
from trainer.doctor import examination
from trainer.doctor.check import Check
from trainer.doctor.probing import Outcome


class Probes:
    """Stands in for the processes."""

    outcomes: dict[str, Outcome] = {}  # noqa: RUF012
    closed: list[str] = []  # noqa: RUF012

    def __init__(self, name: str) -> None:
        self.name = name

    def outcome(self) -> Outcome:
        return self.outcomes[self.name]

    def close(self) -> None:
        self.closed.append(self.name)


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> type[Probes]:
    Probes.outcomes = {
        name: Outcome(error="not installed", missing=True)
        for name in ("torch", "torchvision", "torchaudio")
    }
    Probes.closed = []
    monkeypatch.setattr(examination, "Probe", Probes)
    return Probes


def test_a_missing_torch_is_a_problem_told_once(
    probes: type[Probes], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone() -> Any:
        yield Check("Python", "ok", "3.12")
        yield Check("torch", "problem", "not installed; fivestep needs torch>=2", "pip install ...")

    monkeypatch.setattr(examination, "package_checks", gone)
    assert main(["doctor"]) == 2
    told = capsys.readouterr().out
    assert told.count("problem  torch ") == 1 and "-> pip install ..." in told
    assert "note     torchvision" in told and "not tried, since torch doesn't start" in told
    assert "see the arrows." in told.splitlines()[-1]
    assert probes.closed == ["torch", "torchvision", "torchaudio"]


def test_processes_are_ended_when_it_is_interrupted(
    probes: type[Probes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop() -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(examination, "package_checks", stop)
    assert main(["doctor"]) == 130
    assert len(probes.closed) == 3


def test_unknown_flags_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--jsno"]) == 2
    assert "did you mean --json?" in capsys.readouterr().err
    assert main(["doctor", "runs"]) == 2


def test_this_machine_for_real(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--json"])
    told = json.loads(capsys.readouterr().out)
    checks = {check["topic"]: check for check in told["checks"]}
    for name in ("Python", "fivestep", "packages", "torch", "torchvision", "torchaudio", "cpu"):
        assert checks[name]["grade"] == "ok", checks[name]
    assert sys.executable in checks["Python"]["value"]
    import torch

    assert checks["torch"]["value"].startswith(torch.__version__)
    assert {"cores", "memory", "disk", "runs", "signing", "command"} <= checks.keys()
    problems = [check for check in told["checks"] if check["grade"] == "problem"]
    assert (code, told["ok"]) == ((2, False) if problems else (0, True))
    assert all(check["advice"] for check in problems)
