"""`fivestep lr-find`: the overrides of train, no run folder, a line to be pasted."""

import csv
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.cli import main
from trainer.storage.runs import find as find_runs

QUICK = ["model=mlp", "trainer.threads=1", "--steps", "60"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_results_and_a_line_that_trains_and_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lr-find", *QUICK, "optimizer=sgd", "optimizer.lr=3"]) == 0
    told = capsys.readouterr().out.splitlines()
    (folder,) = Path("runs/digits-mlp").iterdir()
    assert sorted(p.name for p in folder.iterdir()) == [
        "lr_find.csv",
        "lr_find.json",
        "lr_find.png",
    ]
    assert not list(find_runs(Path("runs")))
    found = json.loads((folder / "lr_find.json").read_text())
    assert found["method"] == "halfway" and 0.01 < found["chosen"] < 1
    with (folder / "lr_find.csv").open() as file:
        rows = [*csv.DictReader(file)]
    assert len(rows) == len(found["values"]) <= 60
    assert [float(row["rate"]) for row in rows] == [value["rate"] for value in found["values"]]
    assert any("<- chosen" in line for line in told)
    assert told[-2] == f"picture {folder / 'lr_find.png'}"
    words = shlex.split(told[-1].removeprefix("use it  "))
    assert words[0].endswith("train") and shlex.join(words) == found["command"]
    rate = f"optimizer.lr={found['chosen']:g}"
    assert words[1:] == ["model=mlp", "trainer.threads=1", "optimizer=sgd", rate]
    assert main(["show", *words[1:]]) == 0


def test_the_output_goes_where_it_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["lr-find", *QUICK, "--output", "a/b"]
    assert main(command) == 0
    assert (Path("a/b") / "lr_find.png").is_file() and not Path("runs").exists()
    assert main(command) == 2
    assert "holds lr_find.csv, lr_find.json, lr_find.png" in capsys.readouterr().err


def test_a_loss_that_does_not_fall_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lr-find", *QUICK, "--low", "1e-9", "--high", "1e-8"]) == 0
    told = capsys.readouterr().out
    assert "no suggestion: the loss never fell by more than chance" in told
    assert "use it" not in told
    (file,) = Path("runs").rglob("lr_find.json")
    assert json.loads(file.read_text())["chosen"] is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["modle=mlp"], "did you mean model"),
        (["--low", "1", "--high", "0.1"], "give --low above 0, below --high"),
        (["--steps", "5"], "--steps 5 are too few"),
        (["--steps", "many"], "invalid int value"),
        (["--stepz", "5"], "did you mean --steps?"),
        (["--optimizer", "critic"], "there is no optimizer critic; the task has model"),
        (["resume=runs/x"], "resume=runs/x is for train"),
        (["run.dir=x"], "say with --output where the results go"),
        (["sweep.jobs=2"], "sweep.jobs=2 is for train -m"),
        (["scheduler.schedule.max_lr=0.5"], "optimizer.lr (0.003) decides nothing"),
        (["--config-dir", "nowhere"], "is not a folder"),
        (["optimizer._target_=torch.optim.LBFGS"], "optimizer"),
        (["data.path=x"], "data.path"),
    ],
)
def test_mistakes_are_told_and_leave_nothing(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lr-find", "model=mlp", *words]) == 2
    error = capsys.readouterr().err
    assert told in error and "Traceback" not in error
    assert not Path("runs").exists()


def test_a_folder_that_can_not_be_made(capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").write_text("")
    assert main(["lr-find", *QUICK, "--output", "file/x"]) == 4
    assert "--output FOLDER" in capsys.readouterr().err


def test_mistakes_and_help_are_answered_without_torch() -> None:
    program = (
        "import sys\nfrom trainer.cli import main\n"
        "code = main(['lr-find', *sys.argv[1:]])\n"
        "assert 'torch' not in sys.modules and 'matplotlib' not in sys.modules\n"
        "sys.exit(code)"
    )
    for words, told in ((["--help"], "--steps N"), (["model=mpl"], "did you mean model=mlp")):
        done = subprocess.run(
            [sys.executable, "-c", program, *words], capture_output=True, text=True, check=False
        )
        assert told in done.stdout + done.stderr and "Assertion" not in done.stderr
