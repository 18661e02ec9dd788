import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from trainer import cli, faults
from trainer.cli import main
from trainer.config.catalogue import groups
from trainer.config.compose import compose
from trainer.config.usage import EXAMPLES, train_help
from trainer.errors import Diverged, Refused

Capture = pytest.CaptureFixture[str]


def refused(capsys: Capture, *argv: str) -> str:
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and "Traceback" not in captured.err
    assert captured.out == ""
    return captured.err


@pytest.mark.parametrize("argv", [["train", "--help"], ["train", "-h"], ["train", "help"]])
def test_help_names_every_group_and_every_choice(argv: list[str], capsys: Capture) -> None:
    assert main(argv) == 0
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert len(lines) <= 60 and max(map(len, lines)) <= 80
    for name, group in groups().items():
        assert any(line.split()[:1] == [name] for line in lines), name
        assert all(choice in text.replace("*", "") for choice in group.choices)
        assert group.default is None or f"{group.default}*" in text


def test_every_useful_line_of_the_help_is_one_that_works(capsys: Capture) -> None:
    assert len(EXAMPLES) >= 10
    for line, _ in EXAMPLES:
        command, *words = line.split()
        if command == "train" and "-m" not in words:  # a sweep's line is run in docs/sweeps.md
            compose(words)
        elif command == "fivestep":
            assert main(words) == 0
    capsys.readouterr()


def test_many_choices_are_wrapped(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    for number in range(20):
        (tmp_path / "model" / f"my_own_network_{number}.yaml").write_text("# x.\n")
    assert max(map(len, train_help([tmp_path]).splitlines())) <= 80


def test_list_prints_groups_and_choices(capsys: Capture) -> None:
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    heads = [line.split()[0] for line in lines if re.match(r" {2}\S", line)]
    assert heads[: len(groups())] == list(groups())
    assert main(["list", "model"]) == 0
    text = capsys.readouterr().out
    assert "model: what learns" in text and "auto*" in text and "torchvision's ResNet-18" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "fivestep list model?" in refused(capsys, "list", "modle")
    assert "list takes one group" in refused(capsys, "list", "model", "data")


def test_show_prints_the_config_with_its_interpolations(capsys: Capture) -> None:
    assert main(["show", "experiment=digits", "seed=7"]) == 0
    text = capsys.readouterr().out
    assert "seed: 7\n" in text and "num_classes: ${info.num_outputs}" in text
    assert "experiment:" not in text and "hydra" not in text


def test_show_knows_the_users_folder(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("# Mine.\n_target_: mynet.Net\n")
    assert main(["show", "--config-dir", str(tmp_path), "model=mine"]) == 0
    assert "_target_: mynet.Net" in capsys.readouterr().out
    assert main(["show", "model=mine", f"--config-dir={tmp_path}", "seed=1"]) == 0
    assert main(["list", "model", "--config-dir", str(tmp_path)]) == 0
    assert "Mine." in capsys.readouterr().out


@pytest.mark.parametrize("argv", [["--version"], ["version"], ["train", "--version"]])
def test_version(argv: list[str], capsys: Capture) -> None:
    from trainer import __version__

    assert main(argv) == 0
    assert capsys.readouterr().out == f"fivestep {__version__}\n"


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"], ["help"]])
def test_fivestep_alone_says_what_there_is(argv: list[str], capsys: Capture) -> None:
    assert main(argv) == 0
    assert "usage: fivestep COMMAND" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["trian"], "did you mean fivestep train?"),
        (["model=cnn"], "did you mean train model=cnn?"),
        (["zzz"], "see fivestep --help"),
        (["show", "--verbos"], "did you mean --verbose?"),
        (["show", "--config", "x"], "did you mean --config-dir?"),
        (["show", "--lr=3"], "overrides have no dashes: lr=3"),
        (["show", "-m", "lr=1"], "-m is for train; show has one config"),
        (["show", "--config-dir"], "--config-dir: expected one argument"),
        (["show", "--config-dir", "/nonexistent/x"], "is not a folder"),
        (["list", "--config-dir", "/nonexistent/x"], "is not a folder"),
        (["show", "cnn"], "did you mean model=cnn?"),
        (["show", "trainer.lrr=1"], "did you mean optimizer.lr=1?"),
        (["show", "modle=cnn", "seed=-1"], "2 problems; nothing was started:\n  1. "),
    ],
    ids=str,
)
def test_a_wrong_command_line_is_told(argv: list[str], words: str, capsys: Capture) -> None:
    assert words in refused(capsys, *argv)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard of the installation is tested elsewhere."""
    monkeypatch.setattr("trainer.installation.check", lambda: None)


@pytest.mark.usefixtures("installed")
def test_train_checks_builds_and_executes(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[object] = []
    monkeypatch.setattr(
        "trainer.config.build.build", lambda config, overrides: (config.seed, overrides)
    )
    monkeypatch.setattr("trainer.stages.execute", done.append)
    assert main(["train", "seed=3", "model=mlp"]) == 0
    assert done == [(3, ["seed=3", "model=mlp"])]


@pytest.mark.usefixtures("installed")
def test_train_refuses_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("trainer.config.build.build", never)
    assert "optimizer.foo is no argument" in refused(capsys, "train", "+optimizer.foo=1")
    assert "did you mean seed=1?" in refused(capsys, "train", "sead=1")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("installed")
def test_resume_composes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[object] = []
    monkeypatch.setattr("trainer.config.build.resume", lambda *a: a, raising=False)
    monkeypatch.setattr("trainer.stages.execute", done.append)
    monkeypatch.setattr("trainer.config.compose.compose", lambda *_: 1 / 0)
    assert main(["train", "resume=runs/a b", "trainer.epochs=9"]) == 0
    assert main(["train", 'resume="runs/a (b)"']) == 0
    assert done == [(Path("runs/a b"), ["trainer.epochs=9"], []), (Path("runs/a (b)"), [], [])]
    assert cli.resumed(["resume=null", "seed=1"]) == (None, ["seed=1"])
    assert cli.resumed(["seed=1"]) == (None, ["seed=1"])


def test_errors_with_an_exit_code_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    class Foreign(Exception):
        exit_code = 7

    for error, code in ((Diverged("the loss is nan"), 3), (Foreign("lost"), 7), (Refused("a"), 2)):

        def fail(*_: object, error: Exception = error) -> int:
            raise error

        monkeypatch.setattr(cli, "show", fail)
        assert main(["show"]) == code
        assert capsys.readouterr().err == f"error: {error}\n"
        assert main(["show", "-v"]) == code
        assert "Traceback" in capsys.readouterr().err


def test_a_keyboard_interrupt_is_130(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def fail(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "show", fail)
    assert main(["show"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_fault_of_ours_is_one_line_with_its_place(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(faults, "is_users", lambda _: False)
    monkeypatch.setattr(cli, "show", lambda *_: [][3])
    assert main(["show"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "unexpected: IndexError: list index out of range" in err
    assert "test_cli.py:" in err and "run again with --verbose" in err
    assert main(["show", "--verbose"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_fault_in_the_users_code_comes_with_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path
) -> None:
    (tmp_path / "mynet.py").write_text("def forward(*_):\n    return int('x')\n")
    names: dict[str, object] = {}
    code = compile((tmp_path / "mynet.py").read_text(), str(tmp_path / "mynet.py"), "exec")
    exec(code, names)  # noqa: S102  # code with the user's file name, without an import
    monkeypatch.setattr(cli, "show", names["forward"])
    assert main(["show"]) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err and "mynet.py:2); your own code took part" in err


def test_what_counts_as_the_users_code(tmp_path: Path) -> None:
    import json

    import torch

    assert not faults.is_users(cli.__file__)
    assert not faults.is_users(torch.__file__)
    assert not faults.is_users(json.__file__)
    assert not faults.is_users("<frozen importlib>")
    assert faults.is_users(str(tmp_path / "net.py"))


def python(*argv: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    program = (
        "import sys; from trainer.cli import main; code = main(sys.argv[1:])\n"
        "print([m for m in ('torch', 'hydra', 'numpy') if m in sys.modules], code)"
    )
    return subprocess.run(
        [sys.executable, "-c", program, *argv], cwd=cwd, capture_output=True, text=True, check=True
    )


def test_what_is_not_needed_is_not_imported(tmp_path: Path) -> None:
    """Listing costs no Hydra, and a wrong key costs no torch."""
    for argv in (["train", "--help"], ["list"], ["list", "model"], ["--version"]):
        assert python(*argv, cwd=tmp_path).stdout.splitlines()[-1] == "[] 0"
    for argv, code in ((["train", "trainer.lrr=1", "optimizer.lr=-1"], 2), (["show"], 0)):
        assert python(*argv, cwd=tmp_path).stdout.splitlines()[-1] == f"['hydra'] {code}"


def test_a_closed_pipe_is_quiet(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    program = "import sys; from trainer.cli import main; sys.exit(main(['list']))"
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=writer, stderr=subprocess.PIPE, cwd=tmp_path
    )
    os.close(writer)
    assert done.stderr == b"" and done.returncode == 1
