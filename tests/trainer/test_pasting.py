"""Commands that are printed can be pasted where the user stands, however train was started."""

import shlex
import sys
from pathlib import Path

import pytest

from trainer.config.usage import fivestep_help, train_help
from trainer.pasting import pasteable


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with scripts/, an environment with its commands, and nothing on the path."""
    for place in ("scripts/train", "scripts/fivestep", "env/train", "env/tensorboard"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).touch(mode=0o755)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "env" / "python"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("used", "train", "fivestep"),
    [
        ("scripts/train", "scripts/train", "scripts/fivestep"),
        ("scripts/fivestep", "scripts/train", "scripts/fivestep"),
        ("./scripts/train", "./scripts/train", "./scripts/fivestep"),
        ("links/mine", "links/mine", "scripts/fivestep"),
    ],
)
def test_the_scripts_are_named_as_they_were_used(
    used: str, train: str, fivestep: str, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / "links").mkdir()
    (checkout / "links/mine").symlink_to("../scripts/train")
    monkeypatch.setenv("FIVESTEP_COMMAND", used)
    assert pasteable("train", "a b") == f"{train} 'a b'"
    assert pasteable("fivestep", "show") == f"{fivestep} show"
    assert pasteable("tensorboard") == "env/tensorboard"
    assert f"\n  train       {train}\n  fivestep    {fivestep}" in train_help()
    assert fivestep_help().endswith(f"  fivestep    {fivestep}")


def test_a_script_in_the_current_folder_keeps_its_dot(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(checkout / "scripts")
    for used in ("./train", "train"):  # the second as in: bash train
        monkeypatch.setenv("FIVESTEP_COMMAND", used)
        assert [pasteable("train"), pasteable("fivestep")] == ["./train", "./fivestep"]


def test_without_a_script_by_name_or_by_place(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FIVESTEP_COMMAND", raising=False)
    assert pasteable("train") == "env/train"
    assert pasteable("fivestep") == "fivestep"  # not installed here: its name says what is meant
    monkeypatch.setenv("PATH", str(checkout / "env"))
    assert pasteable("train", "resume=it's") == shlex.join(["train", "resume=it's"])
    assert "In this shell" not in train_help()
    (checkout / "other").mkdir()
    (checkout / "other/train").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(checkout / "other"))
    assert pasteable("train") == "env/train"  # another program's train is not ours
